//! Crash ids ("ooid", "uuid"): a random UUID whose last seven characters say where and when.
//!
//! ```text
//! 4dd21cc0-49d9-46ae-a42b-fadb42090928
//!                              |\____/ UTC date of receipt, YYMMDD
//!                              depth of the file-system radix, 1 to 4 (0 reads as 4)
//! ```
//!
//! The form is Socorro's since 2009 (`socorro/lib/ooid.py` in mozilla-services/socorro). `bp-` is a
//! prefix that only clients and people see; [`CrashId::parse_prefixed`] takes it off.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// Characters in an id.
const LEN: usize = 36;
const DEPTH_AT: usize = LEN - 7;
const DATE_AT: usize = LEN - 6;
/// The radix depth of ids that we make.
pub const DEFAULT_DEPTH: u8 = 2;

/// The id of one crash: 36 lower-case characters, checked, so that it is safe as a file name and as
/// a part of a row key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CrashId([u8; LEN]);

/// Why a text is no crash id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a crash id: {why} (expected 8-4-4-4-12 lower-case hex digits that end in a depth digit and YYMMDD, such as 4dd21cc0-49d9-46ae-a42b-fadb42090928)"
)]
pub struct InvalidCrashId {
    text: String,
    why: &'static str,
}

impl CrashId {
    /// Characters in an id.
    pub const LEN: usize = LEN;

    /// A new random id for a crash received on `date` (UTC).
    ///
    /// # Panics
    /// Never for dates of 2000 to 2099, all that the form can express; other years are taken
    /// modulo 100.
    pub fn new(date: Date) -> Self {
        let mut text = [0; LEN];
        uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        text[DEPTH_AT] = b'0' + DEFAULT_DEPTH;
        let fields = [
            date.year().rem_euclid(100) as u8,
            date.month() as u8,
            date.day() as u8,
        ];
        for (i, field) in fields.into_iter().enumerate() {
            text[DATE_AT + 2 * i] = b'0' + field / 10;
            text[DATE_AT + 2 * i + 1] = b'0' + field % 10;
        }
        Self(text)
    }

    /// Reads an id as people and clients write it: with or without the prefix `bp-`.
    pub fn parse_prefixed(text: &str) -> Result<Self, InvalidCrashId> {
        text.strip_prefix("bp-").unwrap_or(text).parse()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Unwrap safety: every constructor admits ASCII only.
        std::str::from_utf8(&self.0).unwrap()
    }

    /// The UTC date of receipt.
    pub fn date(&self) -> Date {
        // Unwrap safety: every constructor has checked the date.
        Self::date_of(&self.0).unwrap()
    }

    /// The date of receipt as the id has it: `YYMMDD`.
    pub fn yymmdd(&self) -> &str {
        &self.as_str()[DATE_AT..]
    }

    /// How many two-character directories lead to the crash in a file-system tree: 1 to 4.
    pub fn depth(&self) -> usize {
        match self.0[DEPTH_AT] {
            b'0' => 4,
            digit => usize::from(digit - b'0'),
        }
    }

    /// The first character: the salt that spreads row keys over sixteen ranges.
    pub fn salt(&self) -> char {
        char::from(self.0[0])
    }

    /// The timestamp in milliseconds that every cell of a *save* of this crash carries: midnight
    /// UTC one day before the id's date. It follows from the id alone, so that a replayed or late
    /// save is older than all that happened to the crash since.
    pub fn save_timestamp_millis(&self) -> i64 {
        // Unwrap safety: dates of ids are in 2000 to 2099, far from jiff's limits.
        let eve = self.date().checked_sub(1.day()).unwrap();
        eve.to_zoned(TimeZone::UTC)
            .unwrap()
            .timestamp()
            .as_millisecond()
    }

    /// Whether the id is dated today or yesterday, so that its crash may still be on its way.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(TimeZone::UTC).date();
        self.date() <= today && self.date() >= today.yesterday().unwrap_or(today)
    }

    /// Whether the id is dated later than tomorrow: no clock that is only a little wrong gives such
    /// an id.
    pub fn is_from_the_future(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(TimeZone::UTC).date();
        self.date() > today.tomorrow().unwrap_or(today)
    }

    fn date_of(text: &[u8; LEN]) -> Option<Date> {
        let pair = |at: usize| -> Option<i8> {
            let tens = char::from(text[at]).to_digit(10)?;
            let ones = char::from(text[at + 1]).to_digit(10)?;
            i8::try_from(tens * 10 + ones).ok()
        };
        let year = 2000 + i16::from(pair(DATE_AT)?);
        Date::new(year, pair(DATE_AT + 2)?, pair(DATE_AT + 4)?).ok()
    }
}

impl FromStr for CrashId {
    type Err = InvalidCrashId;

