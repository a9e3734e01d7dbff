//! What rules decide.

mod shipped;

use serde_json::json;
use socorro_core::config::Config;

use super::check::check_rules;
use super::*;

const ACCEPT: Decision = Decision::Store(ThrottleResult::Accept);
const DEFER: Decision = Decision::Store(ThrottleResult::Defer);

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn read(text: &str) -> Result<Options, String> {
    let config = toml::from_str::<Config<Options>>(text);
    config.map(|c| c.own).map_err(|error| error.to_string())
}

fn throttler(text: &str) -> Throttler {
    Throttler::new(&read(text).unwrap())
}

/// A rule that discards what this condition holds for.
fn holds(condition: &str, crash: &Value) -> bool {
    let rule = format!(
        "[[collector.throttle]]\nname = \"x\"\nwhen = [{{ {condition} }}]\nresult = \"discard\""
    );
    let (rule, _) = decide(&throttler(&rule), crash, 0.0);
    rule == "x"
}

fn decide(throttler: &Throttler, crash: &Value, chance: f64) -> (String, Decision) {
    let verdict = throttler.decide(crash.as_object().unwrap(), now(), || chance);
    (verdict.rule.to_owned(), verdict.decision)
}

#[test]
fn the_first_rule_that_holds_decides_and_a_missing_annotation_skips_a_rule() {
    let throttler = throttler(
        r#"
        [[collector.throttle]]
        name = "has_comments"
        when = [{ annotation = "Comments", matches = "." }]
        [[collector.throttle]]
        name = "arena_ten_percent"
        when = [{ annotation = "ProductName", equals = "Arena" }]
        percentage = 10
        [[collector.throttle]]
        name = "unsupported"
        result = "ignore"
        "#,
    );
    let expect = |name: &str, decision| (name.to_owned(), decision);
    let ten = "arena_ten_percent";
    for (crash, chance, expected) in [
        (
            json!({"ProductName": "Arena", "Comments": "help"}),
            99.0,
            expect("has_comments", ACCEPT),
        ),
        (
            json!({"ProductName": "Arena", "Comments": ""}),
            9.9,
            expect(ten, ACCEPT),
        ),
        (json!({"ProductName": "Arena"}), 10.0, expect(ten, DEFER)),
        (
            json!({"ProductName": "Other"}),
            0.0,
            expect("unsupported", Decision::Ignore),
        ),
    ] {
        assert_eq!(decide(&throttler, &crash, chance), expected, "{crash}");
    }
}

#[test]
fn without_rules_everything_is_accepted() {
    let throttler = throttler("");
    let verdict = throttler.decide(&Map::new(), now(), || 99.9);
    assert_eq!((verdict.decision, verdict.rate), (ACCEPT, 100.0));
}

