//! What is known of a crash, as far as its signature goes, and how it is read from a processed
//! crash.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Frame, Inline, ListError, Lists};
use crate::processed_crash::{ProcessedCrash, key};

/// What is known of a crash, as far as its signature goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashStack {
    /// Name of the operating system, as minidumps give it: `Windows NT`, `Linux`, `Mac OS X`,
    /// `Android`.
    pub os: Option<String>,
    /// The stack to make a signature of, innermost frame first: the crashing thread's, or thread
    /// 0's when the dump names none or the process hung. `None` without any thread.
    pub frames: Option<Vec<Frame>>,
    /// The stack of thread 0, whose hang a watchdog thread reports by crashing.
    pub first_thread: Option<Vec<Frame>>,
    /// Set when the process did not crash but hung.
    pub hang_type: Option<HangType>,
    /// What the stack walker said in the end, `OK` or the name of its error.
    pub mdsw_status: Option<String>,
    /// The exception or signal: `SIGSEGV / SEGV_MAPERR`.
    pub reason: Option<String>,
    /// Whether the crash touched the guard page below a stack.
    pub guard_page: bool,
    /// The last error of the crashing thread on Windows: `ERROR_NOT_ENOUGH_MEMORY`.
    pub last_error: Option<String>,
    /// Bytes of the allocation that failed. 0 counts as none.
    pub oom_allocation_size: Option<u64>,
    /// What became of a large allocation for JavaScript: `Reporting` while it is reported.
    pub js_large_allocation_failure: Option<String>,
    /// The message with which the program gave up.
    pub abort_message: Option<String>,
    /// JSON of what a shutdown waited for: `phase` and `conditions`.
    pub async_shutdown_timeout: Option<String>,
    /// Why a child process was ended.
    pub ipc_channel_error: Option<String>,
    /// The message between processes that was being handled.
    pub ipc_message_name: Option<String>,
    /// Whether there is a dump of the parent process, too.
    pub browser_dump: bool,
    /// Exception and calls in Java.
    pub java_stack_trace: Option<String>,
}

/// Which part of a product hung; the number is what `hang_type` holds in a processed crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangType {
    /// The product itself (1).
    Browser,
    /// A plug-in, or a process that serves one (-1).
    Plugin,
}

impl CrashStack {
    /// Reads a processed crash. What is absent, or of another type than expected, counts as unknown.
    pub fn of(crash: &ProcessedCrash) -> Self {
        let text = |name| crash.get_str(name).map(str::to_owned);
        let dump = crash.get(key::JSON_DUMP).unwrap_or(&Value::Null);
        let hang_type = match crash.get("hang_type").and_then(Value::as_i64) {
            Some(1) => Some(HangType::Browser),
            Some(-1) => Some(HangType::Plugin),
            _ => None,
        };
        let crashing = dump
            .pointer("/crash_info/crashing_thread")
            .and_then(Value::as_u64)
            .filter(|_| hang_type != Some(HangType::Browser))
            .unwrap_or(0);
        let others = crash.get("additional_minidumps").and_then(Value::as_array);
        let last_error = dump.pointer(&format!("/threads/{crashing}/last_error_value"));
        Self {
            os: owned(dump.pointer("/system_info/os")),
            frames: frames(dump, crashing),
            first_thread: frames(dump, 0),
            hang_type,
            mdsw_status: text("mdsw_status_string"),
            reason: text("reason").or_else(|| owned(dump.pointer("/crash_info/type"))),
            guard_page: crash.get("has_guard_page_access") == Some(&Value::Bool(true)),
            last_error: owned(last_error),
            oom_allocation_size: crash.get("oom_allocation_size").and_then(Value::as_u64),
            js_large_allocation_failure: text("js_large_allocation_failure"),
            abort_message: text("abort_message"),
            async_shutdown_timeout: text("async_shutdown_timeout"),
            ipc_channel_error: text("ipc_channel_error"),
            ipc_message_name: text("ipc_message_name"),
            browser_dump: others.is_some_and(|names| {
                names
                    .iter()
                    .any(|name| name == "upload_file_minidump_browser")
            }),
            java_stack_trace: text("java_stack_trace"),
        }
    }
}

fn frames(dump: &Value, thread: u64) -> Option<Vec<Frame>> {
    let frames = dump.pointer(&format!("/threads/{thread}/frames"))?;
    // More calls are never looked at.
    let frames = frames.as_array()?.iter().take(super::walk::MAX_CALLS);
    Some(frames.map(frame).collect())
}

/// A frame as `minidump-stackwalk --json` writes it.
fn frame(json: &Value) -> Frame {
    let items = |name: &str| {
        json.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    Frame {
        address: json.get("offset").and_then(hex).unwrap_or_default(),
        function: owned(json.get("function")),
        file: owned(json.get("file")),
        line: line(json),
        module: owned(json.get("module")),
        unloaded_modules: items("unloaded_modules")
            .filter_map(|module| owned(module.get("module")))
            .collect(),
        inlines: items("inlines")
            .map(|inline| Inline {
                function: owned(inline.get("function")),
                file: owned(inline.get("file")),
                line: line(inline),
            })
            .collect(),
    }
}

fn owned(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

fn line(json: &Value) -> Option<u32> {
    json.get("line")?.as_u64()?.try_into().ok()
}

fn hex(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// The section `[signature]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignatureOptions {
    /// A directory with lists for signatures, named as those in `socorro-core/data/signature`. Empty:
    /// the shipped lists.
    pub lists: PathBuf,
}

impl SignatureOptions {
    /// The lists to use; an error that names file and line if one can't be.
    pub fn load(&self) -> Result<Lists, ListError> {
        match self.lists.as_os_str().is_empty() {
            true => Ok(Lists::default()),
            false => Lists::load(&self.lists),
        }
    }
}