    fn from_str(text: &str) -> Result<Self, InvalidCrashId> {
        let refuse = |why| InvalidCrashId {
            text: text.chars().take(80).collect(),
            why,
        };
        let bytes: [u8; LEN] = text
            .as_bytes()
            .try_into()
            .map_err(|_| refuse("it has not 36 characters"))?;
        for (i, c) in bytes.iter().enumerate() {
            let fits = match i {
                8 | 13 | 18 | 23 => *c == b'-',
                _ => matches!(c, b'0'..=b'9' | b'a'..=b'f'),
            };
            if !fits {
                return Err(refuse("it has not the form of a lower-case UUID"));
            }
        }
        if !matches!(bytes[DEPTH_AT], b'0'..=b'4') {
            return Err(refuse(
                "its depth digit, the 7th from the end, is not 0 to 4",
            ));
        }
        if Self::date_of(&bytes).is_none() {
            return Err(refuse("its last six characters are not a date YYMMDD"));
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for CrashId {
    type Error = InvalidCrashId;

    fn try_from(text: String) -> Result<Self, InvalidCrashId> {
        text.parse()
    }
}

impl From<CrashId> for String {
    fn from(id: CrashId) -> String {
        id.as_str().to_owned()
    }
}

impl fmt::Display for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "4dd21cc0-49d9-46ae-a42b-fadb42090928";

    #[test]
    fn a_known_id_tells_its_date_and_depth() {
        let id: CrashId = KNOWN.parse().unwrap();
        assert_eq!(id.as_str(), KNOWN);
        assert_eq!(id.date(), jiff::civil::date(2009, 9, 28));
        assert_eq!(id.depth(), 2);
        assert_eq!(id.yymmdd(), "090928");
        assert_eq!(id.salt(), '4');
    }

    #[test]
    fn the_save_timestamp_is_midnight_of_the_day_before() {
        let id: CrashId = KNOWN.parse().unwrap();
        let expected: Timestamp = "2009-09-27T00:00:00Z".parse().unwrap();
        assert_eq!(id.save_timestamp_millis(), expected.as_millisecond());
    }

    #[test]
    fn a_new_id_parses_and_carries_the_date_of_receipt() {
        let id = CrashId::new(jiff::civil::date(2026, 11, 3));
        assert_eq!(id.as_str().parse(), Ok(id));
        assert!(id.as_str().ends_with("2261103"), "{id}");
        assert_ne!(id, CrashId::new(jiff::civil::date(2026, 11, 3)));
    }

    #[test]
    fn depth_zero_reads_as_four() {
        assert_eq!(
            "4dd21cc0-49d9-46ae-a42b-fadb40090928"
                .parse::<CrashId>()
                .unwrap()
                .depth(),
            4
        );
    }

    #[test]
    fn the_prefix_is_taken_off_only_where_people_write_it() {
        let prefixed = format!("bp-{KNOWN}");
        assert_eq!(CrashId::parse_prefixed(&prefixed).unwrap().as_str(), KNOWN);
        assert_eq!(CrashId::parse_prefixed(KNOWN).unwrap().as_str(), KNOWN);
        assert!(prefixed.parse::<CrashId>().is_err());
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "36"),
            ("../../../../etc/passwd0000000000000000", "36"),
            ("4DD21CC0-49d9-46ae-a42b-fadb42090928", "lower-case"),
            ("4dd21cc0-49d9-46ae-a42b-fadb4209092g", "lower-case"),
            ("4dd21cc0_49d9-46ae-a42b-fadb42090928", "lower-case"),
            ("4dd21cc0-49d9-46ae-a42b-fadb49090928", "depth"),
            ("4dd21cc0-49d9-46ae-a42b-fadb4209092a", "date"),
            ("4dd21cc0-49d9-46ae-a42b-fadb42091328", "date"),
            ("4dd21cc0-49d9-46ae-a42b-fadb42090230", "date"),
            ("4dd21cc0-49d9-46ae-a42b-fadb4209é092", "lower-case"),
        ] {
            let error = text.parse::<CrashId>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_id_is_from_the_future_behind_tomorrow() {
        let now: Timestamp = "2026-11-03T00:30:00Z".parse().unwrap();
        assert!(!CrashId::new(jiff::civil::date(2026, 11, 4)).is_from_the_future(now));
        assert!(CrashId::new(jiff::civil::date(2026, 11, 5)).is_from_the_future(now));
    }

    #[test]
    fn an_id_is_recent_today_and_yesterday() {
        let now: Timestamp = "2026-11-03T00:30:00Z".parse().unwrap();
        let on = |d| CrashId::new(d).is_recent(now);
        assert!(on(jiff::civil::date(2026, 11, 3)));
        assert!(on(jiff::civil::date(2026, 11, 2)));
        assert!(!on(jiff::civil::date(2026, 11, 1)));
        assert!(!on(jiff::civil::date(2026, 11, 4)));
    }
}
