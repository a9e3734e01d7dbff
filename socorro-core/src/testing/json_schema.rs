//! Checks JSON against a JSON Schema: the part of the language that the project's schemas use.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

/// A JSON Schema.
#[derive(Debug)]
pub struct Schema(Value);

impl Schema {
    /// Reads a schema.
    ///
    /// # Panics
    /// If it is no JSON, or uses a word that is not checked here: such a check would pass unseen.
    pub fn parse(text: &str) -> Self {
        let schema = serde_json::from_str(text).expect("a schema is JSON");
        only_known_words(&schema);
        Self(schema)
    }

    /// What is wrong with `value`, one line for each mistake; empty if it fits.
    pub fn violations(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.check(&self.0, value, "", &mut found);
        found
    }

    /// The names of the top level.
    pub fn properties(&self) -> BTreeSet<&str> {
        let properties = self.0["properties"].as_object();
        properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let pointer = name.strip_prefix('#').expect("a reference in this schema");
            let target = self.0.pointer(pointer).expect("a definition");
            return self.check(target, value, at, found);
        }
        let mut wrong = |why: String| found.push(format!("{at}: {why}"));
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !types.is_empty() && !types.iter().any(|name| is_of_type(value, name)) {
            return wrong(format!("{value} is not of type {types:?}"));
        }
        let allowed = schema["enum"].as_array();
        if allowed.is_some_and(|allowed| !value.is_null() && !allowed.contains(value)) {
            wrong(format!("{value} is not one of {}", schema["enum"]));
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count() as u64;
            if schema["maxLength"].as_u64().is_some_and(|max| length > max)
                || schema["minLength"].as_u64().is_some_and(|min| length < min)
            {
                wrong(format!("{length} characters"));
            }
        }
        if let Some(number) = value.as_f64()
            && (schema["maximum"].as_f64().is_some_and(|max| number > max)
                || schema["minimum"].as_f64().is_some_and(|min| number < min))
        {
            wrong(format!("{number} is out of range"));
        }
        match value {
            Value::Array(items) if !schema["items"].is_null() => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}/{index}"), found);
                }
            }
            Value::Object(entries) => self.check_object(schema, entries, at, found),
            _ => {}
        }
    }

    fn check_object(
        &self,
        schema: &Value,
        entries: &Map<String, Value>,
        at: &str,
        found: &mut Vec<String>,
    ) {
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !entries.contains_key(name) {
                found.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, value) in entries {
            let at = format!("{at}/{name}");
            let by_pattern = || {
                let patterns = schema["patternProperties"].as_object()?;
                let fits = |pattern: &str| Regex::new(pattern).is_ok_and(|re| re.is_match(name));
                Some(patterns.iter().find(|(pattern, _)| fits(pattern))?.1)
            };
            match schema["properties"].get(name).or_else(by_pattern) {
                Some(known) => self.check(known, value, &at, found),
                None if schema["additionalProperties"] == false => {
                    found.push(format!("{at} is not in the schema"));
                }
                None if schema["additionalProperties"].is_object() => {
                    self.check(&schema["additionalProperties"], value, &at, found);
                }
                None => {}
            }
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type of JSON Schema"),
    }
}

const WORDS: [&str; 16] = [
    "$schema",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "enum",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "items",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
];

fn only_known_words(schema: &Value) {
    for (word, value) in schema.as_object().into_iter().flatten() {
        assert!(WORDS.contains(&word.as_str()), "{word} is not checked");
        match word.as_str() {
            "properties" | "patternProperties" | "$defs" => {
                let parts = value.as_object().into_iter().flatten();
                parts.for_each(|(_, part)| only_known_words(part));
            }
            "items" | "additionalProperties" => only_known_words(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_mistake_is_found_and_named() {
        let schema = Schema::parse(
            r##"{"type": "object", "required": ["a"], "additionalProperties": false,
                "properties": {"a": {"type": ["integer", "null"], "minimum": 0}, "b": {"$ref": "#/$defs/b"}},
                "patternProperties": {"^x": {"type": "boolean"}},
                "$defs": {"b": {"items": {"enum": ["y"], "maxLength": 1}}}}"##,
        );
        assert!(
            schema
                .violations(&json!({"a": null, "b": ["y"], "x1": true}))
                .is_empty()
        );
        for (value, expected) in [
            (json!([]), ": [] is not of type [\"object\"]"),
            (json!({}), ": a is missing"),
            (json!({"a": -1}), "/a: -1 is out of range"),
            (
                json!({"a": "1"}),
                "/a: \"1\" is not of type [\"integer\", \"null\"]",
            ),
            (json!({"a": 1, "c": 1}), "/c is not in the schema"),
            (
                json!({"a": 1, "x": 1}),
                "/x: 1 is not of type [\"boolean\"]",
            ),
            (
                json!({"a": 1, "b": ["z"]}),
                "/b/0: \"z\" is not one of [\"y\"]",
            ),
        ] {
            assert_eq!(schema.violations(&value), [expected]);
        }
    }
}
