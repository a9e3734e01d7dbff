//! Which crash it is.

use socorro_core::processed_crash::key;

use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let id = case.id.as_str().to_owned();
    case.set("crash_id", id.as_str());
    case.set(key::UUID, id);
}
