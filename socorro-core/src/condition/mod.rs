//! Conditions of rules: what they ask of an annotation. The collector's throttling and the
//! processor's rewriting of raw crashes share them.

mod compare;
mod json;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use compare::{Comparison, Number, Version};
use json::Pointer;

/// The name that stands for every annotation.
const ANY: &str = "*";

/// What must hold of one annotation. Several tests must hold together. A value that is no string
/// is looked at as its JSON text; a missing one, or null, fails every test but `present`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Condition {
    /// The annotation's name. `*`: any annotation that passes will do.
    pub annotation: String,
    /// Look into the annotation, which is JSON, at this pointer (RFC 6901): `/system/os/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Pointer>,
    /// The value to assume where the annotation is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether the annotation is there, be it empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// Just this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// Just one of these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// A regular expression that is found in the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Pattern>,
    /// A comparison of texts, character by character: `"< 20171226"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Comparison<String>>,
    /// A comparison of numbers: `"<= 9600"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Comparison<Number>>,
    /// A comparison of versions, where 3.6b1 comes before 3.6: `">= 3.5.4"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Comparison<Version>>,
    /// The value begins with a date, YYYYMMDD, and that day began longer ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<Days>,
    /// Turns the tests around: the annotation must be there, and fail one of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let condition = Self::deserialize(deserializer)?;
        condition.check().map_err(de::Error::custom)?;
        Ok(condition)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Why a condition does not hold.
#[derive(Debug)]
pub enum Obstacle<'a> {
    /// The annotation is missing.
    Missing(&'a Condition),
    /// The annotation is there, and must not be.
    Present(&'a Condition),
    /// No annotation passes, or with `not` one does.
    Any(&'a Condition),
    /// The value fails this test; with `not`, it passes all.
    Value(&'a Condition, Cow<'a, str>, Option<NamedTest<'a>>),
}

/// A test and the name of its setting.
type NamedTest<'a> = (&'static str, &'a dyn Test);

/// A test of a value.
pub trait Test: fmt::Debug {
    /// Whether the value passes.
    fn passes(&self, text: &str, now: Timestamp) -> bool;
}

impl Condition {
    /// Finds settings that don't go together.
    fn check(&self) -> Result<(), String> {
        let of = |problem: &str| Err(format!("condition on {:?}: {problem}", self.annotation));
        let has_tests = self.tests().next().is_some();
        let is_any = self.annotation == ANY;
        match self.present {
            _ if self.annotation.is_empty() => of("name the annotation, or * for any"),
            None if !has_tests => of(
                "give it a test: present, equals, one_of, matches, text, number, version or \
                 older_than_days",
            ),
            Some(_) if has_tests || self.not || self.default.is_some() || self.json.is_some() => {
                of("`present` goes with nothing else; a test fails anyway where it is missing")
            }
            Some(_) if is_any => of("`present` needs an annotation's name"),
            None if is_any && (self.default.is_some() || self.json.is_some()) => {
                of("`default` and `json` need an annotation's name")
            }
            _ => Ok(()),
        }
    }

    fn tests(&self) -> impl Iterator<Item = NamedTest<'_>> {
        fn named<'a, T: Test>(name: &'static str, test: &'a Option<T>) -> Option<NamedTest<'a>> {
            test.as_ref().map(|test| (name, test as &dyn Test))
        }
        let tests = [
            named("equals", &self.equals),
            named("one_of", &self.one_of),
            named("matches", &self.matches),
            named("text", &self.text),
            named("number", &self.number),
            named("version", &self.version),
            named("older_than_days", &self.older_than_days),
        ];
        tests.into_iter().flatten()
    }

    fn failed_test(&self, text: &str, now: Timestamp) -> Option<NamedTest<'_>> {
        self.tests().find(|(_, test)| !test.passes(text, now))
    }

    /// Why it does not hold; `None` if it does.
    pub fn obstacle<'a>(
        &'a self,
        annotations: &'a Map<String, Value>,
        now: Timestamp,
    ) -> Option<Obstacle<'a>> {
        if self.annotation == ANY {
            let mut texts = annotations.values().filter_map(text);
            let passes = texts.any(|text| self.failed_test(&text, now).is_none());
            return (passes == self.not).then_some(Obstacle::Any(self));
        }
        let value = annotations.get(&self.annotation);
        match (self.present, value) {
            (Some(true), None) => return Some(Obstacle::Missing(self)),
            (Some(false), Some(_)) => return Some(Obstacle::Present(self)),
            (Some(_), _) => return None,
            (None, _) => {}
        }
        let found = match &self.json {
            Some(pointer) => value.and_then(|json| pointer.text(json)).map(Cow::Owned),
            None => value.and_then(text),
        };
        let Some(text) = found.or(self.default.as_deref().map(Cow::Borrowed)) else {
            return Some(Obstacle::Missing(self));
        };
        let failed = self.failed_test(&text, now);
        (failed.is_none() == self.not).then_some(Obstacle::Value(self, text, failed))
    }
}

/// The text that tests look at.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

impl fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(condition) => {
                f.write_str(&condition.annotation)?;
                if let Some(pointer) = &condition.json {
                    write!(f, ", at {pointer:?},")?;
                }
                f.write_str(" is missing")
            }
            Self::Present(condition) => write!(f, "{} is there", condition.annotation),
            Self::Any(condition) if condition.not => f.write_str("an annotation passes"),
            Self::Any(_) => f.write_str("no annotation passes"),
            Self::Value(condition, text, failed) => {
                let shown: String = text.chars().take(80).collect();
                write!(f, "{} is {shown:?}", condition.annotation)?;
                match failed {
                    Some((name, test)) => write!(f, ", which fails {name} = {test:?}"),
                    None => f.write_str(", which passes the tests that it should not"),
                }
            }
        }
    }
}

impl Test for String {
    fn passes(&self, text: &str, _: Timestamp) -> bool {
        self == text
    }
}

impl Test for Vec<String> {
    fn passes(&self, text: &str, _: Timestamp) -> bool {
        self.iter().any(|one| one == text)
    }
}

impl<T: compare::Operand> Test for Comparison<T> {
    fn passes(&self, text: &str, _: Timestamp) -> bool {
        self.holds(text)
    }
}

/// A regular expression.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Regex::new(&text).map(Self).map_err(|e| e.to_string())
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.as_str())
    }
}

impl Test for Pattern {
    fn passes(&self, text: &str, _: Timestamp) -> bool {
        self.0.is_match(text)
    }
}

/// A number of days.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days(u16);

impl fmt::Debug for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Test for Days {
    fn passes(&self, text: &str, now: Timestamp) -> bool {
        let digits = text
            .get(..8)
            .filter(|d| d.bytes().all(|c| c.is_ascii_digit()));
        let began = digits.and_then(|digits| {
            let date = Date::strptime("%Y%m%d", digits).ok()?;
            Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
        });
        let limit = now.checked_sub((i64::from(self.0) * 24).hours());
        began.is_some_and(|began| limit.is_ok_and(|limit| began < limit))
    }
}
