//! A processed crash: what a processor found out, as one JSON object.
//!
//! The keys are those of Socorro 2.x (`signature`, `reason`, `address`, ...) and `json_dump` in the
//! shape of `minidump-stackwalk --json`; [`SCHEMA`] has them all. The processor's rules fill them; here
//! is only what storages and readers need to know.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The JSON Schema of a processed crash: every key, with its type and what it means.
pub const SCHEMA: &str = include_str!("../schema/processed-crash.json");

/// Names of entries that more than one program reads.
pub mod key {
    /// The signature: a string that groups crashes of one cause.
    pub const SIGNATURE: &str = "signature";
    /// When processing ended, ISO 8601 UTC.
    pub const COMPLETED: &str = "completed_datetime";
    /// The crash id.
    pub const UUID: &str = "uuid";
    /// Whether the stack could be walked.
    pub const SUCCESS: &str = "success";
    /// Notes of the processor and its rules: one string, joined with `; `.
    pub const PROCESSOR_NOTES: &str = "processor_notes";
    /// The notes of earlier times that the crash was processed, the latest first: a list of strings.
    pub const PROCESSOR_HISTORY: &str = "processor_history";
    /// The stack walker's result.
    pub const JSON_DUMP: &str = "json_dump";
}

/// How many times of processing are remembered.
const MAX_HISTORY: usize = 20;

/// The processed crash, as stored (`<id>.jsonz`, `processed_data:json`).
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessedCrash(Map<String, Value>);

impl ProcessedCrash {
    /// Reads a processed crash from JSON text. It must be one object.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The JSON text that [`Self::from_json`] reads.
    pub fn to_json(&self) -> Vec<u8> {
        // Unwrap safety: a map of JSON values with string keys always serialises.
        serde_json::to_vec(&self.0).unwrap()
    }

    /// All entries.
    pub fn entries(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The entry of that name, whatever its type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The entry of that name if it is a string.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Sets an entry; what was there is replaced.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// What is to be kept of this crash when it is processed again: its notes, with the time at which
    /// they were made, before those of earlier times. The oldest go where there are too many.
    pub fn history(&self) -> Vec<Value> {
        let made = self.get_str(key::COMPLETED).unwrap_or("at an unknown time");
        let notes = self.get_str(key::PROCESSOR_NOTES);
        let latest = notes.map(|notes| format!("{made}: {notes}").into());
        let earlier = self.get(key::PROCESSOR_HISTORY).and_then(Value::as_array);
        let earlier = earlier.into_iter().flatten().cloned();
        latest
            .into_iter()
            .chain(earlier)
            .take(MAX_HISTORY)
            .collect()
    }

    /// The signature, if there is one.
    pub fn signature(&self) -> Option<&str> {
        self.get_str(key::SIGNATURE)
    }
}

impl fmt::Debug for ProcessedCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessedCrash")
            .field("signature", &self.signature())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn notes_become_history_with_their_time_the_latest_first_and_the_oldest_go() {
        let mut crash = ProcessedCrash::default();
        for time in 1..=30 {
            let history = crash.history();
            crash = ProcessedCrash::default();
            crash.set(key::COMPLETED, format!("t{time}"));
            crash.set(key::PROCESSOR_NOTES, format!("n{time}"));
            crash.set(key::PROCESSOR_HISTORY, history);
        }
        let history = crash.history();
        assert_eq!(history[..2], [json!("t30: n30"), json!("t29: n29")]);
        assert_eq!(history.len(), MAX_HISTORY);
    }

    #[test]
    fn a_processed_crash_of_another_program_has_what_history_it_tells() {
        for (text, history) in [
            ("{}", vec![]),
            (
                r#"{"processor_notes": 1, "processor_history": "no list"}"#,
                vec![],
            ),
            (
                r#"{"processor_notes": "n", "processor_history": null}"#,
                vec![json!("at an unknown time: n")],
            ),
        ] {
            let crash = ProcessedCrash::from_json(text.as_bytes()).unwrap();
            assert_eq!(crash.history(), history, "{text}");
        }
    }
}
