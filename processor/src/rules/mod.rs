//! The rules that make a processed crash, one small file each. `transform` has their order.

pub(crate) mod dates_and_times;
pub(crate) mod identifiers;
pub(crate) mod modules;
pub(crate) mod process_type;
pub(crate) mod signature;
pub(crate) mod stack_walk;
pub(crate) mod system;

/// The first `limit` characters.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}
