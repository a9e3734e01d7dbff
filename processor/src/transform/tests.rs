//! What becomes of a crash, rule by rule.

use std::path::PathBuf;

use super::*;
use crate::stackwalk::walk;

fn fixture(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    std::fs::read(root.join(path)).unwrap()
}

fn process(raw: &RawCrash, dumps: &[(&str, &str)]) -> ProcessedCrash {
    let symbols = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/symbols");
    let walked = |dump: &str| walk(&fixture(dump).into(), std::slice::from_ref(&symbols));
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
