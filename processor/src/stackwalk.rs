//! From a minidump to stacks: the rust-minidump crates, and what we keep of their answer.

use std::path::PathBuf;

use bytes::Bytes;
use minidump::{Minidump, Module};
use minidump_processor::{ProcessState, ProcessorOptions, process_minidump_with_options};
use minidump_unwind::StackFrame;
use serde_json::Value;

use crate::symbols::symbolizer;
use socorro_core::signature::{Frame, Inline};

/// What walking one dump gave. A dump that can't be walked gives a status and nothing else: that is
/// a result, too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Walk {
    /// `OK`, or the name of what went wrong, such as `MissingHeader` (`mdsw_status_string`).
    pub status: String,
    /// What went wrong, in words.
    pub problem: Option<String>,
    /// The walk in the shape of `minidump-stackwalk --json`.
    pub json_dump: Value,
    /// The frames of the crashing thread, for the signature.
    pub frames: Option<Vec<Frame>>,
    /// The operating system as the dump has it: `Linux`, `Windows NT`, `Mac OS X`, ...
    pub os: Option<String>,
}

impl Walk {
    /// A walk that failed.
    pub fn failed(status: &str, problem: impl Into<String>) -> Self {
        Self {
            status: status.to_owned(),
            problem: Some(problem.into()),
            ..Self::default()
        }
    }

    /// Whether the dump could be walked.
    pub fn is_ok(&self) -> bool {
        self.problem.is_none()
    }
}

/// Walks all stacks of a dump. Computes for as long as it takes, on this thread.
pub fn walk(dump: &Bytes, symbols: &[PathBuf]) -> Walk {
    if dump.is_empty() {
        return Walk::failed("EmptyMinidump", "the dump has no bytes");
    }
    let dump = match Minidump::read(&dump[..]) {
        Ok(dump) => dump,
        Err(error) => return Walk::failed(error.name(), format!("not a minidump: {error}")),
    };
    let symbols = symbolizer(symbols);
    let options = ProcessorOptions::default();
    match pollster::block_on(process_minidump_with_options(&dump, &symbols, options)) {
        Ok(state) => keep(&state),
        Err(error) => Walk::failed(error.name(), format!("a damaged minidump: {error}")),
    }
}

fn keep(state: &ProcessState) -> Walk {
    let mut json = Vec::new();
    let parsed = state
        .print_json(&mut json, false)
        .and_then(|()| serde_json::from_slice(&json));
    let mut json_dump: Value = match parsed {
        Ok(json_dump) => json_dump,
        Err(error) => return Walk::failed("JsonError", error.to_string()),
    };
    if let Some(all) = json_dump.as_object_mut() {
        // Names of open files and pipes tell of people.
        all.insert("handles".into(), Value::Null);
    }
    let crashing = state
        .requesting_thread
        .and_then(|thread| state.threads.get(thread));
    Walk {
        status: "OK".into(),
        problem: None,
        json_dump,
        frames: crashing.map(|thread| thread.frames.iter().map(frame).collect()),
        os: Some(state.system_info.os.to_string()),
    }
}

fn frame(frame: &StackFrame) -> Frame {
    Frame {
        address: frame.instruction,
        function: frame.function_name.clone(),
        file: frame.source_file_name.clone(),
        line: frame.source_line,
        module: frame
            .module
            .as_ref()
            .map(|module| leaf(&module.code_file())),
        unloaded_modules: frame.unloaded_modules.keys().cloned().collect(),
        inlines: frame.inlines.iter().map(inline).collect(),
    }
}

fn inline(inline: &minidump_unwind::InlineFrame) -> Inline {
    Inline {
        function: Some(inline.function_name.clone()),
        file: inline.source_file_name.clone(),
        line: inline.source_line,
    }
}

/// The last part of a path of any system.
fn leaf(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixtures() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
    }

    fn walk_fixture(name: &str) -> (Walk, Value) {
        let dump = std::fs::read(fixtures().join(format!("dumps/{name}.dmp"))).unwrap();
        let expected = fixtures().join(format!("expected/{name}.json"));
        let expected = serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
        (walk(&dump.into(), &[fixtures().join("symbols")]), expected)
    }

    /// The frames as the expectations have them: module, function, file and line, inlines first.
    fn frames(thread: &Value) -> Vec<[Value; 4]> {
        let file = |frame: &Value| match frame["file"].as_str() {
            Some(file) => leaf(file).into(),
            None => Value::Null,
        };
        let mut all = Vec::new();
        for frame in thread["frames"].as_array().unwrap() {
            for inline in frame["inlines"].as_array().into_iter().flatten() {
                let [function, line] = ["function", "line"].map(|name| inline[name].clone());
                all.push([frame["module"].clone(), function, file(inline), line]);
            }
            let [module, function, line] =
                ["module", "function", "line"].map(|name| frame[name].clone());
            all.push([module, function, file(frame), line]);
        }
        all
    }

    #[test]
    fn the_stacks_of_our_own_crashes_are_right_frame_by_frame() {
        for name in [
            "null-write",
            "abort",
            "uncaught-exception",
            "stack-overflow",
            "rust-panic",
        ] {
            let (walk, expected) = walk_fixture(name);
            assert!(walk.is_ok(), "{name}: {walk:?}");
            let crash = &walk.json_dump["crash_info"];
            assert_eq!(crash["type"], expected["reason"], "{name}");
            assert_eq!(
                crash["crashing_thread"], expected["crashing_thread"],
                "{name}"
            );
            for (index, expected) in expected["threads"].as_array().unwrap().iter().enumerate() {
                let found = frames(&walk.json_dump["threads"][index]);
                let expected = expected["frames"].as_array().unwrap().iter().map(|frame| {
                    ["module", "function", "file", "line"].map(|name| frame[name].clone())
                });
                for (number, expected) in expected.enumerate() {
                    assert_eq!(
                        found[number], expected,
                        "{name}: thread {index}, frame {number}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_minidump_gives_a_status_and_a_reason() {
        for (name, status) in [
            ("not-a-minidump", "MissingHeader"),
            ("truncated", "MissingSystemInfo"),
            ("empty", "EmptyMinidump"),
        ] {
            let (walk, _) = walk_fixture(name);
            assert_eq!(walk.status, status, "{name}");
            assert!(!walk.is_ok() && walk.frames.is_none(), "{name}");
        }
    }

    #[test]
    fn a_dump_without_symbols_still_has_modules_and_addresses() {
        let dump = std::fs::read(fixtures().join("dumps/null-write.dmp")).unwrap();
        let walk = walk(&dump.into(), &[]);
        let first = &walk.frames.unwrap()[0];
        assert_eq!(first.module.as_deref(), Some("arena"));
        assert_eq!(first.function, None);
    }
}
