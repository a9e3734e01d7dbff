//! The reason that the program itself gave.

use super::cut;
use crate::transform::Case;

/// Reasons are constants in the source, or messages of Rust panics, which may quote what people
/// typed: those are kept up to the first quotation mark.
pub(crate) fn apply(case: &mut Case<'_>) {
    let reason = case.annotation("MozCrashReason").map(|reason| {
        let constant = reason.starts_with("MOZ_");
        let said = match reason.find(['"', '\'', '`', '\u{201c}']) {
            Some(quote) if !constant => &reason[..quote],
            _ => reason,
        };
        cut(said.trim(), 4096)
    });
    case.set("moz_crash_reason", reason);
}
