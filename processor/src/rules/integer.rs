//! Annotations that are whole numbers.

use crate::transform::Case;

/// A public annotation that is a whole number. Anything else becomes a note and nothing.
pub(super) fn integer(case: &mut Case<'_>, name: &str) -> Option<i64> {
    let parsed = case.annotation(name)?.trim().parse().ok();
    if parsed.is_none() {
        case.note(format!("non-integer value of \"{name}\""));
    }
    parsed
}
