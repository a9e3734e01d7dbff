//! `collector check-rules`: which rule would count for a crash, and why no earlier one.

use std::fmt::Write;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value};
use socorro_core::config::{self, Sources};
use socorro_core::raw_crash::field;
use socorro_core::service::Error;

use super::{Action, NO_RULE, RuleOptions};
use crate::config::Options;

/// Explains what the rules in that configuration file make of a crash, a JSON object.
pub(crate) fn check_rules(file: &Path, crash: &[u8]) -> Result<String, Error> {
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let options = config::load::<Options>(&sources)?.config.own;
    let mut annotations: Map<String, Value> = serde_json::from_slice(crash)
        .map_err(|error| format!("the crash on standard input is no JSON object: {error}"))?;
    for name in field::OURS {
        annotations.remove(name);
    }
    options.fill_in_aliases(&mut annotations);
    Ok(explain(&options, &annotations, Timestamp::now()))
}

fn explain(options: &Options, annotations: &Map<String, Value>, now: Timestamp) -> String {
    let mut text = String::new();
    for (rule, number) in options.throttle.iter().zip(1..) {
        let name = &rule.name;
        // Writing to a string can't fail.
        if let Some(obstacle) = rule.obstacle(annotations, now) {
            let _ = writeln!(text, "{number} {name}: no, {obstacle}");
            continue;
        }
        let _ = writeln!(text, "{number} {name}: YES, {}", shares(rule));
        if !actions(rule).contains(&Action::Continue) {
            if options.never_discard && actions(rule).contains(&Action::Discard) {
                text.push_str("collector.never_discard is set: it defers in place of discard\n");
            }
            return text;
        }
    }
    let _ = writeln!(text, "no further rule ({NO_RULE}): accept");
    text
}

/// What the rule may make of a submission: the percentage rules one of two out at its ends.
fn actions(rule: &RuleOptions) -> Vec<Action> {
    match rule.percentage {
        0.0 => vec![rule.otherwise],
        100.0 => vec![rule.result],
        _ => vec![rule.result, rule.otherwise],
    }
}

fn shares(rule: &RuleOptions) -> String {
    match actions(rule).as_slice() {
        [result, otherwise] => format!(
            "{} % {}, the others {}",
            rule.percentage,
            result.as_str(),
            otherwise.as_str()
        ),
        all => all.iter().map(|action| action.as_str()).collect(),
    }
}
