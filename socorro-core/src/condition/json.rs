//! Finds one value in JSON text without keeping the rest.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON pointer (RFC 6901).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    written: String,
    steps: Vec<String>,
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let Some(steps) = written.strip_prefix('/') else {
            let problem = format!("{written:?} is no JSON pointer, such as \"/system/os/name\"");
            return Err(problem);
        };
        let steps = steps.split('/');
        let steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
        Ok(Self {
            steps: steps.collect(),
            written,
        })
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.written
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl Pointer {
    /// The string, number or truth value there, as text. The annotation is JSON text, or came as a
    /// part of a JSON object.
    pub(super) fn text(&self, annotation: &Value) -> Option<String> {
        match annotation {
            Value::String(json) => {
                let mut json = serde_json::Deserializer::from_str(json);
                let found = Seek(&self.steps).deserialize(&mut json);
                json.end().ok()?;
                found.ok()?
            }
            object => Seek(&self.steps).deserialize(object).ok()?,
        }
    }
}

/// What is left of the way.
struct Seek<'a>(&'a [String]);

impl Seek<'_> {
    fn arrived(&self, text: impl ToString) -> Option<String> {
        self.0.is_empty().then(|| text.to_string())
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.arrived(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.arrived(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.arrived(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.arrived(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.arrived(value))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((step, rest)) if *step == name => found = map.next_value_seed(Seek(rest))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let wanted = self.0.first().and_then(|step| step.parse::<usize>().ok());
        let mut found = None;
        for at in 0.. {
            if wanted == Some(at) {
                match sequence.next_element_seed(Seek(&self.0[1..]))? {
                    Some(text) => found = text,
                    None => break,
                }
            } else if sequence.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(pointer: &str, annotation: &Value) -> Option<String> {
        Pointer::try_from(pointer.to_owned())
            .unwrap()
            .text(annotation)
    }

    #[test]
    fn values_are_found_in_text_and_in_objects() {
        let object = json!({"a": {"b/c": [1, {"d~": "x"}, true, 2.5, null]}, "e": "f"});
        for annotation in [object.clone(), object.to_string().into()] {
            for (pointer, expected) in [
                ("/e", Some("f")),
                ("/a/b~1c/0", Some("1")),
                ("/a/b~1c/1/d~0", Some("x")),
                ("/a/b~1c/2", Some("true")),
                ("/a/b~1c/3", Some("2.5")),
                ("/a/b~1c/4", None),
                ("/a/b~1c/5", None),
                ("/a", None),
                ("/e/f", None),
                ("/x", None),
            ] {
                assert_eq!(find(pointer, &annotation).as_deref(), expected, "{pointer}");
            }
        }
        assert!(Pointer::try_from("a/b".to_owned()).is_err());
    }

    #[test]
    fn what_is_no_json_has_no_value() {
        for text in [
            "",
            "{",
            "{\"a\":1",
            "{\"a\":1}x",
            "[1]",
            "1",
            &"[".repeat(9_999),
        ] {
            assert_eq!(find("/a", &text.into()), None, "{text}");
        }
    }
}
