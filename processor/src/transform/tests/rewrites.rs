//! Rules of the configuration.

use socorro_core::config::Config;

use super::*;
use crate::config::Options;

fn read(text: &str) -> Result<Vec<Rewrite>, String> {
    let config = toml::from_str::<Config<Options>>(text);
    config
        .map(|config| config.own.rule)
        .map_err(|error| error.to_string())
}

fn processed(rules: &str, raw: Value) -> ProcessedCrash {
    let knowledge = Knowledge {
        rewrites: read(rules).unwrap(),
        ..Knowledge::default()
    };
    let raw = RawCrash::from_json(raw.to_string().as_bytes()).unwrap();
    transform(
        ID.parse().unwrap(),
        &raw,
        &BTreeMap::new(),
        &knowledge,
        vec![],
    )
}

#[test]
fn versions_of_the_extended_support_release_say_so_once() {
    for (channel, version, expected) in [
        ("esr", "10.0.2", "10.0.2esr"),
        ("esr", "10.0.2esr", "10.0.2esr"),
        ("release", "10.0.2", "10.0.2"),
    ] {
        let raw = json!({"ReleaseChannel": channel, "Version": version});
        assert_eq!(processed("", raw).get_str("version"), Some(expected));
    }
}

#[test]
fn rules_apply_in_their_order_each_to_what_the_one_before_left() {
    let rules = r#"
        [[processor.rule]]
        name = "product_by_id"
        when = [{ annotation = "ProductID", equals = "{7}" }]
        set = { ProductName = "Lobby", Vendor = "{{{ProductName}}" }
        add_note = "was {ProductName}"
        [[processor.rule]]
        name = "lobby_version"
        when = [{ annotation = "ProductName", equals = "Lobby" }]
        set = { Version = "{Version}{BuildID}-lobby" }
    "#;
    let made = processed(
        rules,
        json!({"ProductID": "{7}", "ProductName": "Arena", "Version": "1"}),
    );
    assert_eq!(made.get_str("product"), Some("Lobby"));
    assert_eq!(made.get_str("vendor"), Some("{Arena}"));
    assert_eq!(made.get_str("version"), Some("1-lobby"));
    assert!(
        made.get_str("processor_notes")
            .unwrap()
            .contains("was Arena")
    );
}

#[test]
fn what_is_private_stays_so_whatever_a_rule_says() {
    let rules = r#"
        [[processor.rule]]
        name = "leak"
        set = { Vendor = "{Email}" }
        add_note = "from {Email}"
    "#;
    let made = processed(rules, json!({"Email": "ada@example.com"}));
    assert_eq!(made.get_str("vendor"), Some("(private)"));
    assert!(!String::from_utf8(made.to_json()).unwrap().contains("ada@"));
}

#[test]
fn a_mistake_in_a_rule_is_named() {
    for (rule, part) in [
        ("set = { A = \"b\" }", "name"),
        ("name = \" \"\nset = { A = \"b\" }", "a rule needs a name"),
        ("name = \"x\"", "does nothing: give it `set` or `add_note`"),
        ("name = \"x\"\nset = { A = \"{\" }", "names no annotation"),
        ("name = \"x\"\nset = { A = \"{}\" }", "names no annotation"),
        ("name = \"x\"\nput = { A = \"b\" }", "put"),
        (
            "name = \"x\"\nset = { A = \"b\" }\nwhen = [{ annotation = \"A\" }]",
            "give it a test",
        ),
    ] {
        let error = read(&format!("[[processor.rule]]\n{rule}")).unwrap_err();
        assert!(error.contains(part), "{rule}: {error}");
    }
}
