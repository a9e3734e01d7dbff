//! A crash as people read it: from JSON of which nothing is sure to a page.

mod annotations;
mod facts;
mod frames;
mod json;
mod modules;
mod name;
mod signature;
mod source;

use askama::Template;
use serde_json::Value;
use socorro_core::crash_id::CrashId;
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::raw_crash::RawCrash;

use super::text;
use annotations::Annotation;
use facts::Fact;
use frames::{Row, Thread};
use json::Json;
use modules::Module;
pub(super) use source::SourceLinks;

/// The crashing thread is shown up to that many frames.
const CRASHING_FRAMES: usize = 150;
/// Every other thread up to that many,
const OTHER_FRAMES: usize = 60;
/// and all of them together up to that many: a page must stay a page.
const ALL_OTHER_FRAMES: usize = 6_000;
/// Of more threads, or more modules, the rest is left out.
const MAX_LINES: usize = 1_000;

/// The raw crash that belongs to a report.
#[derive(Debug)]
pub(super) enum Raw {
    /// It is there; for visitors without the right, that many private entries were taken out.
    There { crash: RawCrash, hidden: usize },
    /// The storage has none.
    Gone,
    /// The storage could not give it now.
    Unreadable,
}

/// The page `/report/index/<id>`.
#[derive(Debug, Template)]
#[template(path = "report.html")]
pub(super) struct Report {
    id: CrashId,
    signature: Option<String>,
    /// What is wrong, if processing failed.
    failure: Option<Option<String>>,
    cause: Vec<Fact>,
    circumstances: Vec<Fact>,
    crashing: Option<Thread>,
    registers: Vec<(String, String)>,
    others: Vec<Thread>,
    /// How many other threads there are, shown or not.
    other_count: usize,
    modules: Vec<Module>,
    /// How many modules there are, shown or not.
    module_count: usize,
    /// How many modules lack usable symbols.
    wanting: usize,
    annotations: Vec<Annotation>,
    /// What is to be said of the annotations.
    annotations_note: Option<String>,
    notes: Vec<String>,
    /// The notes of earlier times that the crash was processed, the latest first.
    history: Vec<String>,
    /// Whether there may be a main dump.
    main_dump: bool,
    /// The dumps besides it.
    other_dumps: Vec<String>,
    /// Whether the visitor may see private parts.
    private: bool,
}

/// How a report is made, the same for all crashes.
#[derive(Debug)]
pub(super) struct Style<'a> {
    pub(super) public: &'a PublicAnnotations,
    pub(super) links: &'a SourceLinks,
    pub(super) private: bool,
}

impl Report {
    /// Reads a crash. What the visitor may not see has been taken out of it already.
    pub(super) fn new(id: CrashId, crash: &ProcessedCrash, raw: &Raw, style: &Style<'_>) -> Self {
        let top = |name| Json(crash.get(name));
        let dump = top(key::JSON_DUMP);
        let (annotations, annotations_note) = match raw {
            Raw::There { crash, hidden } => (
                annotations::annotations(crash, style.public),
                (*hidden > 0)
                    .then(|| format!("{} not shown: private.", text::count(*hidden, "annotation"))),
            ),
            Raw::Gone => (
                Vec::new(),
                Some("The raw crash is not stored any more.".into()),
            ),
            Raw::Unreadable => (Vec::new(), Some("They can't be read at the moment.".into())),
        };
        let at = crashing_thread(crash);
        let signature = top(key::SIGNATURE).text();
        let mut crashing = at.map(|at| {
            // It is there once more with registers; 2.x and lean writers have it among the others.
            let copy = dump.at("crashing_thread");
            let thread = match copy.at("frames").items() {
                [] => Json(dump.at("threads").items().get(at)),
                _ => copy,
            };
            frames::thread(thread, at, CRASHING_FRAMES, style.links)
        });
        if let (Some(thread), Some(signature)) = (&mut crashing, &signature) {
            signature::mark(&mut thread.rows, signature);
            thread.name = thread
                .name
                .take()
                .or_else(|| top("crashing_thread_name").text());
        }
        let mut others = other_threads(dump, at, style.links);
        let mut modules = modules::modules(dump);
        let wanting = modules
            .iter()
            .filter(|module| module.symbols.is_wanting())
            .count();
        let (other_count, module_count) = (others.len(), modules.len());
        others.truncate(MAX_LINES);
        modules.truncate(MAX_LINES);
        Self {
            id,
            signature,
            failure: top(key::SUCCESS).is_false().then(|| {
                top("mdsw_status_string")
                    .text()
                    .or_else(|| dump.at("status").text())
            }),
            cause: facts::cause(crash),
            circumstances: facts::circumstances(crash),
            crashing,
            registers: registers(dump),
            others,
            other_count,
            modules,
            module_count,
            wanting,
            annotations,
            annotations_note,
            notes: notes(top(key::PROCESSOR_NOTES)),
            history: notes(top(key::PROCESSOR_HISTORY)),
            main_dump: top("mdsw_status_string").str() != Some("NoMinidump"),
            other_dumps: other_dumps(top("additional_minidumps")),
            private: style.private,
        }
    }

