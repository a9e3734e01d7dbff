//! From the parts of a body to a submission: annotations and named dumps.
//!
//! * a part of type `application/json` is an object of annotations;
//! * every other part with a file name is a dump, whatever its type says or leaves out;
//! * what is left is an annotation, whatever its type says or leaves out.
//!
//! Nothing that a client sends is lost for being odd: names are cleaned, collisions get a number,
//! and the notes say what was done.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::body::Bytes;
use serde_json::{Map, Value};
use socorro_core::dumps::Dumps;
use socorro_core::storage::filesystem::Tree;
use socorro_core::storage::spool_file::SpoolFile;

use crate::Collector;
use crate::config::Options;
use crate::incoming::{IncomingDumps, SpoolFiles};
use crate::json::{read_object, without_nul};
use crate::multipart::{Event, PartHead};
use crate::reject::Reject;
use crate::uploads::Share;

/// The most notes on a crash, and the most letters of a client's name in one: a hostile client must
/// not fill the raw crash with notes.
const MAX_NOTES: usize = 20;
const MAX_NOTED_NAME: usize = 80;

/// A crash as a client sent it.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) annotations: Map<String, Value>,
    /// Its dumps, but for those in `files`.
    pub(crate) dumps: Dumps,
    /// Whether annotations came as JSON.
    pub(crate) has_json: bool,
    /// What was odd (`collector_notes`). Names only, no values.
    pub(crate) notes: Vec<String>,
    /// The files of large dumps; they vanish with the submission.
    pub(crate) files: SpoolFiles,
    /// What it holds of the memory for all uploads.
    _memory: Share,
}

impl Submission {
    /// The sizes of all dumps, in bytes.
    pub(crate) fn dump_sizes(&self) -> BTreeMap<&str, u64> {
        let small = self.dumps.iter();
        let small = small.filter_map(|(name, dump)| Some((name.as_str(), dump.size().ok()?)));
        let large = self.files.iter();
        let large = large.map(|(name, file)| (name.as_str(), file.size()));
        small.chain(large).collect()
    }

    /// All dumps, each where it can be read and saved; `None` if a large one is lost, since its disk has
    /// failed.
    pub(crate) fn all_dumps(&mut self) -> Option<Dumps> {
        let mut all = self.dumps.clone();
        for (name, file) in &mut self.files {
            all.insert(name.clone(), file.dump()?);
        }
        Some(all)
    }

    /// Says that a save to that tree has failed: large dumps that lie there are taken from their copies.
    pub(crate) fn leave(&mut self, tree: &Arc<Tree>) {
        self.files.values_mut().for_each(|file| file.leave(tree));
    }

    /// Whether what [`Self::all_dumps`] gave may still be acknowledged.
    pub(crate) fn is_sound(&self) -> bool {
        self.files.values().all(SpoolFile::is_sound)
    }
}

