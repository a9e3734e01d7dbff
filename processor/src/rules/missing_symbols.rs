//! The modules whose symbols were wanted and not there.

use serde_json::Value;

use super::module_list;
use crate::transform::Case;

/// `debug_file/debug_id;...`, as their symbols are looked for.
pub(crate) fn apply(case: &mut Case<'_>) {
    let missing = module_list(case, |module| {
        module.get("missing_symbols").and_then(Value::as_bool) == Some(true)
    });
    case.set("missing_symbols", missing);
}
