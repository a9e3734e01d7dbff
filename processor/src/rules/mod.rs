//! The rules that make a processed crash, one small file each. `transform` has their order.

pub(crate) mod additional_dumps;
pub(crate) mod addons;
pub(crate) mod copied;
pub(crate) mod crash_info;
pub(crate) mod dates_and_times;
pub(crate) mod flash_version;
pub(crate) mod hang;
pub(crate) mod identifiers;
mod integer;
pub(crate) mod java;
pub(crate) mod memory_access;
pub(crate) mod missing_symbols;
pub(crate) mod modules_in_stack;
pub(crate) mod moz_crash_reason;
pub(crate) mod os_pretty_version;
pub(crate) mod process_type;
pub(crate) mod signature;
pub(crate) mod stack_walk;
pub(crate) mod system;
pub(crate) mod topmost_file;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::transform::Case;
use integer::integer;

/// The first `limit` characters.
fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The frames of the crashing thread, innermost first; none without such a thread.
fn crashing_frames<'a>(case: &Case<'a>) -> &'a [Value] {
    let thread = case
        .dump_entry("/crash_info/crashing_thread")
        .and_then(Value::as_u64);
    let frames = thread.and_then(|index| case.dump_entry(&format!("/threads/{index}/frames")));
    frames.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The modules of that kind, `debug_file/debug_id;...`: where their symbols lie.
fn module_list(case: &Case<'_>, is_wanted: impl Fn(&Value) -> bool) -> String {
    let identity = |module: &Value| {
        let text = |name| module.get(name).and_then(Value::as_str);
        let (file, id) = (text("debug_file")?, text("debug_id")?);
        (!file.is_empty()).then(|| format!("{file}/{id}"))
    };
    let modules = case.dump_entry("/modules").and_then(Value::as_array);
    let wanted = modules
        .into_iter()
        .flatten()
        .filter(|module| is_wanted(module));
    let list: BTreeSet<String> = wanted.filter_map(identity).collect();
    list.into_iter().collect::<Vec<_>>().join(";")
}
