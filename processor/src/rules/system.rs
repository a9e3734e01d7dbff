//! The operating system and the processor on which it crashed.

use serde_json::Value;

use super::cut;
use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let text = |case: &Case<'_>, pointer| {
        case.dump_entry(pointer)
            .and_then(Value::as_str)
            .map(|text| cut(text, 100))
    };
    let os_name = text(case, "/system_info/os");
    let os_version = text(case, "/system_info/os_ver");
    let cpu_name = text(case, "/system_info/cpu_arch");
    let cpu_info = text(case, "/system_info/cpu_info");
    let cpu_count = case
        .dump_entry("/system_info/cpu_count")
        .and_then(Value::as_u64);
    // Socorro 2.x: the processor and how many of it.
    let cpu_info = match (cpu_info, cpu_count) {
        (Some(info), Some(count)) => Some(format!("{info} | {count}")),
        (info, _) => info,
    };
    case.set("os_name", os_name);
    case.set("os_version", os_version);
    case.set("cpu_name", cpu_name.clone());
    case.set("cpu_arch", cpu_name);
    case.set("cpu_info", cpu_info);
    case.set("cpu_count", cpu_count);
    let microcode = case
        .dump_entry("/system_info/cpu_microcode_version")
        .cloned();
    case.set("cpu_microcode_version", microcode);
}
