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

use crate::rules;
use crate::signature::Lists;
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
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// The lists for signatures.
    pub lists: Lists,
    /// Which annotations may enter a processed crash.
    pub public: PublicAnnotations,
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
    ("process type", rules::process_type::apply),
    ("dates and times", rules::dates_and_times::apply),
    ("stack walk", rules::stack_walk::apply),
    ("system", rules::system::apply),
    ("modules", rules::modules::apply),
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
    let processed = ProcessedCrash::default();
    let mut case = Case {
        id,
        raw,
        walks,
        knowledge,
        processed,
        notes,
    };
    case.set("started_datetime", started.as_str());
    case.set("startedDateTime", started);
    case.set(key::SIGNATURE, NO_SIGNATURE);
    case.set(key::SUCCESS, false);
    for (name, rule) in RULES {
        // Notes are public: of a panic they tell the rule, and no words that may hold private data.
        if catch_unwind(AssertUnwindSafe(|| rule(&mut case))).is_err() {
            case.note(format!("the rule {name:?} failed"));
        }
    }
    let completed = format_timestamp(Timestamp::now());
    case.set(key::COMPLETED, completed.as_str());
    case.set("completeddatetime", completed);
    let notes = case.notes.join("; ");
    case.set(key::PROCESSOR_NOTES, notes);
    case.processed
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::walk::{WalkOptions, Walker};

    fn fixture(path: &str) -> Vec<u8> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        std::fs::read(root.join(path)).unwrap()
    }

    fn process(raw: &RawCrash, dumps: &[(&str, &str)]) -> ProcessedCrash {
        let symbols = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/symbols");
        let walker = Walker::new(WalkOptions {
            symbols: vec![symbols],
            ..WalkOptions::default()
        });
        let walked = |dump: &str| {
            let walk = walker.walk(&fixture(dump), &|_| {});
            serde_json::from_slice::<Walk>(&walk).unwrap()
        };
        let walks = dumps
            .iter()
            .map(|(name, dump)| (DumpName::clean(name), walked(dump)));
        let id = "4dd21cc0-49d9-46ae-a42b-fadb42261116".parse().unwrap();
        transform(
            id,
            raw,
            &walks.collect(),
            &Knowledge::default(),
            vec!["host_1".into()],
        )
    }

    fn null_write() -> RawCrash {
        RawCrash::from_json(&fixture("annotations/null-write.json")).unwrap()
    }

    #[test]
    fn a_real_crash_has_the_keys_that_readers_of_socorro_expect() {
        let mut raw = null_write();
        raw.set("submitted_timestamp", "2026-11-22T20:00:00.000000+00:00");
        let processed = process(&raw, &[(MAIN_DUMP, "dumps/null-write.dmp")]);
        for (name, expected) in [
            ("uuid", "4dd21cc0-49d9-46ae-a42b-fadb42261116"),
            ("product", "Arena"),
            ("version", "2.4.1"),
            ("build", "20261116093012"),
            ("reason", "SIGSEGV / SEGV_MAPERR"),
            ("os_name", "Linux"),
            ("cpu_name", "amd64"),
            ("crashing_thread_name", "arena"),
            ("mdsw_status_string", "OK"),
            ("client_crash_date", "2026-11-22T20:15:07.000000+00:00"),
            ("date_processed", "2026-11-22T20:00:00.000000+00:00"),
        ] {
            assert_eq!(processed.get_str(name), Some(expected), "{name}");
        }
        assert_eq!(processed.get("success"), Some(&true.into()));
        assert_eq!(processed.get("crashedThread"), Some(&0.into()));
        assert_eq!(processed.get("uptime"), Some(&1586.into()));
        assert_eq!(processed.get("last_crash"), Some(&432_617.into()));
        let signature = processed.signature().unwrap();
        assert_eq!(signature, "arena::Texture::Touch");
        let modules = processed.get_str("modules_in_stack").unwrap();
        assert!(
            modules.contains("arena/63B35814B41794D4B6BDF76028E736940"),
            "{modules}"
        );
    }

    #[test]
    fn private_annotations_never_enter_a_processed_crash() {
        let raw = null_write();
        let processed = process(&raw, &[(MAIN_DUMP, "dumps/null-write.dmp")]);
        let text = String::from_utf8(processed.to_json()).unwrap();
        for name in ["Email", "URL", "Comments", "UserID", "ServerURL", "Notes"] {
            let value = raw.get_str(name).unwrap();
            assert!(!text.contains(value), "{name}");
        }
    }

    #[test]
    fn the_signatures_of_our_own_crashes_name_what_is_to_blame() {
        for (dump, signature) in [
            ("abort", "abort | arena::CheckFailed"),
            ("uncaught-exception", "abort | "),
            ("stack-overflow", "arena::"),
            ("rust-panic", "lobby::roster::Roster::seat_player"),
        ] {
            let processed = process(&null_write(), &[(MAIN_DUMP, &format!("dumps/{dump}.dmp"))]);
            let found = processed.signature().unwrap();
            assert!(found.contains(signature), "{dump}: {found}");
        }
    }

    #[test]
    fn numbers_that_are_none_become_notes() {
        let mut raw = null_write();
        raw.set("CrashTime", "yesterday");
        let processed = process(&raw, &[]);
        let notes = processed.get_str("processor_notes").unwrap();
        assert!(notes.starts_with("host_1; "), "{notes}");
        assert!(
            notes.contains(r#"non-integer value of "CrashTime""#),
            "{notes}"
        );
        assert!(notes.contains("the crash has no minidump"), "{notes}");
        assert_eq!(processed.get("success"), Some(&false.into()));
    }

    #[test]
    fn an_empty_raw_crash_is_processed_all_the_same() {
        let processed = process(&RawCrash::default(), &[]);
        assert!(processed.signature().unwrap().starts_with("EMPTY: "));
        assert!(
            processed
                .get_str("processor_notes")
                .unwrap()
                .contains("missing ProductName")
        );
    }
}
