//! From the parts of a body to a submission: annotations and named dumps.
//!
//! * a part of type `application/json` is an object of annotations;
//! * every other part with a file name is a dump, whatever its type says or leaves out;
//! * what is left is an annotation, whatever its type says or leaves out.
//!
//! Nothing that a client sends is lost for being odd: names are cleaned, collisions get a number,
//! and the notes say what was done.

use serde_json::{Map, Value};
use socorro_core::dumps::{Dump, DumpName, Dumps, MAX_NAME_LEN};
use socorro_core::storage::filesystem::Spilled;
use socorro_core::storage::open::Spool;
use tracing::warn;

use crate::config::Options;
use crate::multipart::{Event, PartHead};
use crate::reject::Reject;

/// The most notes on a crash, and the most letters of a client's name in one: a hostile client must
/// not fill the raw crash with notes.
const MAX_NOTES: usize = 20;
const MAX_NOTED_NAME: usize = 80;

/// A crash as a client sent it.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    pub(crate) annotations: Map<String, Value>,
    pub(crate) dumps: Dumps,
    /// Whether annotations came as JSON.
    pub(crate) has_json: bool,
    /// What was odd (`collector_notes`). Names only, no values.
    pub(crate) notes: Vec<String>,
    /// The files of large dumps; they vanish with the submission.
    pub(crate) spilled: Vec<Spilled>,
}

/// Gathers a submission from the parser's events.
pub(crate) struct Builder<'a> {
    options: &'a Options,
    spool: &'a Spool,
    submission: Submission,
    json: Map<String, Value>,
    part: Part,
    parts: usize,
    annotations_bytes: usize,
    /// Bytes of dumps in memory.
    dumps_bytes: usize,
}

/// The part that is being read.
enum Part {
    None,
    /// An annotation of no name: dropped.
    Nameless,
    Text {
        name: String,
        content: Vec<u8>,
    },
    Json {
        content: Vec<u8>,
    },
    Dump {
        name: String,
        content: Vec<u8>,
        file: Option<Spilled>,
    },
}

impl<'a> Builder<'a> {
    pub(crate) fn new(options: &'a Options, spool: &'a Spool) -> Self {
        Self {
            options,
            spool,
            submission: Submission::default(),
            json: Map::new(),
            part: Part::None,
            parts: 0,
            annotations_bytes: 0,
            dumps_bytes: 0,
        }
    }

    pub(crate) fn on(&mut self, event: Event<'_>) -> Result<(), Reject> {
        match event {
            Event::Begin(head) => self.begin(head),
            Event::Data(data) => self.data(data),
            Event::End => self.end(),
        }
    }

