//! Rules of the configuration that rewrite a raw crash before it is processed, as the transform
//! rules of Socorro 2.x do. The stored raw crash stays as it was sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};
use socorro_core::condition::Condition;
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::raw_crash::RawCrash;

/// One rule, an entry of `[[processor.rule]]`. Mistakes are found as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Rewrite {
    /// The rule's name, for people.
    pub name: String,
    /// All of these must hold. None: the rule counts for every crash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// Annotations and what they become. `{Version}` stands for that annotation, empty if missing;
    /// `{{` for a brace. What is private does not become part of what is public.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Template>,
    /// A note for the processed crash, likewise; notes are public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_note: Option<Template>,
}

impl<'de> Deserialize<'de> for Rewrite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rule = Self::deserialize(deserializer)?;
        match (rule.name.trim(), &rule.add_note) {
            ("", _) => Err(de::Error::custom("a rule needs a name")),
            (name, None) if rule.set.is_empty() => Err(de::Error::custom(format!(
                "the rule {name:?} does nothing: give it `set` or `add_note`"
            ))),
            _ => Ok(rule),
        }
    }
}

impl Serialize for Rewrite {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl Rewrite {
    /// The rule that Socorro 2.x shipped: versions of Firefox's extended support release end in
    /// "esr".
    pub fn esr_version() -> Self {
        let rule = json!({
            "name": "esr_version",
            "when": [
                {"annotation": "ReleaseChannel", "equals": "esr"},
                {"annotation": "Version", "matches": "esr$", "not": true},
            ],
            "set": {"Version": "{Version}esr"},
        });
        // Unwrap safety: a constant, read by every test that starts with the defaults.
        serde_json::from_value(rule).unwrap()
    }
}

/// Applies the rules, each to what the one before left. Gives the raw crash as the processor is to
/// see it, and notes.
pub(crate) fn rewrite(
    rules: &[Rewrite],
    raw: &RawCrash,
    public: &PublicAnnotations,
) -> (RawCrash, Vec<String>) {
    let mut raw = raw.clone();
    let mut notes = Vec::new();
    let now = Timestamp::now();
    for rule in rules {
        let holds = |condition: &Condition| condition.obstacle(raw.entries(), now).is_none();
        if !rule.when.iter().all(holds) {
            continue;
        }
        let filled: Vec<(&String, String)> = rule
            .set
            .iter()
            .map(|(name, value)| {
                let may_show = |from: &str| !public.is_public(name) || public.is_public(from);
                (name, value.fill(&raw, may_show))
            })
            .collect();
        let note = rule.add_note.as_ref();
        notes.extend(note.map(|note| note.fill(&raw, |name| public.is_public(name))));
        for (name, value) in filled {
            raw.set(name.as_str(), value);
        }
    }
    (raw, notes)
}

/// A text with annotations to fill in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Annotation(String),
}

impl Template {
    fn fill(&self, raw: &RawCrash, may_show: impl Fn(&str) -> bool) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Annotation(name) if !may_show(name) => "(private)".to_owned(),
            Part::Annotation(name) => match raw.get(name) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            },
        });
        parts.collect()
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = written.as_str();
        while let Some(brace) = rest.find('{') {
            parts.push(Part::Text(rest[..brace].to_owned()));
            rest = &rest[brace + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                parts.push(Part::Text("{".to_owned()));
                rest = after;
                continue;
            }
            let Some((name, after)) = rest.split_once('}').filter(|(name, _)| !name.is_empty())
            else {
                return Err(format!(
                    "{written:?} has a brace that names no annotation: write {{Name}}, or {{{{ for a \
                     brace"
                ));
            };
            parts.push(Part::Annotation(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { written, parts })
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.written
    }
}
