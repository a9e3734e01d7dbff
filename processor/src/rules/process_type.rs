//! Which of a program's processes crashed, and whether it hung.

use serde_json::Value;

use super::cut;
use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let process_type = case.annotation("ProcessType").map(|name| cut(name, 10));
    if process_type.as_deref() == Some("plugin") {
        for name in ["PluginFilename", "PluginName", "PluginVersion"] {
            case.set(name, case.annotation(name));
        }
    }
    case.set("process_type", process_type);

    let is_true = |case: &Case<'_>, name| case.annotation(name).is_some_and(|v| v != "0");
    let hang_id = case.annotation("HangID").filter(|id| !id.is_empty());
    let hang_type = if is_true(case, "Hang") {
        1
    } else if is_true(case, "PluginHang") || hang_id.is_some() {
        -1
    } else {
        0
    };
    case.set("hang_type", hang_type);
    case.set("hangid", hang_id);
    case.set("report_type", if hang_type == 0 { "crash" } else { "hang" });
    let addons = addons(case);
    case.set("addons", addons);
}

/// `id:version,id:version`, each percent-encoded, as `["id:version", ...]`.
fn addons(case: &mut Case<'_>) -> Value {
    let Some(list) = case.annotation("Add-ons") else {
        return Value::Null;
    };
    list.split(',').filter(|addon| !addon.is_empty()).collect()
}