    /// The whole submission. There must be an annotation, at the latest from the query string,
    /// whose pairs fill in what the body left out.
    pub(crate) fn finish(mut self, query: Option<&str>) -> Result<Submission, Reject> {
        let mut all = std::mem::take(&mut self.submission.annotations);
        if !self.json.is_empty() && !all.is_empty() {
            self.note("annotations came both as JSON and as form fields; form fields count");
        }
        for (name, value) in self.json {
            all.entry(name).or_insert(value);
        }
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !name.is_empty() {
                all.entry(without_nul(name.into_owned()))
                    .or_insert_with(|| without_nul(value.into_owned()).into());
            }
        }
        self.options.fill_in_aliases(&mut all);
        if all.is_empty() {
            return Err(Reject::NoAnnotations);
        }
        self.submission.annotations = all;
        Ok(self.submission)
    }

    fn note(&mut self, note: &str) {
        if self.submission.notes.len() < MAX_NOTES {
            self.submission.notes.push(note.to_owned());
        }
    }

    fn begin(&mut self, head: PartHead) -> Result<(), Reject> {
        self.parts += 1;
        if self.parts > self.options.max_parts {
            return Err(Reject::TooManyParts);
        }
        self.annotations_bytes += head.name.as_ref().map_or(0, String::len);
        if self.annotations_bytes > self.options.max_annotations_bytes {
            return Err(Reject::TooLarge);
        }
        let content = Vec::new();
        let is_json = head.content_type.as_deref() == Some("application/json");
        let name = without_nul(head.name.unwrap_or_default());
        self.part = if is_json {
            Part::Json { content }
        } else if head.has_filename {
            Part::Dump {
                name,
                content,
                file: None,
            }
        } else if name.is_empty() {
            Part::Nameless
        } else {
            Part::Text { name, content }
        };
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Reject> {
        match &mut self.part {
            Part::None | Part::Nameless => {}
            Part::Text { content, .. } | Part::Json { content } => {
                self.annotations_bytes += data.len();
                if content.len() + data.len() > self.options.max_annotation_bytes
                    || self.annotations_bytes > self.options.max_annotations_bytes
                {
                    return Err(Reject::TooLarge);
                }
                content.extend_from_slice(data);
            }
            Part::Dump { content, file, .. } => {
                if let Some(file) = file {
                    return spill(file, data);
                }
                content.extend_from_slice(data);
                self.dumps_bytes += data.len();
                if self.dumps_bytes > self.options.spill_bytes {
                    self.dumps_bytes -= content.len();
                    let mut spilled = self.spool.spill().map_err(|error| {
                        warn!(%error, "no spool takes a large dump");
                        Reject::NotStored
                    })?;
                    spill(&mut spilled, &std::mem::take(content))?;
                    *file = Some(spilled);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reject> {
        match std::mem::replace(&mut self.part, Part::None) {
            Part::None => Ok(()),
            Part::Nameless => {
                self.note("an annotation without a name was dropped");
                Ok(())
            }
            Part::Text { name, content } => {
                self.text(name, content);
                Ok(())
            }
            Part::Json { content } => self.json(&content),
            Part::Dump {
                name,
                content,
                file,
            } => {
                self.dump(&name, content, file);
                Ok(())
            }
        }
    }

    fn text(&mut self, name: String, content: Vec<u8>) {
        let shown = shown(&name);
        let value = String::from_utf8(content).unwrap_or_else(|error| {
            self.note(&format!("annotation {shown:?} was not UTF-8"));
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        let value = without_nul(value).into();
        if self.submission.annotations.insert(name, value).is_some() {
            self.note(&format!("annotation {shown:?} came twice; the last counts"));
        }
    }

    fn json(&mut self, content: &[u8]) -> Result<(), Reject> {
        let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let value: Value = serde_json::from_slice(text).map_err(|_| Reject::InvalidJson)?;
        let Value::Object(object) = value else {
            return Err(Reject::InvalidJsonValue);
        };
        self.submission.has_json = true;
        for (name, value) in names_and_values_without_nul(object) {
            let shown = shown(&name);
            if self.json.insert(name, value).is_some() {
                self.note(&format!("annotation {shown:?} came twice; the last counts"));
            }
        }
        Ok(())
    }

    fn dump(&mut self, sent: &str, content: Vec<u8>, file: Option<Spilled>) {
        let clean = DumpName::clean(sent);
        let mut name = clean.clone();
        let mut number = 1;
        while self.submission.dumps.contains_key(&name) {
            number += 1;
            name = numbered(&clean, number);
        }
        if name.as_str() != sent {
            self.note(&format!("dump {:?} is stored as {name}", shown(sent)));
        }
        let dump = match file {
            None => Dump::Bytes(content.into()),
            Some(file) => {
                let dump = file.dump();
                self.submission.spilled.push(file);
                dump
            }
        };
        self.submission.dumps.insert(name, dump);
    }
}

fn spill(file: &mut Spilled, data: &[u8]) -> Result<(), Reject> {
    file.write_all(data).map_err(|error| {
        warn!(%error, path = %file.path().display(), "can't write a large dump");
        Reject::NotStored
    })
}

/// The name with a number behind it, cut so that both fit.
fn numbered(name: &DumpName, number: usize) -> DumpName {
    let number = format!("_{number}");
    let kept = name.as_str().len().min(MAX_NAME_LEN - number.len());
    // Unwrap safety: the characters are those of a name, which are ASCII, and the length fits.
    DumpName::parse(&format!("{}{number}", &name.as_str()[..kept])).unwrap()
}

/// As much of a client's name as a note shows.
fn shown(name: &str) -> String {
    name.chars().take(MAX_NOTED_NAME).collect()
}

fn names_and_values_without_nul(object: Map<String, Value>) -> Map<String, Value> {
    let pairs = object.into_iter();
    pairs
        .map(|(name, value)| (without_nul(name), value_without_nul(value)))
        .collect()
}

/// Goes as deep as the parser of JSON allowed the value to be.
fn value_without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => without_nul(text).into(),
        Value::Array(values) => values.into_iter().map(value_without_nul).collect(),
        Value::Object(object) => names_and_values_without_nul(object).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// NULs stop short whatever reads C strings, and mean nothing in an annotation.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use socorro_core::config::Settings;

    use super::*;

    fn head(name: &str, has_filename: bool, content_type: Option<&str>) -> PartHead {
        PartHead {
            name: Some(name.to_owned()),
            has_filename,
            content_type: content_type.map(str::to_owned),
        }
    }

    fn text(name: &str) -> PartHead {
        head(name, false, None)
    }

    fn json(name: &str) -> PartHead {
        head(name, false, Some("application/json"))
    }

    fn dump(name: &str) -> PartHead {
        head(name, true, None)
    }

    fn gather(parts: &[(PartHead, &str)]) -> Submission {
        let options = Options::default();
        let spool = Spool::new(&Settings::default());
        let mut builder = Builder::new(&options, &spool);
        for (head, content) in parts {
            builder.on(Event::Begin(head.clone())).unwrap();
            builder.on(Event::Data(content.as_bytes())).unwrap();
            builder.on(Event::End).unwrap();
        }
        builder.finish(None).unwrap()
    }

    fn names(submission: &Submission) -> Vec<&str> {
        submission.dumps.keys().map(DumpName::as_str).collect()
    }

    #[test]
    fn parts_are_told_apart_by_file_name_and_not_by_type() {
        let submission = gather(&[
            (head("a", false, Some("application/octet-stream")), "text"),
            (head("b", true, Some("text/plain")), "dump"),
            (json("extra"), r#"{"c": 1}"#),
            (
                head("more", true, Some("application/json")),
                r#"{"d": [true]}"#,
            ),
        ]);
        let expected = json!({"a": "text", "c": 1, "d": [true]});
        assert_eq!(Value::Object(submission.annotations), expected);
        assert_eq!(submission.dumps["b"], Dump::Bytes("dump".into()));
        assert_eq!(submission.dumps.len(), 1);
    }

    #[test]
    fn form_fields_win_over_json_wherever_they_stand_and_nothing_else_is_lost() {
        let submission = gather(&[
            (text("a"), "field"),
            (json("extra"), r#"{"a": "json", "b": "json", "c": "json"}"#),
            (text("b"), "field"),
        ]);
        let expected = json!({"a": "field", "b": "field", "c": "json"});
        assert_eq!(Value::Object(submission.annotations), expected);
        assert!(
            submission.notes[0].contains("both"),
            "{:?}",
            submission.notes
        );
    }

    #[test]
    fn of_two_json_objects_the_last_counts_and_a_note_says_so() {
        let submission = gather(&[
            (json("extra"), r#"{"a": "one", "b": "one"}"#),
            (json("extra"), r#"{"a": "two"}"#),
        ]);
        let expected = json!({"a": "two", "b": "one"});
        assert_eq!(Value::Object(submission.annotations), expected);
        assert!(
            submission.notes[0].contains("\"a\""),
            "{:?}",
            submission.notes
        );
    }

    #[test]
    fn nuls_are_taken_out_of_names_and_values_however_deep() {
        let nested = r#"{"b\u0000": {"c\u0000": ["\u0000d", 1, null]}}"#;
        let submission = gather(&[(text("a\0"), "x\0y"), (json("extra"), nested)]);
        let expected = json!({"a": "xy", "b": {"c": ["d", 1, null]}});
        assert_eq!(Value::Object(submission.annotations), expected);
    }

    #[test]
    fn a_dump_without_a_name_is_kept_and_an_annotation_without_one_is_not() {
        let submission = gather(&[(text("a"), "b"), (dump(""), "dump"), (text("\0"), "lost")]);
        assert_eq!(names(&submission), ["unnamed"]);
        assert_eq!(submission.annotations.len(), 1);
        assert_eq!(submission.notes.len(), 2);
    }

    /// Cutting the number off again made this an endless loop once.
    #[test]
    fn dumps_of_one_name_get_numbers_however_long_the_name_is() {
        for length in [1, 59, 60, 61, 64, 65, 500] {
            let name = "x".repeat(length);
            let mut parts = vec![(text("a"), "b")];
            parts.extend(vec![(dump(&name), "dump"); 120]);
            let submission = gather(&parts);
            assert_eq!(submission.dumps.len(), 120, "{length}");
        }
        let x = (dump("x"), "dump");
        let submission = gather(&[(text("a"), "b"), x.clone(), x.clone(), x]);
        assert_eq!(names(&submission), ["x", "x_2", "x_3"]);
    }

    #[test]
    fn notes_are_bounded_in_number_and_length() {
        let name = "é".repeat(4_000);
        let submission = gather(&vec![(text(&name), "x"); 500]);
        assert_eq!(submission.notes.len(), MAX_NOTES);
        assert!(submission.notes.iter().all(|note| note.len() < 300));
    }
}
