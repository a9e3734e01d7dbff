//! What becomes of a crash, rule by rule.

mod privacy;
mod rewrites;
mod schema;

use std::path::PathBuf;

use serde_json::json;
use socorro_core::processed_crash::SCHEMA;
use socorro_core::testing::json_schema::Schema;

use super::*;
use crate::walk::{WalkOptions, Walker};

fn fixture(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    std::fs::read(root.join(path)).unwrap()
}

const ID: &str = "4dd21cc0-49d9-46ae-a42b-fadb42261116";

/// A processed crash is as its schema says.
fn fits(processed: &ProcessedCrash) {
    let whole = Value::Object(processed.entries().clone());
    let wrong = Schema::parse(SCHEMA).violations(&whole);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn walk_of(json_dump: Value) -> Walk {
    Walk {
        status: "OK".into(),
        json_dump,
        truncated: true,
        ..Walk::default()
    }
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
    let processed = transform(
        ID.parse().unwrap(),
        raw,
        &walks.collect(),
        &Knowledge::default(),
        vec!["host_1".into()],
    );
    fits(&processed);
    processed
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
fn the_signatures_of_our_own_crashes_name_what_is_to_blame() {
    for (dump, signature) in [
        ("abort", "abort | arena::CheckFailed"),
        ("uncaught-exception", "abort | "),
        ("stack-overflow", "stackoverflow | arena::"),
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

#[test]
fn a_rule_that_breaks_down_becomes_a_note_and_the_rest_go_on() {
    let (raw, walks, knowledge) = (RawCrash::default(), BTreeMap::new(), Knowledge::default());
    let mut case = Case {
        id: ID.parse().unwrap(),
        raw: &raw,
        walks: &walks,
        knowledge: &knowledge,
        processed: ProcessedCrash::default(),
        notes: Vec::new(),
    };
    let rules: [Rule; 2] = [
        ("first", |_| panic!("with a secret")),
        ("second", |case| case.set("reason", "done")),
    ];
    apply(&rules, &mut case);
    assert_eq!(case.notes, ["the rule \"first\" failed"]);
    assert_eq!(case.processed.get_str("reason"), Some("done"));
}

#[test]
fn a_hang_is_told_by_the_annotations() {
    for (annotation, value, hang_type, report_type) in [
        ("Hang", "1", 1, "hang"),
        ("Hang", "0", 0, "crash"),
        ("PluginHang", "1", -1, "hang"),
        ("HangID", "abc", -1, "hang"),
        ("ProductName", "Arena", 0, "crash"),
    ] {
        let mut raw = RawCrash::default();
        raw.set(annotation, value);
        let processed = process(&raw, &[]);
        assert_eq!(
            processed.get("hang_type"),
            Some(&hang_type.into()),
            "{annotation}"
        );
        assert_eq!(
            processed.get_str("report_type"),
            Some(report_type),
            "{annotation}"
        );
    }
}

/// The processed crash of this walk alone.
fn process_walk(json_dump: Value) -> ProcessedCrash {
    let walks = BTreeMap::from([(DumpName::clean(MAIN_DUMP), walk_of(json_dump))]);
    let raw = RawCrash::default();
    let processed = transform(
        ID.parse().unwrap(),
        &raw,
        &walks,
        &Knowledge::default(),
        vec![],
    );
    fits(&processed);
    processed
}

#[test]
fn systems_go_by_the_names_that_people_know() {
    for (os, version, expected) in [
        ("Windows NT", "6.1.7601 Service Pack 1", "Windows 7"),
        ("Windows NT", "10.0.19045 3570", "Windows 10"),
        ("Windows NT", "10.0.22631", "Windows 11"),
        ("Windows NT", "11.0", "Windows 11.0"),
        ("Mac OS X", "14.2.1 23C71", "macOS 14.2"),
        ("Android", "13", "Android 13"),
        ("Linux", "", "Linux"),
    ] {
        let dump = json!({"system_info": {"os": os, "os_ver": version}});
        let made = process_walk(dump);
        assert_eq!(
            made.get_str("os_pretty_version"),
            Some(expected),
            "{os} {version}"
        );
    }
}

#[test]
fn the_address_is_the_one_that_was_meant() {
    let info = |kind| json!({"address": "0x8", "adjusted_address": kind});
    for (kind, expected) in [
        (json!({"kind": "null-pointer", "offset": "0x8"}), "0x8"),
        (
            json!({"kind": "non-canonical", "address": "0x8000000000000000"}),
            "0x8000000000000000",
        ),
        (Value::Null, "0x8"),
    ] {
        let made = process_walk(json!({"crash_info": info(kind)}));
        assert_eq!(made.get_str("address"), Some(expected));
    }
}

#[test]
fn hostile_walks_break_no_rule() {
    for odd in [
        json!(null),
        json!(7),
        json!("x"),
        json!([]),
        json!({"frames": 1}),
        json!([[]]),
    ] {
        for key in [
            "threads",
            "modules",
            "crash_info",
            "system_info",
            "lsb_release",
            "thread_count",
        ] {
            let walks = BTreeMap::from([(DumpName::clean(MAIN_DUMP), walk_of(json!({key: odd})))]);
            let raw = RawCrash::default();
            let made = transform(
                ID.parse().unwrap(),
                &raw,
                &walks,
                &Knowledge::default(),
                vec![],
            );
            let notes = made.get_str("processor_notes").unwrap();
            assert!(!notes.contains("failed"), "{key}: {odd}: {notes}");
            assert!(
                made.signature()
                    .is_some_and(|signature| !signature.is_empty())
            );
        }
    }
}
