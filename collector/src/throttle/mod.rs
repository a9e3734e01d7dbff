//! Throttling: ordered rules that decide what is stored and what is processed.
//!
//! The first rule whose conditions all hold counts: the given percentage of submissions gets its
//! `result`, the rest `otherwise`. A condition on an annotation that is missing does not hold, so
//! that its rule is skipped. Where no rule counts, the crash is accepted.

pub(crate) mod check;
mod rule;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Map, Value};
use socorro_core::raw_crash::ThrottleResult;

use crate::config::Options;
pub use rule::{Action, RuleOptions};

/// What is to become of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Store it, as accepted or deferred.
    Store(ThrottleResult),
    /// Don't store it, and tell the client so.
    Discard,
    /// Don't store it: the product is unsupported.
    Ignore,
    /// Don't store it, and answer as if it were.
    FakeAccept,
}

impl Decision {
    /// The word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Store(result) => result.as_str(),
            Self::Discard => Action::Discard.as_str(),
            Self::Ignore => Action::Ignore.as_str(),
            Self::FakeAccept => Action::FakeAccept.as_str(),
        }
    }
}

/// What was decided, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict<'a> {
    pub(crate) decision: Decision,
    pub(crate) rule: &'a str,
    /// The rule's percentage.
    pub(crate) rate: f64,
}

/// The rule's name where none counts.
const NO_RULE: &str = "accept_everything";

/// The rules of a collector.
#[derive(Debug)]
pub(crate) struct Throttler {
    rules: Vec<RuleOptions>,
    never_discard: bool,
}

impl Throttler {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            rules: options.throttle.clone(),
            never_discard: options.never_discard,
        }
    }

    /// Decides. `chance` draws a random number from 0 to 100, 100 left out.
    pub(crate) fn decide(
        &self,
        annotations: &Map<String, Value>,
        now: Timestamp,
        mut chance: impl FnMut() -> f64,
    ) -> Verdict<'_> {
        for rule in &self.rules {
            if rule.obstacle(annotations, now).is_some() {
                continue;
            }
            let action = match chance() < rule.percentage {
                true => rule.result,
                false => rule.otherwise,
            };
            if let Some(decision) = self.decision(action) {
                return Verdict {
                    decision,
                    rule: &rule.name,
                    rate: rule.percentage,
                };
            }
        }
        Verdict {
            decision: Decision::Store(ThrottleResult::Accept),
            rule: NO_RULE,
            rate: 100.0,
        }
    }

    /// `None`: the next rules decide.
    fn decision(&self, action: Action) -> Option<Decision> {
        Some(match action {
            Action::Accept => Decision::Store(ThrottleResult::Accept),
            Action::Defer => Decision::Store(ThrottleResult::Defer),
            Action::Discard if self.never_discard => Decision::Store(ThrottleResult::Defer),
            Action::Discard => Decision::Discard,
            Action::Ignore => Decision::Ignore,
            Action::FakeAccept => Decision::FakeAccept,
            Action::Continue => return None,
        })
    }
}
