//! Throttling: ordered rules that decide what is stored and what is processed.
//!
//! A rule looks at one annotation; where that is missing, the rule is skipped. The first rule that
//! fits counts: its result for the given percentage of submissions, `otherwise` for the rest.

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use socorro_core::raw_crash::ThrottleResult;

/// One rule, an entry of `[[collector.throttle]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleOptions {
    /// The rule's name, for answers, metrics and the raw crash.
    pub name: String,
    /// The annotation that it looks at. Without it, the rule fits every submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<String>,
    /// Fits if the annotation has just this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// Fits if this regular expression is found in the annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// The share of submissions that get `result`, 0 to 100.
    #[serde(default = "all")]
    pub percentage: f64,
    /// `accept`, `defer`, `discard` or `ignore`.
    #[serde(default = "accept")]
    pub result: ThrottleResult,
    /// What the other submissions get.
    #[serde(default = "defer")]
    pub otherwise: ThrottleResult,
}

fn all() -> f64 {
    100.0
}

fn accept() -> ThrottleResult {
    ThrottleResult::Accept
}

fn defer() -> ThrottleResult {
    ThrottleResult::Defer
}

/// What was decided, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict<'a> {
    pub(crate) result: ThrottleResult,
    pub(crate) rule: &'a str,
    /// The rule's percentage.
    pub(crate) rate: f64,
}

/// The rule's name where none fits.
const NO_RULE: &str = "accept_everything";

/// The rules of a collector, ready for use.
#[derive(Debug)]
pub(crate) struct Throttler(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    options: RuleOptions,
    matches: Option<Regex>,
}

impl Throttler {
    /// Checks the rules; the error names the rule and what is wrong with it.
    pub(crate) fn new(rules: &[RuleOptions]) -> Result<Self, String> {
        rules
            .iter()
            .map(Rule::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Decides. `chance` is a random number from 0 to 100, 100 left out.
    pub(crate) fn decide(&self, annotations: &Map<String, Value>, chance: f64) -> Verdict<'_> {
        match self.0.iter().find(|rule| rule.fits(annotations)) {
            None => Verdict {
                result: ThrottleResult::Accept,
                rule: NO_RULE,
                rate: 100.0,
            },
            Some(Rule { options, .. }) => Verdict {
                result: match chance < options.percentage {
                    true => options.result,
                    false => options.otherwise,
                },
                rule: &options.name,
                rate: options.percentage,
            },
        }
    }
}

impl Rule {
    fn new(options: &RuleOptions) -> Result<Self, String> {
        let name = &options.name;
        let wrong = |what: String| format!("collector.throttle, rule {name:?}: {what}");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong("a name is made of letters, digits and _".into()));
        }
        if !(0.0..=100.0).contains(&options.percentage) {
            return Err(wrong(format!(
                "percentage = {} is not 0 to 100",
                options.percentage
            )));
        }
        let conditions = options.equals.is_some() || options.matches.is_some();
        if conditions && options.annotation.is_none() {
            return Err(wrong(
                "`equals` and `matches` need an `annotation` to look at".into(),
            ));
        }
        let matches = options.matches.as_deref().map(Regex::new).transpose();
        let matches = matches.map_err(|error| wrong(format!("matches: {error}")))?;
        Ok(Self {
            options: options.clone(),
            matches,
        })
    }

    fn fits(&self, annotations: &Map<String, Value>) -> bool {
        let Some(name) = &self.options.annotation else {
            return true;
        };
        let text = match annotations.get(name) {
            None | Some(Value::Null) => return false,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        self.options
            .equals
            .as_ref()
            .is_none_or(|expected| *expected == text)
            && self
                .matches
                .as_ref()
                .is_none_or(|regex| regex.is_match(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<RuleOptions> {
        #[derive(Deserialize)]
        struct Section {
            throttle: Vec<RuleOptions>,
        }
        toml::from_str::<Section>(text).unwrap().throttle
    }

    fn annotations(pairs: &[(&str, &str)]) -> Map<String, Value> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect()
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_a_missing_annotation_skips_a_rule() {
        let throttler = Throttler::new(&rules(
            r#"
            [[throttle]]
            name = "has_comments"
            annotation = "Comments"
            matches = "."
            [[throttle]]
            name = "arena_ten_percent"
            annotation = "ProductName"
            equals = "Arena"
            percentage = 10
            [[throttle]]
            name = "unsupported"
            result = "ignore"
            "#,
        ))
        .unwrap();
        let decide = |pairs: &[(&str, &str)], chance| {
            let annotations = annotations(pairs);
            let verdict = throttler.decide(&annotations, chance);
            (verdict.rule.to_owned(), verdict.result)
        };
        let expect = |name: &str, result| (name.to_owned(), result);
        let arena = ("ProductName", "Arena");
        assert_eq!(
            decide(&[arena, ("Comments", "help")], 99.0),
            expect("has_comments", ThrottleResult::Accept)
        );
        let ten = "arena_ten_percent";
        assert_eq!(
            decide(&[arena, ("Comments", "")], 9.9),
            expect(ten, ThrottleResult::Accept)
        );
        assert_eq!(decide(&[arena], 10.0), expect(ten, ThrottleResult::Defer));
        assert_eq!(
            decide(&[("ProductName", "Other")], 0.0),
            expect("unsupported", ThrottleResult::Ignore)
        );
    }

    #[test]
    fn without_rules_everything_is_accepted() {
        let throttler = Throttler::new(&[]).unwrap();
        let verdict = throttler.decide(&Map::new(), 99.9);
        assert_eq!(
            (verdict.result, verdict.rate),
            (ThrottleResult::Accept, 100.0)
        );
    }

    #[test]
    fn a_mistake_in_a_rule_is_told_with_its_name() {
        for (rule, part) in [
            ("name = \"a\"\nmatches = \"x\"", "annotation"),
            (
                "name = \"a\"\nannotation = \"x\"\nmatches = \"(\"",
                "matches",
            ),
            ("name = \"a\"\npercentage = 101", "percentage"),
            ("name = \"a b\"", "letters"),
        ] {
            let error = Throttler::new(&rules(&format!("[[throttle]]\n{rule}"))).unwrap_err();
            assert!(
                error.contains("rule \"a") && error.contains(part),
                "{error}"
            );
        }
    }
}
