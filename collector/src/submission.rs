//! From the parts of a body to a submission: annotations and named dumps.
//!
//! * a part without a file name is an annotation, whatever its type says or leaves out;
//! * a part of type `application/json` is an object of annotations;
//! * every other part with a file name is a dump, whatever its type says or leaves out.
//!
//! Nothing that a client sends is lost for being odd: names are cleaned, collisions get a number,
//! and the notes say what was done.

use serde_json::{Map, Value};
use socorro_core::dumps::{Dump, DumpName, Dumps};
use socorro_core::storage::filesystem::Spilled;
use socorro_core::storage::open::Spool;
use tracing::warn;

use crate::config::Options;
use crate::multipart::{Event, PartHead};
use crate::reject::Reject;

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
    /// Of no name: dropped.
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
                all.entry(name).or_insert_with(|| value.into_owned().into());
            }
        }
        for (alias, name) in &self.options.annotation_aliases {
            if let (Some(value), false) = (all.get(alias), all.contains_key(name)) {
                let value = value.clone();
                all.insert(name.clone(), value);
            }
        }
        if all.is_empty() {
            return Err(Reject::NoAnnotations);
        }
        self.submission.annotations = all;
        Ok(self.submission)
    }

    fn note(&mut self, note: &str) {
        // A hostile client must not fill the raw crash with notes.
        if self.submission.notes.len() < 20 {
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
        self.part = match head.name.filter(|name| !name.is_empty()) {
            None => Part::Nameless,
            Some(_) if is_json => Part::Json { content },
            Some(name) if head.has_filename => Part::Dump {
                name,
                content,
                file: None,
            },
            Some(name) => Part::Text { name, content },
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
                self.note("a part without a name was dropped");
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
        let name = without_nul(name);
        let value = String::from_utf8(content).unwrap_or_else(|error| {
            self.note(&format!("annotation {name:?} was not UTF-8"));
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        let value = without_nul(value).into();
        if self
            .submission
            .annotations
            .insert(name.clone(), value)
            .is_some()
        {
            self.note(&format!("annotation {name:?} came twice; the last counts"));
        }
    }

    fn json(&mut self, content: &[u8]) -> Result<(), Reject> {
        let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let value: Value = serde_json::from_slice(text).map_err(|_| Reject::InvalidJson)?;
        let Value::Object(object) = value else {
            return Err(Reject::InvalidJsonValue);
        };
        self.submission.has_json = true;
        for (name, value) in object {
            let value = match value {
                Value::String(text) => without_nul(text).into(),
                other => other,
            };
            self.json.insert(without_nul(name), value);
        }
        Ok(())
    }

    fn dump(&mut self, sent: &str, content: Vec<u8>, file: Option<Spilled>) {
        let mut name = DumpName::clean(sent);
        let clean = name.clone();
        let mut number = 1;
        while self.submission.dumps.contains_key(&name) {
            number += 1;
            name = DumpName::clean(&format!("{clean}_{number}"));
        }
        if name.as_str() != sent {
            let sent: String = sent.chars().take(80).collect();
            self.note(&format!("dump {sent:?} is stored as {name}"));
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

/// NULs stop short whatever reads C strings, and mean nothing in an annotation.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}
