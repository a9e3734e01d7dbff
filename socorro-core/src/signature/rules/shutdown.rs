//! Shutdowns that take too long.

use serde_json::Value;

use super::super::walk;
use super::{CrashStack, DELIMITER, Lists, known};

/// What the shutdown waited for says more than the stack of the thread that lost its patience.
pub(super) fn timeout(stack: &CrashStack, _: &Lists, _: &str) -> Option<String> {
    let json = known(&stack.async_shutdown_timeout)?;
    let waited = match serde_json::from_str(json) {
        Ok(Value::Object(waited)) => {
            let phase = waited.get("phase").and_then(Value::as_str);
            let conditions = waited.get("conditions").and_then(Value::as_array);
            let mut names: Vec<&str> = conditions
                .into_iter()
                .flatten()
                .filter_map(|condition| condition.get("name").unwrap_or(condition).as_str())
                .collect();
            names.sort_unstable();
            let names = match names.is_empty() {
                true => "(none)".to_owned(),
                false => names.join(","),
            };
            format!("{}{DELIMITER}{names}", phase.unwrap_or("(unknown)"))
        }
        _ => "UNKNOWN".to_owned(),
    };
    Some(format!("AsyncShutdownTimeout{DELIMITER}{waited}"))
}

/// A watchdog thread crashed the process since thread 0 hung in its shutdown.
pub(super) fn run_watch_dog(stack: &CrashStack, lists: &Lists, signature: &str) -> Option<String> {
    if !signature.contains("RunWatchdog") {
        return None;
    }
    let hung = walk::from_frames(stack, stack.first_thread.as_deref(), lists).signature;
    Some(format!("shutdownhang{DELIMITER}{hung}"))
}
