//! Whether it hung in place of crashing, and with which other process.

use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let is_true = |case: &Case<'_>, name| {
        let value = case.annotation(name).map(str::trim);
        value.is_some_and(|value| !matches!(value, "" | "0" | "false"))
    };
    let plugin_hang = is_true(case, "PluginHang");
    let hang_id = match case.annotation("HangID").filter(|id| !id.is_empty()) {
        // Socorro 2.x: a hang that one dump tells of goes by the crash's own id.
        _ if plugin_hang => Some(format!("fake-{}", case.id.as_str())),
        sent => sent.map(|id| super::cut(id, 64)),
    };
    let hang_type = if is_true(case, "Hang") {
        1
    } else if hang_id.is_some() {
        -1
    } else {
        0
    };
    case.set("hang_type", hang_type);
    case.set("hangid", hang_id);
    case.set("report_type", if hang_type == 0 { "crash" } else { "hang" });
}
