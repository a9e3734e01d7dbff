//! A raw crash: what the client said about itself, and what the collector noted at receipt.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::crash_id::CrashId;

/// Names of the entries that the collector writes. A client can't set them.
pub mod field {
    /// ISO 8601 time of receipt, UTC, microseconds always six digits.
    pub const SUBMITTED_TIMESTAMP: &str = "submitted_timestamp";
    /// Time of receipt as seconds since 1970 (Socorro 2.x).
    pub const TIMESTAMP: &str = "timestamp";
    /// The [`super::ThrottleResult`] as a number.
    pub const LEGACY_PROCESSING: &str = "legacy_processing";
    /// The percentage of the throttle rule that decided.
    pub const THROTTLE_RATE: &str = "throttle_rate";
    /// The crash id.
    pub const UUID: &str = "uuid";
    /// How the crash came in: an object with notes, payload form and size, user agent, rule.
    pub const METADATA: &str = "metadata";
    /// All of them.
    pub const OURS: [&str; 6] = [
        SUBMITTED_TIMESTAMP,
        TIMESTAMP,
        LEGACY_PROCESSING,
        THROTTLE_RATE,
        UUID,
        METADATA,
    ];
}

/// The annotations of a crash and the collector's own entries: one JSON object.
///
/// Stored as `<id>.json` in file systems and as `meta_data:json` in HBase.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawCrash(Map<String, Value>);

impl RawCrash {
    /// A raw crash of these annotations.
    pub fn new(annotations: Map<String, Value>) -> Self {
        Self(annotations)
    }

    /// Reads a raw crash from JSON text. It must be one object.
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

    /// When the crash was received: `submitted_timestamp`, or midnight of the id's date where a
    /// crash has none (Socorro 2.x stored some so).
    pub fn submitted(&self, id: &CrashId) -> Timestamp {
        self.get_str(field::SUBMITTED_TIMESTAMP)
            .and_then(parse_timestamp)
            .unwrap_or_else(|| {
                // Unwrap safety: dates of ids are in 2000 to 2099, which jiff can express.
                id.date()
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .unwrap()
                    .timestamp()
            })
    }

    /// What throttling decided. Absent counts as accepted, as in Socorro 2.x.
    pub fn throttle_result(&self) -> ThrottleResult {
        match self.get(field::LEGACY_PROCESSING).and_then(Value::as_i64) {
            None | Some(0) => ThrottleResult::Accept,
            Some(2) => ThrottleResult::Discard,
            Some(3) => ThrottleResult::Ignore,
            Some(_) => ThrottleResult::Defer,
        }
    }
}

/// Values are private until a list says otherwise, so only the names are shown.
impl fmt::Debug for RawCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What is to become of a submission. The numbers are those of Socorro's `legacy_processing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThrottleResult {
    /// Store it and process it.
    Accept = 0,
    /// Store it; process it when somebody asks.
    Defer = 1,
    /// Don't store it, and tell the client so.
    Discard = 2,
    /// Don't store it: the product is unsupported.
    Ignore = 3,
}

impl ThrottleResult {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Defer => "defer",
            Self::Discard => "discard",
            Self::Ignore => "ignore",
        }
    }
}

/// The text form of times in crashes: `2026-11-22T04:10:34.706566+00:00`.
///
/// Always UTC and always six digits of a second, so that texts sort as times do.
pub fn format_timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// Reads a time as [`format_timestamp`] and Socorro 2.x write it: a `T` or a blank between date and
/// time, any number of digits of a second, UTC where no zone is given.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_six_digits() {
        let time: Timestamp = "2026-11-22T04:10:34Z".parse().unwrap();
        assert_eq!(format_timestamp(time), "2026-11-22T04:10:34.000000+00:00");
        assert_eq!(parse_timestamp(&format_timestamp(time)), Some(time));
    }

    #[test]
    fn times_of_socorro_2x_are_read() {
        let expected: Timestamp = "2012-05-08T23:26:33.454482Z".parse().unwrap();
        for text in [
            "2012-05-08 23:26:33.454482",
            "2012-05-08T23:26:33.454482+00:00",
        ] {
            assert_eq!(parse_timestamp(text), Some(expected), "{text}");
        }
        assert_eq!(parse_timestamp("yesterday"), None);
    }

    #[test]
    fn a_crash_without_a_time_of_receipt_takes_its_ids_date() {
        let id: CrashId = "4dd21cc0-49d9-46ae-a42b-fadb42090928".parse().unwrap();
        let midnight: Timestamp = "2009-09-28T00:00:00Z".parse().unwrap();
        assert_eq!(RawCrash::default().submitted(&id), midnight);
    }

    #[test]
    fn a_crash_that_says_nothing_of_throttling_counts_as_accepted() {
        let mut crash = RawCrash::default();
        assert_eq!(crash.throttle_result(), ThrottleResult::Accept);
        crash.set(field::LEGACY_PROCESSING, 1);
        assert_eq!(crash.throttle_result(), ThrottleResult::Defer);
    }

    #[test]
    fn debug_output_shows_names_and_no_values() {
        let mut crash = RawCrash::default();
        crash.set("Email", "someone@example.com");
        assert_eq!(format!("{crash:?}"), r#"{"Email"}"#);
    }

    #[test]
    fn json_that_is_no_object_is_refused() {
        assert!(RawCrash::from_json(b"[1]").is_err());
        assert!(RawCrash::from_json(b"{").is_err());
        assert!(RawCrash::from_json(b"").is_err());
    }
}