/// Gathers a submission from the parser's events.
pub(crate) struct Builder<'a> {
    options: &'a Options,
    dumps: IncomingDumps<'a>,
    fields: Map<String, Value>,
    json: Map<String, Value>,
    has_json: bool,
    notes: Vec<String>,
    part: Part,
    parts: usize,
    /// How many more annotations there may be, values within JSON included.
    annotations_left: usize,
    annotations_bytes: usize,
    memory: Share,
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
    Dump,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(collector: &'a Collector, declared: Option<u64>) -> Self {
        let options = &collector.options;
        Self {
            options,
            dumps: IncomingDumps::new(collector, declared),
            fields: Map::new(),
            json: Map::new(),
            has_json: false,
            notes: Vec::new(),
            part: Part::None,
            parts: 0,
            annotations_left: options.max_annotations,
            annotations_bytes: 0,
            memory: collector.memory.share(),
        }
    }

    /// Makes room for more: large dumps go to the disk, as all do when memory is short.
    pub(crate) async fn settle(&mut self) -> Result<(), Reject> {
        self.dumps.settle(false).await?;
        if self.memory.is_now(self.held()) {
            return Ok(());
        }
        self.dumps.settle(true).await?;
        match self.memory.is_now(self.held()) {
            true => Ok(()),
            false => Err(Reject::Busy),
        }
    }

    fn held(&self) -> usize {
        self.annotations_bytes + self.dumps.held()
    }

    /// Takes an event, whose data may be a part of that received piece.
    pub(crate) fn on(&mut self, event: Event<'_>, received: &Bytes) -> Result<(), Reject> {
        match event {
            Event::Begin(head) => self.begin(head),
            Event::Data(data) => self.data(data, received),
            Event::End => self.end(),
        }
    }

    /// The whole submission. There must be an annotation, at the latest from the query string,
    /// whose pairs fill in what the body left out.
    pub(crate) fn finish(mut self, query: Option<&str>) -> Result<Submission, Reject> {
        let mut all = std::mem::take(&mut self.fields);
        if !self.json.is_empty() && !all.is_empty() {
            self.note("annotations came both as JSON and as form fields; form fields count");
        }
        for (name, value) in std::mem::take(&mut self.json) {
            all.entry(name).or_insert(value);
        }
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let name = without_nul(name.into_owned());
            if !name.is_empty() && !all.contains_key(&name) {
                self.count()?;
                all.insert(name, without_nul(value.into_owned()).into());
            }
        }
        self.options.fill_in_aliases(&mut all);
        if all.is_empty() {
            return Err(Reject::NoAnnotations);
        }
        let (dumps, files) = self.dumps.finish();
        Ok(Submission {
            annotations: all,
            dumps,
            has_json: self.has_json,
            notes: self.notes,
            files,
            _memory: self.memory,
        })
    }

    fn count(&mut self) -> Result<(), Reject> {
        let left = self.annotations_left.checked_sub(1);
        self.annotations_left = left.ok_or(Reject::TooManyAnnotations)?;
        Ok(())
    }

    fn note(&mut self, note: &str) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note.to_owned());
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
            let stored = self.dumps.begin(&name);
            if stored.as_str() != name {
                self.note(&format!("dump {:?} is stored as {stored}", shown(&name)));
            }
            Part::Dump
        } else if name.is_empty() {
            Part::Nameless
        } else {
            self.count()?;
            Part::Text { name, content }
        };
        Ok(())
    }

    fn data(&mut self, data: &[u8], received: &Bytes) -> Result<(), Reject> {
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
            Part::Dump => self.dumps.data(data, received),
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
            Part::Dump => {
                self.dumps.end();
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
        if self.fields.insert(name, value).is_some() {
            self.note(&format!("annotation {shown:?} came twice; the last counts"));
        }
    }

    fn json(&mut self, content: &[u8]) -> Result<(), Reject> {
        let depth = self.options.max_json_depth;
        let object = read_object(content, depth, &mut self.annotations_left)?;
        self.has_json = true;
        for (name, value) in object {
            let shown = shown(&name);
            if self.json.insert(name, value).is_some() {
                self.note(&format!("annotation {shown:?} came twice; the last counts"));
            }
        }
        Ok(())
    }
}

/// As much of a client's name as a note shows.
fn shown(name: &str) -> String {
    name.chars().take(MAX_NOTED_NAME).collect()
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use serde_json::json;
    use socorro_core::config::Config;
    use socorro_core::dumps::{Dump, DumpName};
    use socorro_core::service::Context;

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
        let context = Context::new(Config::default(), Default::default());
        let collector = Collector::new(&context, &mut Registry::default()).unwrap();
        let mut builder = Builder::new(&collector, None);
        for (head, content) in parts {
            builder
                .on(Event::Begin(head.clone()), &Bytes::new())
                .unwrap();
            builder
                .on(Event::Data(content.as_bytes()), &Bytes::new())
                .unwrap();
            builder.on(Event::End, &Bytes::new()).unwrap();
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
