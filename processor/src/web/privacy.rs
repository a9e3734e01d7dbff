//! What is left of a crash for visitors who have not the right to see its private parts.
//!
//! Private parts are taken out here, before anything is shown: what renders a crash can't leak
//! what it doesn't have.

use serde_json::Value;
use socorro_core::processed_crash::ProcessedCrash;
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::raw_crash::{RawCrash, field};

/// Entries of a processed crash, at any depth, that hold memory contents, paths of the user's files
/// or texts that the application or the user wrote.
const PRIVATE: [&str; 12] = [
    "registers",
    "handles",
    "mac_crash_info",
    "mac_boot_args",
    "java_stack_trace_raw",
    "moz_crash_reason_raw",
    "mdsw_stderr",
    "memory_report",
    "user_comments",
    "user_id",
    "email",
    "url",
];

/// The public part of a processed crash.
pub(super) fn public_processed(processed: &ProcessedCrash) -> ProcessedCrash {
    let mut public = ProcessedCrash::default();
    for (name, value) in processed.entries() {
        if !PRIVATE.contains(&name.as_str()) {
            public.set(name.as_str(), public_value(value));
        }
    }
    public
}

fn public_value(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            .filter(|(name, _)| !PRIVATE.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), public_value(value)))
            .collect(),
        Value::Array(items) => items.iter().map(public_value).collect(),
        plain => plain.clone(),
    }
}

/// The public part of a raw crash: what is listed, and what the collector noted.
pub(super) fn public_raw(raw: &RawCrash, list: &PublicAnnotations) -> RawCrash {
    let entries = raw.entries().iter();
    let public = entries.filter(|(name, _)| is_public(name, list));
    RawCrash::new(
        public
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Whether anybody who may read reports may see that entry of a raw crash. `metadata` tells of the
/// client's network and software.
pub(super) fn is_public(name: &str, list: &PublicAnnotations) -> bool {
    list.is_public(name) || (field::OURS.contains(&name) && name != field::METADATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_and_private_texts_are_taken_out_at_any_depth() {
        let text = r#"{
            "signature": "f", "user_comments": "my name is",
            "json_dump": {
                "handles": [{"object_name": "C:\\Users\\ada"}],
                "crashing_thread": {"frames": [{"function": "f", "registers": {"rax": "0x1"}}]}
            },
            "upload_file_minidump_browser": {
                "json_dump": {"crashing_thread": {"frames": [{"registers": {}}]}}
            }
        }"#;
        let crash = ProcessedCrash::from_json(text.as_bytes()).unwrap();
        let public = r#"{
            "signature": "f",
            "json_dump": {"crashing_thread": {"frames": [{"function": "f"}]}},
            "upload_file_minidump_browser": {
                "json_dump": {"crashing_thread": {"frames": [{}]}}
            }
        }"#;
        let expected = ProcessedCrash::from_json(public.as_bytes()).unwrap();
        assert_eq!(public_processed(&crash).entries(), expected.entries());
    }

    #[test]
    fn of_a_raw_crash_the_listed_and_our_own_entries_are_public() {
        let text = br#"{"Email": "a@b", "ProductName": "Arena", "legacy_processing": 0,
                        "metadata": {"user_agent": "x"}, "Made up today": "?"}"#;
        let raw = RawCrash::from_json(text).unwrap();
        let public = public_raw(&raw, &PublicAnnotations::default());
        let names: Vec<_> = public.entries().keys().map(String::as_str).collect();
        assert_eq!(names, ["ProductName", "legacy_processing"]);
    }
}