#[test]
fn each_test_holds_for_what_it_says_and_for_nothing_else() {
    let crash = json!({
        "Product": "Arena", "Empty": "", "Null": null, "Number": 7, "Build": "20241101120000",
        "Version": "3.6b1", "Env": "{\"system\":{\"os\":{\"name\":\"X\",\"build\":9600}}}",
    });
    for (condition, expected) in [
        (r#"annotation = "Product", equals = "Arena""#, true),
        (r#"annotation = "Product", equals = "arena""#, false),
        (
            r#"annotation = "Product", equals = "arena", not = true"#,
            true,
        ),
        (r#"annotation = "Nowhere", equals = "x", not = true"#, false),
        (r#"annotation = "Null", equals = "null", not = true"#, false),
        (
            r#"annotation = "Nowhere", default = "x", equals = "x""#,
            true,
        ),
        (r#"annotation = "Product", one_of = ["A", "Arena"]"#, true),
        (r#"annotation = "Product", one_of = []"#, false),
        (
            r#"annotation = "Product", matches = "^A.*a$", equals = "Arena""#,
            true,
        ),
        (
            r#"annotation = "Product", matches = "^A", equals = "A""#,
            false,
        ),
        (r#"annotation = "Empty", present = true"#, true),
        (r#"annotation = "Null", present = true"#, true),
        (r#"annotation = "Nowhere", present = true"#, false),
        (r#"annotation = "Nowhere", present = false"#, true),
        (r#"annotation = "Empty", present = false"#, false),
        (r#"annotation = "Number", number = "<= 7""#, true),
        (r#"annotation = "Number", number = "< 7""#, false),
        (r#"annotation = "Number", equals = "7""#, true),
        (r#"annotation = "Version", version = "< 3.6""#, true),
        (r#"annotation = "Version", version = ">= 3.6""#, false),
        (r#"annotation = "Product", version = "< 9""#, true),
        (r#"annotation = "Build", text = "< 20241102""#, true),
        (r#"annotation = "Build", older_than_days = 730"#, true),
        (r#"annotation = "Build", older_than_days = 760"#, false),
        (r#"annotation = "Product", older_than_days = 0"#, false),
        (
            r#"annotation = "Env", json = "/system/os/name", equals = "X""#,
            true,
        ),
        (
            r#"annotation = "Env", json = "/system/os/build", number = "<= 9600""#,
            true,
        ),
        (
            r#"annotation = "Env", json = "/system/os/nope", equals = "X""#,
            false,
        ),
        (
            r#"annotation = "Nowhere", json = "/a", equals = "X""#,
            false,
        ),
        (r#"annotation = "*", equals = "Arena""#, true),
        (r#"annotation = "*", equals = "Nothing""#, false),
        (r#"annotation = "*", equals = "Nothing", not = true"#, true),
    ] {
        assert_eq!(holds(condition, &crash), expected, "{condition}");
    }
}

/// With a fixed seed, and within six standard deviations, for percentages from one end to the other.
#[test]
fn the_accepted_share_comes_to_the_percentage() {
    const TRIES: u32 = 200_000;
    for percentage in [0.0, 0.1, 1.0, 10.0, 33.3, 50.0, 90.0, 99.9, 100.0] {
        let text = format!("[[collector.throttle]]\nname = \"x\"\npercentage = {percentage:?}");
        let throttler = throttler(&text);
        let mut random = fastrand::Rng::with_seed(7);
        let none = Map::new();
        let accepted = (0..TRIES).filter(|_| {
            let verdict = throttler.decide(&none, now(), || random.f64() * 100.0);
            assert_eq!((verdict.rule, verdict.rate), ("x", percentage));
            verdict.decision == ACCEPT
        });
        let (accepted, share) = (accepted.count() as f64, percentage / 100.0);
        let expected = f64::from(TRIES) * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!(
            (accepted - expected).abs() <= 6.0 * deviation,
            "{percentage}: {accepted}"
        );
    }
}

#[test]
fn a_rule_that_lets_a_share_go_on_leaves_it_to_the_next() {
    let throttler = throttler(
        r#"
        [[collector.throttle]]
        name = "one"
        percentage = 25
        result = "continue"
        otherwise = "fake_accept"
        [[collector.throttle]]
        name = "two"
        percentage = 0
        otherwise = "discard"
        "#,
    );
    let of = |chance| decide(&throttler, &json!({}), chance);
    assert_eq!(of(24.0), ("two".into(), Decision::Discard));
    assert_eq!(of(25.0), ("one".into(), Decision::FakeAccept));
}

#[test]
fn never_discard_defers_what_would_be_discarded_and_nothing_else() {
    for (result, expected) in [
        ("discard", DEFER),
        ("ignore", Decision::Ignore),
        ("fake_accept", Decision::FakeAccept),
        ("accept", ACCEPT),
    ] {
        let text = format!(
            "[collector]\nnever_discard = true\n[[collector.throttle]]\nname = \"x\"\nresult = {result:?}"
        );
        assert_eq!(decide(&throttler(&text), &json!({}), 0.0).1, expected);
    }
}

#[test]
fn a_mistake_in_a_rule_is_told_with_its_line() {
    for (line, rule, part) in [
        (2, "name = \"a b\"", "rule name"),
        (3, "name = \"a\"\npercentage = 101", "0 to 100"),
        (3, "name = \"a\"\nresult = \"drop\"", "unknown variant"),
        (3, "name = \"a\"\npercent = 1", "unknown field"),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\" }]",
            "give it a test",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ equals = \"x\" }]",
            "missing field `annotation`",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\", equal = \"x\" }]",
            "unknown field",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\", matches = \"(\" }]",
            "unclosed group",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\", number = \"9\" }]",
            "a number",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\", version = \"<\" }]",
            "a version",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\", json = \"y\", equals = \"z\" }]",
            "pointer",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"*\", present = true }]",
            "name",
        ),
        (
            3,
            "name = \"a\"\nwhen = [{ annotation = \"x\", present = true, equals = \"y\" }]",
            "goes with",
        ),
    ] {
        let error = read(&format!("[[collector.throttle]]\n{rule}")).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
        assert!(error.contains(&format!("line {line}, ")), "{part}: {error}");
    }
}

#[test]
fn the_check_of_rules_tells_which_counts_and_why_no_earlier_one_does() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let rules = r#"
        [collector]
        never_discard = true
        [[collector.throttle]]
        name = "comments"
        when = [{ annotation = "Comments", present = true }]
        [[collector.throttle]]
        name = "firefox"
        when = [{ annotation = "ProductName", equals = "Firefox" }]
        [[collector.throttle]]
        name = "old"
        when = [{ annotation = "ProductName", equals = "Arena" }]
        percentage = 25
        result = "continue"
        otherwise = "discard"
        [[collector.throttle]]
        name = "rest"
        result = "discard"
        [[collector.throttle]]
        name = "never_reached"
    "#;
    std::fs::write(file.path(), rules).unwrap();
    let explained = check_rules(file.path(), br#"{"prod": "Arena", "uuid": "x"}"#).unwrap();
    let expected = "1 comments: no, Comments is missing\n\
        2 firefox: no, ProductName is \"Arena\", which fails equals = \"Firefox\"\n\
        3 old: YES, 25 % continue, the others discard\n\
        4 rest: YES, discard\n\
        collector.never_discard is set: it defers in place of discard\n";
    assert_eq!(explained, expected);
    let error = check_rules(file.path(), b"[]").unwrap_err().to_string();
    assert!(error.contains("no JSON object"), "{error}");
}
