//! From a minidump to stacks: the rust-minidump crates, and what we keep of their answer.
//!
//! [`Walker`] does it, in a worker process (`workers/`); the processor gets a [`Walk`].

mod json;
mod options;
mod provider;
mod symbols;

use minidump::Minidump;
use minidump_processor::{ProcessorOptions, process_minidump_with_options};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use options::WalkOptions;

use provider::DumpSymbols;
use symbols::Symbols;

/// What walking one dump gave. A dump that can't be walked gives a status and nothing else: that is
/// a result, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Walk {
    /// `OK`, or the name of what went wrong, such as `MissingHeader` (`mdsw_status_string`).
    pub status: String,
    /// What went wrong, in words.
    pub problem: Option<String>,
    /// Whether frames, threads or modules were left out of `json_dump`.
    pub truncated: bool,
    /// The walk in the shape of `minidump-stackwalk --json`; a thread that is not whole says so in
    /// `frames_left_out`.
    pub json_dump: Value,
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

    /// The walk as a worker sends it.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Unwrap safety: strings and a value always have a JSON form.
        serde_json::to_vec(self).unwrap()
    }

    /// Whether the dump could be walked.
    pub fn is_ok(&self) -> bool {
        self.problem.is_none()
    }
}

/// Bytes that the answer for a small dump takes.
const SMALL_ANSWER: usize = 32 << 10;

/// Walks dumps, one after the other, and keeps the symbols in between.
#[derive(Debug)]
pub struct Walker {
    options: WalkOptions,
    symbols: Symbols,
}

impl Walker {
    /// A walker without symbols yet.
    pub fn new(options: WalkOptions) -> Self {
        let symbols = Symbols::new(&options);
        Self { options, symbols }
    }

    /// Walks all stacks of a dump, and gives a [`Walk`] as JSON. Computes for as long as it takes, on
    /// this thread; memory is bounded by that of the process only. `announce` is told of each symbol file
    /// before it is read, by its place, and of `None` after that.
    pub fn walk(&self, dump: &[u8], announce: &(dyn Fn(Option<&str>) + Sync)) -> Vec<u8> {
        self.try_walk(dump, announce)
            .unwrap_or_else(|failed| failed.to_json())
    }

    fn try_walk(
        &self,
        dump: &[u8],
        announce: &(dyn Fn(Option<&str>) + Sync),
    ) -> Result<Vec<u8>, Walk> {
        if dump.is_empty() {
            return Err(Walk::failed("EmptyMinidump", "the dump has no bytes"));
        }
        let dump = Minidump::read(dump)
            .map_err(|error| Walk::failed(error.name(), format!("not a minidump: {error}")))?;
        let symbols = DumpSymbols::new(&self.symbols, self.options.max_frames, announce);
        let options = ProcessorOptions::default();
        let state = pollster::block_on(process_minidump_with_options(&dump, &symbols, options))
            .map_err(|error| Walk::failed(error.name(), format!("a damaged minidump: {error}")))?;
        let (found, ended_early) = symbols.into_found();
        let no_json = |error: serde_json::Error| Walk::failed("JsonError", error.to_string());
        let mut answer = Vec::with_capacity(SMALL_ANSWER);
        answer.extend_from_slice(br#"{"status":"OK","json_dump":"#);
        let left_out = json::write(&mut answer, state, &found, &self.options).map_err(no_json)?;
        let end = format!(r#","truncated":{}}}"#, left_out || ended_early);
        answer.extend_from_slice(end.as_bytes());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fixtures() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
    }

    fn walk_fixture(name: &str) -> (Walk, Value) {
        let dump = std::fs::read(fixtures().join(format!("dumps/{name}.dmp"))).unwrap();
        let expected = fixtures().join(format!("expected/{name}.json"));
        let expected = serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
        (walk(&dump, Some(fixtures().join("symbols"))), expected)
    }

    fn walk(dump: &[u8], symbols: Option<PathBuf>) -> Walk {
        let options = WalkOptions {
            symbols: symbols.into_iter().collect(),
            ..WalkOptions::default()
        };
        serde_json::from_slice(&Walker::new(options).walk(dump, &|_| {})).unwrap()
    }

    fn leaf(path: &str) -> &str {
        json::leaf(path)
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
            assert!(!walk.is_ok() && walk.json_dump.is_null(), "{name}");
        }
    }

    #[test]
    fn a_dump_without_symbols_still_has_modules_and_addresses() {
        let dump = std::fs::read(fixtures().join("dumps/null-write.dmp")).unwrap();
        let walk = walk(&dump, None);
        let first = &walk.json_dump["crashing_thread"]["frames"][0];
        assert_eq!(first["module"], "arena");
        assert_eq!(first["function"], Value::Null);
    }

    #[test]
    fn the_json_dump_is_the_stock_librarys_entry_by_entry() {
        let symbols = fixtures().join("symbols");
        let walker = Walker::new(WalkOptions {
            symbols: vec![symbols.clone()],
            head_frames: usize::MAX,
            ..WalkOptions::default()
        });
        let mut walked = 0;
        for entry in std::fs::read_dir(fixtures().join("dumps")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let ours: Walk = serde_json::from_slice(&walker.walk(&bytes, &|_| {})).unwrap();
            let stock = Minidump::read(&bytes[..]).ok().and_then(|dump| {
                let supplier = minidump_unwind::simple_symbol_supplier(vec![symbols.clone()]);
                let symbols = minidump_unwind::Symbolizer::new(supplier);
                let options = ProcessorOptions::default();
                let state = process_minidump_with_options(&dump, &symbols, options);
                pollster::block_on(state).ok()
            });
            assert_eq!(ours.is_ok(), stock.is_some(), "{}", path.display());
            let Some(stock) = stock else { continue };
            let mut json = Vec::new();
            stock.print_json(&mut json, false).unwrap();
            let mut stock: Value = serde_json::from_slice(&json).unwrap();
            stock["handles"] = Value::Null;
            for (name, expected) in stock.as_object().unwrap() {
                // A list made of a map: in any order.
                if name != "proc_limits" {
                    assert_eq!(
                        &ours.json_dump[name],
                        expected,
                        "{}: {name}",
                        path.display()
                    );
                }
            }
            assert_eq!(
                ours.json_dump.as_object().unwrap().len(),
                stock.as_object().unwrap().len()
            );
            walked += 1;
        }
        assert_eq!(walked, 5);
    }
}