    /// Whether the crashing thread's table needs a word on its colours.
    fn has_marks(&self) -> bool {
        let rows = self.crashing.iter().flat_map(|thread| &thread.rows);
        rows.into_iter()
            .any(|row| matches!(row, Row::Frame(frame) if frame.in_signature))
    }

    /// Whether there are notes that the banner of a failure does not show.
    fn has_notes(&self) -> bool {
        (self.failure.is_none() && !self.notes.is_empty()) || !self.history.is_empty()
    }

    /// The title of the browser's window.
    fn title(&self) -> String {
        let signature = self.signature.as_deref().unwrap_or("No signature");
        text::shown_up_to(signature, 100)
    }
}

/// The number of the thread that crashed, under each of the names that it has had.
fn crashing_thread(crash: &ProcessedCrash) -> Option<usize> {
    let top = |name| Json(crash.get(name));
    let dump = top(key::JSON_DUMP);
    let number = (top("crashing_thread").number())
        .or_else(|| top("crashedThread").number())
        .or_else(|| dump.at("crash_info").at("crashing_thread").number())
        .or_else(|| dump.at("crashing_thread").at("threads_index").number())?;
    usize::try_from(number).ok()
}

fn other_threads(dump: Json<'_>, crashing: Option<usize>, links: &SourceLinks) -> Vec<Thread> {
    let threads = dump.at("threads").items().iter().enumerate();
    let mut left = ALL_OTHER_FRAMES;
    threads
        .filter(|(number, _)| Some(*number) != crashing)
        .map(|(number, thread)| {
            let thread = Json(Some(thread));
            // One frame at least says where the thread is.
            let limit = OTHER_FRAMES.min(left).max(1);
            left = left.saturating_sub(thread.at("frames").items().len().min(limit));
            frames::thread(thread, number, limit, links)
        })
        .collect()
}

/// The registers of the frame that crashed.
fn registers(dump: Json<'_>) -> Vec<(String, String)> {
    let frames = dump.at("crashing_thread").at("frames");
    let registers = Json(frames.items().first()).at("registers").0;
    let registers = registers.and_then(Value::as_object).into_iter().flatten();
    let shown =
        registers.filter_map(|(name, value)| Some((text::shown(name), Json(Some(value)).text()?)));
    let mut shown: Vec<_> = shown.collect();
    // r8 and r9 before r10.
    shown.sort_by_cached_key(|(name, _)| {
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u32> = name[letters.len()..].parse().ok();
        (letters.to_owned(), number)
    });
    shown
}

/// Notes are one string, joined with `; ` or line ends, or a list of strings.
fn notes(json: Json<'_>) -> Vec<String> {
    let many = json
        .items()
        .iter()
        .filter_map(|note| Json(Some(note)).str());
    let one = json
        .str()
        .into_iter()
        .flat_map(|notes| notes.split("; ").flat_map(str::lines));
    let all = many
        .chain(one)
        .map(str::trim)
        .filter(|note| !note.is_empty());
    all.map(text::shown).collect()
}

/// The names of further dumps that can be asked for.
fn other_dumps(json: Json<'_>) -> Vec<String> {
    let names = json
        .items()
        .iter()
        .filter_map(|name| Json(Some(name)).str());
    let names = names.filter_map(socorro_core::dumps::DumpName::parse);
    names.map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests;
