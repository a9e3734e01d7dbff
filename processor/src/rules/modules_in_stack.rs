//! The modules on the crashing stack.

use std::collections::BTreeSet;

use super::{crashing_frames, module_list};
use crate::transform::Case;

/// `debug_file/debug_id;...`, as their symbols lie.
pub(crate) fn apply(case: &mut Case<'_>) {
    let on_stack: BTreeSet<&str> = crashing_frames(case)
        .iter()
        .filter_map(|frame| frame.get("module")?.as_str())
        .collect();
    let modules = module_list(case, |module| {
        let name = module.get("filename").and_then(|name| name.as_str());
        name.is_some_and(|name| on_stack.contains(name))
    });
    case.set("modules_in_stack", modules);
}
