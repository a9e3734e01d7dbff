//! What conditions hold for.

use serde_json::json;

use super::*;

/// Whether the condition, in TOML, holds for the annotations.
fn holds(condition: &str, annotations: &Value) -> bool {
    let condition: Condition = toml::from_str(condition).unwrap();
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let annotations = annotations.as_object().unwrap();
    condition.obstacle(annotations, now).is_none()
}

#[test]
fn conditions_hold_for_what_they_say_and_for_nothing_that_is_missing() {
    let crash =
        json!({"Version": "3.6b1", "Uptime": 7, "BuildID": "20240101", "E": "{\"os\":\"X\"}"});
    for (condition, expected) in [
        ("annotation = 'Version'\nequals = '3.6b1'", true),
        ("annotation = 'Version'\none_of = ['3.6', '3.7']", false),
        ("annotation = 'Version'\nmatches = '^3[.]'", true),
        ("annotation = 'Version'\nversion = '< 3.6'", true),
        ("annotation = 'Uptime'\nnumber = '>= 8'", false),
        ("annotation = 'BuildID'\ntext = '< 20250101'", true),
        ("annotation = 'BuildID'\nolder_than_days = 365", true),
        ("annotation = 'E'\njson = '/os'\nequals = 'X'", true),
        ("annotation = '*'\nequals = '7'", true),
        ("annotation = 'Vendor'\nequals = ''", false),
        ("annotation = 'Vendor'\nequals = ''\nnot = true", false),
        ("annotation = 'Vendor'\nequals = 'x'\ndefault = 'x'", true),
        ("annotation = 'Vendor'\npresent = false", true),
        ("annotation = 'Version'\nequals = '3.6'\nnot = true", true),
    ] {
        assert_eq!(holds(condition, &crash), expected, "{condition}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    for condition in [
        "annotation = ''\nequals = 'x'",
        "annotation = 'A'",
        "annotation = 'A'\npresent = true\nequals = 'x'",
        "annotation = '*'\npresent = true",
        "annotation = 'A'\nmatches = '('",
        "annotation = 'A'\nnumber = '7'",
        "annotation = 'A'\nlike = 'x'",
    ] {
        assert!(
            toml::from_str::<Condition>(condition).is_err(),
            "{condition}"
        );
    }
}
