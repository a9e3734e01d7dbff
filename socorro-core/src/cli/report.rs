//! `socorro get_report`: what happened, for people, in a terminal.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::context::{Cli, visible};
use super::walk::Interrupted;
use crate::crash_id::CrashId;
use crate::processed_crash::{ProcessedCrash, key};
use crate::service::{EXIT_TEMPFAIL, Error};
use crate::storage::{CrashStorage, StorageError};

/// How often to look while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Frames shown; the page and `--json` have all.
const FRAMES: usize = 20;

pub(super) async fn run(
    cli: &Cli,
    storage: &dyn CrashStorage,
    id: &CrashId,
    wait_seconds: u64,
) -> Result<ExitCode, Error> {
    let deadline = Instant::now() + Duration::from_secs(wait_seconds);
    let processed = loop {
        match storage.get_processed(id).await {
            Ok(processed) => break processed,
            Err(error) if !error.is_not_found() => return Err(error.into()),
            Err(_) if Instant::now() < deadline => {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = cli.stop.cancelled() => return Err(Interrupted.into()),
                }
            }
            Err(error) => return not_processed(storage, id, error).await,
        }
    };
    let value = serde_json::to_value(&processed)?;
    cli.answer(render(id, &processed).trim_end(), &value)?;
    Ok(ExitCode::SUCCESS)
}

async fn not_processed(
    storage: &dyn CrashStorage,
    id: &CrashId,
    error: StorageError,
) -> Result<ExitCode, Error> {
    match storage.get_raw_crash(id).await {
        Ok(_) => {
            eprintln!(
                "{id} is stored and not processed yet: wait with --wait, check that a processor \
                 runs, or ask for it with `socorro request-priority {id}`"
            );
            Ok(ExitCode::from(EXIT_TEMPFAIL))
        }
        Err(missing) if missing.is_not_found() => {
            Err(format!("{id} is not in the storage: has the crash mover run?").into())
        }
        Err(_) => Err(error.into()),
    }
}

/// The report as text.
fn render(id: &CrashId, processed: &ProcessedCrash) -> String {
    let mut out = String::new();
    let text = |name: &str| match processed.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(visible(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mut line = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string can't fail.
            let _ = writeln!(out, "{label:<11}{value}");
        }
    };
    let together = |names: &[&str]| {
        let words: Vec<_> = names.iter().filter_map(|name| text(name)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    line("Crash", Some(id.to_string()));
    line("Signature", text(key::SIGNATURE));
    line("Product", together(&["product", "version", "build"]));
    line("System", together(&["os_pretty_version", "cpu_name"]));
    line("Reason", text("reason"));
    line("Address", text("address"));
    line("Notes", text(key::PROCESSOR_NOTES));

    let dump = processed.get(key::JSON_DUMP);
    let entry = |pointer: &str| dump.and_then(|dump| dump.pointer(pointer));
    let thread = entry("/crash_info/crashing_thread").and_then(Value::as_u64);
    let frames = thread.and_then(|index| entry(&format!("/threads/{index}/frames")));
    if let (Some(index), Some(frames)) = (thread, frames.and_then(Value::as_array)) {
        let name = text("crashing_thread_name").map_or(String::new(), |name| format!(" ({name})"));
        let _ = writeln!(out, "\nThread {index}{name} crashed");
        for (number, frame) in frames.iter().enumerate().take(FRAMES) {
            for inline in frame
                .get("inlines")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let _ = writeln!(out, "{:>4}  {} [inlined]", "", call(inline, frame));
            }
            let _ = writeln!(out, "{number:>4}  {}", call(frame, frame));
        }
        if frames.len() > FRAMES {
            let _ = writeln!(out, "      ... {} more", frames.len() - FRAMES);
        }
    }
    out
}

/// `module!function  file:line` of a frame, or of a call inlined into it.
fn call(call: &Value, frame: &Value) -> String {
    let text = |from: &Value, name: &str| from.get(name)?.as_str().map(visible);
    let module = text(frame, "module").unwrap_or_else(|| "?".into());
    let function = text(call, "function")
        .or_else(|| text(frame, "module_offset").or_else(|| text(frame, "offset")))
        .unwrap_or_default();
    let place = text(call, "file").map(|file| {
        let file = file.rsplit(['/', '\\']).next().unwrap_or(&file).to_owned();
        let line = call.get("line").and_then(Value::as_u64);
        line.map_or(format!("  {file}"), |line| format!("  {file}:{line}"))
    });
    format!("{module}!{function}{}", place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_shows_the_crashing_thread_and_no_control_characters() {
        let processed = ProcessedCrash::from_json(
            br#"{"signature": "f | g", "reason": "SIGSEGV\u001b[2J", "product": "Arena", "version": "1",
                "json_dump": {"crash_info": {"crashing_thread": 1}, "threads": [{}, {"frames": [
                  {"module": "arena", "function": "f", "file": "src/f.cc", "line": 7,
                   "inlines": [{"function": "i", "file": "i.h", "line": 3}]},
                  {"module": "libc.so.6", "module_offset": "0x10"}, {}]}]}}"#,
        )
        .unwrap();
        let id = "4dd21cc0-49d9-46ae-a42b-fadb42090928".parse().unwrap();
        let text = render(&id, &processed);
        for part in [
            "f | g",
            "Arena 1",
            "arena!f  f.cc:7",
            "arena!i  i.h:3 [inlined]",
            "libc.so.6!0x10",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'));
    }
}
