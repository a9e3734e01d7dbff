//! From a raw crash and the walks of its dumps to the processed crash: the ordered list of rules.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use serde_json::Value;
use socorro_core::crash_id::CrashId;
use socorro_core::dumps::{DumpName, MAIN_DUMP};
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::raw_crash::{RawCrash, format_timestamp};
use socorro_core::signature::Lists;

use crate::rewrite::{Rewrite, rewrite};
use crate::rules;
use crate::walk::Walk;

/// One crash while its rules are applied.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) id: CrashId,
    pub(crate) raw: &'a RawCrash,
    /// The walks of the dumps that are minidumps by their name.
    pub(crate) walks: &'a BTreeMap<DumpName, Walk>,
    pub(crate) knowledge: &'a Knowledge,
    pub(crate) processed: ProcessedCrash,
    pub(crate) notes: Vec<String>,
}

/// What the rules know besides the crash.
#[derive(Debug, Clone)]
pub struct Knowledge {
    /// The lists for signatures.
    pub lists: Lists,
    /// Which annotations may enter a processed crash.
    pub public: PublicAnnotations,
    /// What is rewritten in a raw crash before the rules see it.
    pub rewrites: Vec<Rewrite>,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self {
            lists: Lists::default(),
            public: PublicAnnotations::default(),
            rewrites: vec![Rewrite::esr_version()],
        }
    }
}

impl<'a> Case<'a> {
    /// A public annotation that is a string. Private ones are not to be had here.
    pub(crate) fn annotation(&self, name: &str) -> Option<&'a str> {
        self.raw
            .get_str(name)
            .filter(|_| self.knowledge.public.is_public(name))
    }

    /// The walk of the main dump, if there is one.
    pub(crate) fn main_walk(&self) -> Option<&'a Walk> {
        self.walks.get(MAIN_DUMP)
    }

    /// An entry of the main walk's `json_dump`, by JSON pointer.
    pub(crate) fn dump_entry(&self, pointer: &str) -> Option<&'a Value> {
        self.main_walk()?
            .json_dump
            .pointer(pointer)
            .filter(|value| !value.is_null())
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.processed.set(name, value);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// A rule and its name for notes.
type Rule = (&'static str, fn(&mut Case<'_>));

/// All rules, in the order in which they are applied.
const RULES: &[Rule] = &[
    ("identifiers", rules::identifiers::apply),
    ("copied annotations", rules::copied::apply),
    ("dates and times", rules::dates_and_times::apply),
    ("process type", rules::process_type::apply),
    ("hang", rules::hang::apply),
    ("add-ons", rules::addons::apply),
    ("program's reason", rules::moz_crash_reason::apply),
    ("Java stack trace", rules::java::apply),
    ("stack walk", rules::stack_walk::apply),
    ("crash info", rules::crash_info::apply),
    ("memory access", rules::memory_access::apply),
    ("additional dumps", rules::additional_dumps::apply),
    ("system", rules::system::apply),
    ("system for people", rules::os_pretty_version::apply),
    ("topmost file", rules::topmost_file::apply),
    ("modules in stack", rules::modules_in_stack::apply),
    ("missing symbols", rules::missing_symbols::apply),
    ("Flash version", rules::flash_version::apply),
    ("signature", rules::signature::apply),
];

/// The signature of a crash whose rules could not make one.
const NO_SIGNATURE: &str = "EMPTY: crash failed to process";

/// Makes the processed crash. `notes` are what the caller has to say, such as why there are no
/// walks.
pub fn transform(
    id: CrashId,
    raw: &RawCrash,
    walks: &BTreeMap<DumpName, Walk>,
    knowledge: &Knowledge,
    notes: Vec<String>,
) -> ProcessedCrash {
    let started = format_timestamp(Timestamp::now());
    let (raw, rewritten) = rewrite(&knowledge.rewrites, raw, &knowledge.public);
    let mut case = Case {
        id,
        raw: &raw,
        walks,
        knowledge,
        processed: ProcessedCrash::default(),
        notes: notes.into_iter().chain(rewritten).collect(),
    };
    case.set("started_datetime", started.as_str());
    case.set("startedDateTime", started);
    case.set(key::SIGNATURE, NO_SIGNATURE);
    case.set(key::SUCCESS, false);
    apply(RULES, &mut case);
    let completed = format_timestamp(Timestamp::now());
    case.set(key::COMPLETED, completed.as_str());
    case.set("completeddatetime", completed);
    let notes = case.notes.join("; ");
    case.set(key::PROCESSOR_NOTES, notes);
    case.processed
}

/// Applies rules in their order. One that breaks down becomes a note, and the rest go on.
fn apply(rules: &[Rule], case: &mut Case<'_>) {
    for (name, rule) in rules {
        // Notes are public: of a panic they tell the rule, and no words that may hold private data.
        if catch_unwind(AssertUnwindSafe(|| rule(case))).is_err() {
            case.note(format!("the rule {name:?} failed"));
        }
    }
}

#[cfg(test)]
mod tests;
