//! Promise 9: private annotations never enter a processed crash.

use super::*;

/// What clients send and the shipped list does not name, as Breakpad, Crashpad and Firefox call it.
const PRIVATE: &[&str] = &[
    "Email",
    "URL",
    "Comments",
    "Notes",
    "UserID",
    "ServerURL",
    "guid",
    "TelemetryClientId",
    "TelemetryEnvironment",
    "TelemetryServerURL",
    "TelemetrySessionId",
    "RemoteType",
    "JavaStackTrace",
    "JavaException",
    "InstallationId",
    "client_id",
    "GleanClientId",
    "ProfileDirectory",
    "AppInitDLLs",
    "BreadCrumbs",
    "Breadcrumbs",
    "StackTraces",
    "MemoryReport",
    "IPCFatalErrorMsg",
    "LastCrash",
    "MacCrashInfo",
    "MacBootArgs",
    "MinidumpSha256Hash",
    "PHCAllocStack",
    "SubmittedFrom",
    "XPCOMSpinEventLoopStack",
    "username",
    "hostname",
    "token",
    "Made up today",
];

/// A crash whose annotations of these names hold words that nothing else holds.
fn marked<'a>(names: impl IntoIterator<Item = &'a str>) -> (RawCrash, Vec<String>) {
    let mut raw = RawCrash::default();
    let mut words = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        // A number, a flag and a list of add-ons may be cut: each form has the word in front.
        words.push(format!("secret{number}x"));
        raw.set(name, format!("secret{number}x:1"));
    }
    (raw, words)
}

fn text(processed: &ProcessedCrash) -> String {
    String::from_utf8(processed.to_json()).unwrap()
}

#[test]
fn what_the_shipped_list_does_not_name_never_enters() {
    let (raw, words) = marked(PRIVATE.iter().copied());
    let made = text(&process(&raw, &[(MAIN_DUMP, "dumps/null-write.dmp")]));
    for (name, word) in PRIVATE.iter().zip(words) {
        assert!(!PublicAnnotations::default().is_public(name), "{name}");
        assert!(!made.contains(&word), "{name}");
    }
}

#[test]
fn an_empty_list_makes_every_annotation_private() {
    let shipped = include_str!("../../../../socorro-core/data/public-annotations.txt");
    let names = shipped
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (raw, words) = marked(names);
    let knowledge = Knowledge {
        public: PublicAnnotations::parse(""),
        ..Knowledge::default()
    };
    let id = ID.parse().unwrap();
    let made = text(&transform(id, &raw, &BTreeMap::new(), &knowledge, vec![]));
    for word in words {
        assert!(!made.contains(&word), "{made}");
    }
    let public = text(&transform(
        id,
        &raw,
        &BTreeMap::new(),
        &Knowledge::default(),
        vec![],
    ));
    assert!(
        public.contains("secret0x"),
        "the list is what makes the difference"
    );
}

#[test]
fn of_a_java_stack_trace_names_remain_and_no_message() {
    let mut raw = RawCrash::default();
    let trace = "java.lang.Error: ada@example.com\n and more\n\tat a.B.c(B.java:1)\n\tat me and you\n\
                 Caused by: a.Cause: ada\n\tat a.D.e(Native Method)\n";
    raw.set("JavaStackTrace", trace);
    let processed = process(&raw, &[]);
    assert_eq!(
        processed.get_str("java_stack_trace"),
        Some(
            "java.lang.Error\n\tat a.B.c(B.java:1)\nCaused by: a.Cause\n\tat a.D.e(Native Method)"
        )
    );
    assert_eq!(
        processed.signature(),
        Some("java.lang.Error: at a.B.c(B.java)")
    );

    let exception = json!({"exception": {"values": [{
        "module": "java.lang", "type": "Error", "value": "ada@example.com",
        "stacktrace": {"frames": [{"module": "a.B", "function": "c", "filename": "B.kt", "lineno": 3}]},
    }]}});
    let mut raw = RawCrash::default();
    raw.set("JavaException", exception.to_string());
    let processed = process(&raw, &[]);
    assert_eq!(
        processed.signature(),
        Some("java.lang.Error: at a.B.c(B.kt)")
    );
    assert!(!text(&processed).contains("ada"));
}

#[test]
fn what_a_panic_quotes_is_cut() {
    for (sent, kept) in [
        (
            "MOZ_RELEASE_ASSERT(a == \"b\")",
            "MOZ_RELEASE_ASSERT(a == \"b\")",
        ),
        (
            "byte index 5 is out of bounds of `https://ada`",
            "byte index 5 is out of bounds of",
        ),
    ] {
        let mut raw = RawCrash::default();
        raw.set("MozCrashReason", sent);
        assert_eq!(process(&raw, &[]).get_str("moz_crash_reason"), Some(kept));
    }
}
