//! Reason, address and crashing thread.

use serde_json::Value;

use super::cut;
use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    if case.main_walk().is_none() {
        return;
    }
    let thread = case.dump_entry("/crash_info/crashing_thread").cloned();
    let of_thread = |case: &Case<'_>, name| {
        let index = thread.as_ref()?.as_u64()?;
        case.dump_entry(&format!("/threads/{index}/{name}"))
            .cloned()
    };
    let thread_name = of_thread(case, "thread_name");
    let last_error = of_thread(case, "last_error_value");
    if thread.is_none() && case.main_walk().is_some_and(|walk| walk.is_ok()) {
        case.note("MDSW did not identify the crashing thread");
    }
    case.set("crashing_thread", thread.clone());
    case.set("crashedThread", thread);
    case.set("crashing_thread_name", thread_name);
    case.set("last_error_value", last_error);
    let reason = case.dump_entry("/crash_info/type").and_then(Value::as_str);
    case.set("reason", reason.map(|reason| cut(reason, 255)));
    case.set("address", address(case));
    case.set("thread_count", case.dump_entry("/thread_count").cloned());
    let inconsistencies = case.dump_entry("/crash_info/crash_inconsistencies");
    case.set("crash_inconsistencies", inconsistencies.cloned());
}

/// The address that was accessed. The walker may know better than the exception record: a null
/// pointer behind an offset, the address that a processor does not report as it is not canonical.
fn address(case: &Case<'_>) -> Option<Value> {
    let address = case.dump_entry("/crash_info/address");
    let kind = case.dump_entry("/crash_info/adjusted_address/kind");
    match kind.and_then(Value::as_str) {
        Some("non-canonical") => case.dump_entry("/crash_info/adjusted_address/address"),
        _ => address,
    }
    .cloned()
}
