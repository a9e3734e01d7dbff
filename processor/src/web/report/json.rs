//! JSON of which nothing is sure: every key may be missing and every type wrong.

use serde_json::Value;

use crate::web::text;

/// A value that may not be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a>(pub(super) Option<&'a Value>);

impl<'a> Json<'a> {
    /// The value of that name, if this is an object that has it.
    pub(super) fn at(self, name: &str) -> Self {
        Self(self.0.and_then(|value| value.get(name)))
    }

    /// The values of an array; none of anything else.
    pub(super) fn items(self) -> &'a [Value] {
        self.0.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A string that has more than blanks.
    pub(super) fn str(self) -> Option<&'a str> {
        let text = self.0?.as_str()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// A string, or a number, as it is shown.
    pub(super) fn text(self) -> Option<String> {
        match self.0? {
            Value::Number(number) => Some(number.to_string()),
            _ => self.str().map(text::shown),
        }
    }

    /// A hexadecimal number as it is shown.
    pub(super) fn hex(self) -> Option<String> {
        Some(text::hex(&self.text()?))
    }

    /// A whole number, also one in a string.
    pub(super) fn number(self) -> Option<u64> {
        match self.0? {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_u64(),
        }
    }

    /// Whether it is `true`.
    pub(super) fn is_true(self) -> bool {
        self.0 == Some(&Value::Bool(true))
    }

    /// Whether it is `false`, which is more than not `true`.
    pub(super) fn is_false(self) -> bool {
        self.0 == Some(&Value::Bool(false))
    }
}
