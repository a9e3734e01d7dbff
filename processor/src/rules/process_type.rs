//! Which of a program's processes crashed, and the plug-in that it served.

use super::cut;
use crate::transform::Case;

/// Annotation, Socorro 2.x's key, today's.
const PLUGIN: [(&str, &str); 3] = [
    ("PluginFilename", "plugin_filename"),
    ("PluginName", "plugin_name"),
    ("PluginVersion", "plugin_version"),
];

pub(crate) fn apply(case: &mut Case<'_>) {
    let process_type = case.annotation("ProcessType").map(|name| cut(name, 10));
    if process_type.as_deref() == Some("plugin") {
        for (name, today) in PLUGIN {
            let value = case.annotation(name).map(|value| cut(value, 255));
            case.set(name, value.clone());
            case.set(today, value);
        }
    }
    case.set("process_type", process_type);
}
