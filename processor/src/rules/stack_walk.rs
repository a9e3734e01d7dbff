//! What the stack walker found: reason, address, crashing thread, and the whole of it.

use serde_json::{Value, json};
use socorro_core::processed_crash::key;

use crate::transform::Case;
use crate::walk::Walk;

pub(crate) fn apply(case: &mut Case<'_>) {
    let others: Vec<_> = case
        .walks
        .iter()
        .filter(|(name, _)| !name.is_main())
        .collect();
    let names: Vec<Value> = others
        .iter()
        .map(|(name, _)| name.as_str().into())
        .collect();
    case.set("additional_minidumps", names);
    for (name, walk) in others {
        let part = json!({
            key::SUCCESS: walk.is_ok(),
            "mdsw_status_string": walk.status,
            key::JSON_DUMP: walk.json_dump,
        });
        case.set(name.as_str(), part);
        note_failure(case, name.as_str(), walk);
    }
    let Some(walk) = case.main_walk() else {
        case.set("mdsw_status_string", "NoMinidump");
        case.note("the crash has no minidump");
        return;
    };
    case.set(key::SUCCESS, walk.is_ok());
    case.set("mdsw_status_string", walk.status.as_str());
    case.set(key::JSON_DUMP, walk.json_dump.clone());
    note_failure(case, "upload_file_minidump", walk);

    let thread = case.dump_entry("/crash_info/crashing_thread").cloned();
    let thread_name = thread.as_ref().and_then(Value::as_u64).and_then(|index| {
        case.dump_entry(&format!("/threads/{index}/thread_name"))
            .cloned()
    });
    if walk.is_ok() && thread.is_none() {
        case.note("MDSW did not identify the crashing thread");
    }
    case.set("crashing_thread", thread.clone());
    case.set("crashedThread", thread);
    case.set("crashing_thread_name", thread_name);
    case.set("reason", case.dump_entry("/crash_info/type").cloned());
    case.set("address", address(case));
    case.set("thread_count", case.dump_entry("/thread_count").cloned());
    case.set("truncated", walk.truncated);
    if walk.truncated {
        case.note("MDSW emitted too many frames, triggering truncation");
    }
}

/// The address that was accessed. The walker may know better than the exception record: the null
/// pointer behind a small offset, the address that a processor does not report.
fn address(case: &Case<'_>) -> Option<Value> {
    let adjusted = |pointer| case.dump_entry(pointer).cloned();
    match case
        .dump_entry("/crash_info/adjusted_address/kind")
        .and_then(Value::as_str)
    {
        Some("non-canonical") => adjusted("/crash_info/adjusted_address/address"),
        _ => adjusted("/crash_info/address"),
    }
}

fn note_failure(case: &mut Case<'_>, name: &str, walk: &Walk) {
    if let Some(problem) = &walk.problem {
        case.note(format!("MDSW failed: {}: {name}: {problem}", walk.status));
    }
}
