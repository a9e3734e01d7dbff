//! Reads an object of annotations from JSON within limits: a few bytes of hostile text can make a
//! hundred times as many in memory, so the values are counted as they are read.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::reject::Reject;

/// Reads the object that the text is. Of each value, at any depth, one is taken from `left`. NULs
/// are left out of names and texts.
pub(crate) fn read_object(
    text: &[u8],
    depth: usize,
    left: &mut usize,
) -> Result<Map<String, Value>, Reject> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let state = State {
        left: Cell::new(*left),
        exceeded: Cell::new(None),
    };
    let reader = Reader {
        state: &state,
        depth,
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = reader.deserialize(&mut json);
    let value = read.and_then(|value| json.end().map(|()| value));
    *left = state.left.get();
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Reject::InvalidJsonValue),
        Err(_) => Err(state.exceeded.get().unwrap_or(Reject::InvalidJson)),
    }
}

struct State {
    left: Cell<usize>,
    /// The limit that was met.
    exceeded: Cell<Option<Reject>>,
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    state: &'a State,
    /// How much deeper it may go.
    depth: usize,
}

impl Reader<'_> {
    fn count<E: Error>(self) -> Result<(), E> {
        match self.state.left.get().checked_sub(1) {
            Some(left) => {
                self.state.left.set(left);
                Ok(())
            }
            None => Err(self.exceeded(Reject::TooManyAnnotations)),
        }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.exceeded(Reject::JsonTooDeep)),
        }
    }

    fn exceeded<E: Error>(self, limit: Reject) -> E {
        self.state.exceeded.set(Some(limit));
        E::custom("a limit")
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(without_nul(value.to_owned()).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(without_nul(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            object.insert(without_nul(name), map.next_value_seed(inner)?);
        }
        Ok(object.into())
    }
}

/// NULs stop short whatever reads C strings, and mean nothing in an annotation.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, depth: usize, mut left: usize) -> Result<(Value, usize), Reject> {
        let object = read_object(text.as_bytes(), depth, &mut left)?;
        Ok((object.into(), left))
    }

    #[test]
    fn values_are_counted_and_nesting_is_bounded() {
        let text = r#"{"a": [1, -2, 2.5, null], "b": {"c": "d"}}"#;
        let value = json!({"a": [1, -2, 2.5, null], "b": {"c": "d"}});
        assert_eq!(read(text, 2, 8), Ok((value, 0)));
        assert_eq!(read(text, 2, 7), Err(Reject::TooManyAnnotations));
        assert_eq!(read(text, 1, 8), Err(Reject::JsonTooDeep));
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(read(&deep, 32, 8_000), Err(Reject::JsonTooDeep));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(read("\u{feff}{}", 1, 1), Ok((json!({}), 0)));
        for text in ["[]", "1", "\"a\"", "null"] {
            assert_eq!(read(text, 9, 9), Err(Reject::InvalidJsonValue), "{text}");
        }
        for text in [
            "",
            "{",
            "{}x",
            "{\"a\":1,}",
            "{\"a\":1e999}",
            "{\"a\":NaN}",
            r#"{"a":"\ud800"}"#,
        ] {
            assert_eq!(read(text, 9, 9), Err(Reject::InvalidJson), "{text}");
        }
    }
}
