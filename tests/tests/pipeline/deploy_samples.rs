//! The samples in `deploy/` are what the programs read.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socorro_core::config::{Config, NoSection, Section, Settings, Sources, load};
use socorro_core::storage::open::{PrimaryStorage, Spool, destination};
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

/// The storages that the sample describes in comments, with the settings that name them.
#[test]
fn the_storages_of_the_sample_can_be_used() {
    let is_toml = |line: &&str| line.starts_with('[') || line.contains(" = ");
    let described = sample();
    let (_, described) = described.split_once("\n[storages]\n").unwrap();
    let described = described.split("\n\n").next().unwrap();
    let lines = described.lines().filter_map(|line| line.strip_prefix("# "));
    let storages: String = lines
        .filter(is_toml)
        .filter(|line| !line.contains("; with "))
        .map(|line| format!("{line}\n"))
        .collect();
    let named = described.split("; with ").skip(1).map(|text| {
        let (setting, _) = text.split_once("\".").unwrap();
        format!("{}\"", setting.replace("\n# ", " "))
    });
    let named: Vec<_> = named.collect();
    assert_eq!(named.len(), 3, "{named:?}");
    let loaded = load_text(&format!("[storages]\n{storages}"), &named);
    let sections = described.matches("# [storages.").count();
    assert_eq!(loaded.storages.len(), sections);
    PrimaryStorage::new(&loaded);
    destination(&loaded);
    assert_eq!(Spool::new(&loaded).trees.len(), 2);
}

#[test]
fn the_configurations_in_the_readme_can_be_used() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let examples: Vec<_> = readme.split("```toml\n").skip(1).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let (text, _) = example.split_once("```").unwrap();
        let settings = load_text(text, &[]);
        PrimaryStorage::new(&settings);
        destination(&settings);
    }
}

/// Loads that as a program would, from a file and `--set`.
fn load_text(text: &str, set: &[String]) -> Settings {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let sources = Sources {
        file: Some(file.path().to_owned()),
        set: set.to_vec(),
        ..Sources::default()
    };
    load::<NoSection>(&sources).unwrap().config.shared
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
