//! Comparisons written as text: `"<= 9600"`, `">= 3.5.4"`.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An operator and what stands behind it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[serde(bound(deserialize = "T: Operand", serialize = "T: Operand"))]
pub struct Comparison<T> {
    /// As the configuration has it.
    written: String,
    holds: Holds,
    value: T,
}

/// Whether a comparison holds for what is left of the operator, given how that compares.
type Holds = fn(Ordering) -> bool;

/// What can be compared.
pub trait Operand: Sized + Clone + PartialOrd {
    /// What a text must be to be read.
    const WHAT: &'static str;

    /// Reads a value; `None` if the text is none.
    fn read(text: &str) -> Option<Self>;
}

impl<T: Operand> Comparison<T> {
    /// Whether it holds for this text on the left. What can't be read never does.
    pub(super) fn holds(&self, left: &str) -> bool {
        let ordering = T::read(left).and_then(|left| left.partial_cmp(&self.value));
        ordering.is_some_and(self.holds)
    }
}

impl<T: Operand> TryFrom<String> for Comparison<T> {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let operators: [(&str, Holds); 5] = [
            ("<=", Ordering::is_le),
            (">=", Ordering::is_ge),
            ("<", Ordering::is_lt),
            (">", Ordering::is_gt),
            ("=", Ordering::is_eq),
        ];
        let found = operators.into_iter().find_map(|(operator, holds)| {
            Some((holds, T::read(written.strip_prefix(operator)?.trim())?))
        });
        let Some((holds, value)) = found else {
            return Err(format!(
                "{written:?} is not one of < <= = >= > with {} behind it",
                T::WHAT
            ));
        };
        Ok(Self {
            written,
            holds,
            value,
        })
    }
}

impl<T> From<Comparison<T>> for String {
    fn from(comparison: Comparison<T>) -> Self {
        comparison.written
    }
}

impl<T> PartialEq for Comparison<T> {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl<T> fmt::Debug for Comparison<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl Operand for String {
    const WHAT: &'static str = "a text";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// A number.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct Number(f64);

impl Operand for Number {
    const WHAT: &'static str = "a number";

    fn read(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }
}

/// A version, ordered as Socorro 2.x orders them: parts between dots, each a number, letters, a
/// number, letters; missing numbers are 0, missing letters come after all others (3.6b1 < 3.6),
/// missing parts are those of 0.
#[derive(Debug, Clone)]
pub struct Version(Vec<Part>);

type Part = (u64, Letters, u64, Letters);

/// Letters, or the want of them, which comes last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Letters {
    Some(String),
    None,
}

const NO_PART: Part = (0, Letters::None, 0, Letters::None);
/// Versions have few parts; what has more is something else.
const MAX_PARTS: usize = 16;

impl Operand for Version {
    const WHAT: &'static str = "a version";

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.split('.').count() > MAX_PARTS {
            return None;
        }
        text.split('.').map(part).collect::<Option<_>>().map(Self)
    }
}

fn part(text: &str) -> Option<Part> {
    let (first, rest) = number(text)?;
    let (second, rest) = letters(rest);
    let (third, rest) = number(rest)?;
    let (fourth, rest) = letters(rest);
    rest.is_empty().then_some((first, second, third, fourth))
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    match digits {
        "" => Some((0, rest)),
        digits => Some((digits.parse().ok()?, rest)),
    }
}

fn letters(text: &str) -> (Letters, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    let (letters, rest) = text.split_at(end.unwrap_or(text.len()));
    match letters {
        "" => (Letters::None, rest),
        letters => (Letters::Some(letters.to_owned()), rest),
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let padded = |version: &Self, at: usize| version.0.get(at).cloned().unwrap_or(NO_PART);
        (0..self.0.len().max(other.0.len()))
            .map(|at| padded(self, at).cmp(&padded(other, at)))
            .find(|ordering| ordering.is_ne())
            .or(Some(Ordering::Equal))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds<T: Operand>(left: &str, comparison: &str) -> bool {
        Comparison::<T>::try_from(comparison.to_owned())
            .unwrap()
            .holds(left)
    }

    #[test]
    fn versions_are_ordered_as_socorro_2x_orders_them() {
        let ordered = [
            "3",
            "3.0.1",
            "3.5.4",
            "3.6a1",
            "3.6b1",
            "3.6b2",
            "3.6",
            "3.6.1",
            "3.10",
            "4.0b12pre",
            "4",
        ];
        for pair in ordered.windows(2) {
            assert!(
                holds::<Version>(pair[0], &format!("< {}", pair[1])),
                "{pair:?}"
            );
            assert!(
                holds::<Version>(pair[1], &format!("> {}", pair[0])),
                "{pair:?}"
            );
        }
        assert!(holds::<Version>("3.6", "= 3.6.0.0"));
        assert!(holds::<Version>(" 156.0.8078.79 ", ">=156.0.8078.79"));
    }

    #[test]
    fn what_is_no_number_or_version_never_holds() {
        for left in ["", "x", "1,5", "nan", "0x10"] {
            assert!(!holds::<Number>(left, "< 9"), "{left}");
            assert!(!holds::<Number>(left, ">= 9"), "{left}");
        }
        for left in [
            "",
            "1.2-3",
            "1 2",
            "é",
            "99999999999999999999",
            &"1.".repeat(99),
        ] {
            assert!(!holds::<Version>(left, "< 9"), "{left}");
            assert!(!holds::<Version>(left, ">= 0"), "{left}");
        }
        assert!(holds::<Number>("-0.5e1", "= -5"));
        assert!(
            holds::<String>("10", "< 9"),
            "texts are compared letter by letter"
        );
    }

    #[test]
    fn mistakes_are_told_with_what_is_right() {
        for written in ["9600", "<", "< x", "== 5", "! 5"] {
            let error = Comparison::<Number>::try_from(written.to_owned()).unwrap_err();
            assert!(
                error.contains("<=") && error.contains("a number"),
                "{error}"
            );
        }
    }
}
