//! What the client said about itself.

use serde_json::Value;
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::raw_crash::RawCrash;

use crate::web::{privacy, text};

/// Longer values are folded.
const LONG_CHARS: usize = 300;
/// Of longer values only that much is shown.
const MAX_CHARS: usize = 20_000;

/// An entry of the raw crash.
#[derive(Debug)]
pub(super) struct Annotation {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) private: bool,
    /// The beginning of a value too long to be shown unfolded.
    pub(super) beginning: Option<String>,
}

/// All entries, sorted by name without regard to case.
pub(super) fn annotations(raw: &RawCrash, list: &PublicAnnotations) -> Vec<Annotation> {
    let entry = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text::shown_up_to(text, MAX_CHARS),
            other => text::shown_up_to(&other.to_string(), MAX_CHARS),
        };
        let beginning: String = value.chars().take(LONG_CHARS / 4).collect();
        Annotation {
            name: text::shown(name),
            private: !privacy::is_public(name, list),
            beginning: (value.chars().nth(LONG_CHARS).is_some()).then_some(beginning),
            value,
        }
    };
    let mut all: Vec<_> = raw.entries().iter().map(entry).collect();
    all.sort_by_cached_key(|annotation| annotation.name.to_lowercase());
    all
}
