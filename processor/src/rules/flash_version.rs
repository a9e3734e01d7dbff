//! The version of the Flash plug-in that was loaded.

use serde_json::Value;

use crate::transform::Case;

/// How its file names begin and end; the version is between, with `_` for dots.
const NAMES: [(&str, &str); 5] = [
    ("NPSWF32_", ".dll"),
    ("NPSWF32", ".dll"),
    ("FlashPlayerPlugin_", ".exe"),
    ("libflashplayer", ".so"),
    ("Flash Player-", ""),
];

pub(crate) fn apply(case: &mut Case<'_>) {
    let modules = case.dump_entry("/modules").and_then(Value::as_array);
    let version = modules.into_iter().flatten().find_map(|module| {
        let name = module.get("filename")?.as_str()?;
        let in_name = NAMES.into_iter().find_map(|(start, end)| {
            let between = name.strip_prefix(start)?.strip_suffix(end)?;
            Some(between.replace('_', "."))
        })?;
        // The module's own version is better than its name's.
        let own = module.get("version").and_then(Value::as_str);
        let own = own.filter(|version| !version.is_empty());
        Some(own.map_or(in_name, str::to_owned))
    });
    // Socorro 2.x: what readers expect where there is none.
    let version = version.filter(|version| !version.is_empty());
    case.set("flash_version", version.as_deref().unwrap_or("[blank]"));
}
