//! Cleaning of texts that come from dumps and symbol files, so that they can be stored, compared
//! and shown.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Drops what cannot be seen: control characters, and those that have no width or turn the
/// direction of the text around them. Letters of all scripts stay, since Rust and Swift allow them
/// in names.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    // Unwrap safety: a constant, compiled by the first test that cleans a text.
    static INVISIBLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{C}--\s]+").unwrap());
    INVISIBLE.replace_all(text, "")
}

/// Trims, and makes each run of blanks, tabs and line ends one space.
pub(crate) fn fix_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
