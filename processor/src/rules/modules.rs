//! Modules on the crashing stack, modules whose symbols are missing, the topmost source file.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let frames = crashing_frames(case);
    let on_stack: BTreeSet<&str> = frames
        .iter()
        .filter_map(|frame| frame.get("module")?.as_str())
        .collect();
    let modules = case.dump_entry("/modules").and_then(Value::as_array);
    let identified = |wanted: &dyn Fn(&Value) -> bool| {
        let modules = modules
            .into_iter()
            .flatten()
            .filter(|module| wanted(module));
        let list: BTreeSet<String> = modules.filter_map(identity).collect();
        list.into_iter().collect::<Vec<_>>().join(";")
    };
    let is_on_stack =
        |module: &Value| text(module, "filename").is_some_and(|name| on_stack.contains(name));
    let misses_symbols =
        |module: &Value| module.get("missing_symbols").and_then(Value::as_bool) == Some(true);
    let modules_in_stack = identified(&is_on_stack);
    let missing_symbols = identified(&misses_symbols);
    let topmost = frames.iter().find_map(|frame| frame.get("file")?.as_str());
    case.set("modules_in_stack", modules_in_stack);
    case.set("missing_symbols", missing_symbols);
    case.set("topmost_filenames", topmost);
}

fn crashing_frames<'a>(case: &Case<'a>) -> &'a [Value] {
    let thread = case
        .dump_entry("/crash_info/crashing_thread")
        .and_then(Value::as_u64);
    let frames = thread.and_then(|index| case.dump_entry(&format!("/threads/{index}/frames")));
    frames.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(module: &'a Value, name: &str) -> Option<&'a str> {
    module.get(name)?.as_str()
}

/// `debug_file/debug_id`, which is also where its symbols lie.
fn identity(module: &Value) -> Option<String> {
    let (file, id) = (text(module, "debug_file")?, text(module, "debug_id")?);
    (!file.is_empty()).then(|| format!("{file}/{id}"))
}
