//! The samples in `deploy/` are what the programs read.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socorro_core::config::{Config, NoSection, Section, Settings};
use toml::Table;

fn sample() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/socorro.toml");
    std::fs::read_to_string(path).unwrap()
}

/// The sample with its commented settings switched on.
fn switched_on() -> String {
    let is_setting = |line: &str| {
        let name = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let on = |line: &str| match line.strip_prefix('#') {
        Some(setting) if is_setting(setting) => setting.to_owned(),
        _ => line.to_owned(),
    };
    sample().lines().map(|line| on(line) + "\n").collect()
}

fn parse<S: Section>(text: &str) -> Config<S> {
    toml::from_str(text).unwrap_or_else(|error| panic!("[{}]: {error}", S::NAME))
}

#[test]
fn every_program_reads_the_sample_and_it_changes_nothing() {
    assert_eq!(parse::<NoSection>(&sample()).shared, Settings::default());
    parse::<collector::config::Options>(&sample());
    parse::<crashmover::config::Options>(&sample());
    parse::<processor::config::Options>(&sample());
    parse::<processor::web::Options>(&sample());
}

#[test]
fn the_commented_settings_of_the_sample_are_all_there_are_with_their_defaults() {
    let text = switched_on();
    let all: Table = toml::from_str(&text).unwrap();
    assert_eq!(parse::<NoSection>(&text).shared, Settings::default());
    check(&all, &Settings::default());
    check_own::<collector::config::Options>(&text, &all);
    check_own::<crashmover::config::Options>(&text, &all);
    check_own::<processor::config::Options>(&text, &all);
    check_own::<processor::web::Options>(&text, &all);
}

fn check_own<S: Section + Serialize + DeserializeOwned>(text: &str, all: &Table) {
    parse::<S>(text);
    let mut expected = Table::new();
    expected.insert(S::NAME.into(), toml::Value::try_from(S::default()).unwrap());
    compare(&expected, all, "");
}

fn check(all: &Table, expected: &Settings) {
    compare(&Table::try_from(expected).unwrap(), all, "");
}

fn compare(expected: &Table, sample: &Table, path: &str) {
    for (name, value) in expected {
        let here = format!("{path}{name}");
        match (value, sample.get(name)) {
            (toml::Value::Table(expected), Some(toml::Value::Table(sample))) => {
                compare(expected, sample, &format!("{here}."));
            }
            (value, found) => assert_eq!(Some(value), found, "deploy/socorro.toml: {here}"),
        }
    }
}
