//! The form of a rule, `[[collector.throttle]]`.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use socorro_core::condition::{Condition, Obstacle};

/// One rule, an entry of `[[collector.throttle]]`. Mistakes are found as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleOptions {
    /// The rule's name, for answers, metrics and the raw crash. Several rules may share it.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// All of these must hold. None: the rule counts for every submission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// The share of submissions that get `result`, 0 to 100.
    #[serde(default = "all", deserialize_with = "percentage")]
    pub percentage: f64,
    /// What that share gets.
    #[serde(default = "accept")]
    pub result: Action,
    /// What the other submissions get.
    #[serde(default = "defer")]
    pub otherwise: Action,
}

/// What a rule makes of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Store it and process it.
    Accept,
    /// Store it; process it when somebody asks.
    Defer,
    /// Don't store it, and tell the client so: `Discarded=<rule>`.
    Discard,
    /// Don't store it, and tell the client that the product is unsupported.
    Ignore,
    /// Don't store it, and answer a crash id as if it were.
    FakeAccept,
    /// Leave it to the rules that follow.
    Continue,
}

impl Action {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Defer => "defer",
            Self::Discard => "discard",
            Self::Ignore => "ignore",
            Self::FakeAccept => "fake_accept",
            Self::Continue => "continue",
        }
    }
}

impl RuleOptions {
    /// The first condition that does not hold; `None` if the rule counts.
    pub(super) fn obstacle<'a>(
        &'a self,
        annotations: &'a Map<String, Value>,
        now: Timestamp,
    ) -> Option<Obstacle<'a>> {
        self.when
            .iter()
            .find_map(|condition| condition.obstacle(annotations, now))
    }
}

fn all() -> f64 {
    100.0
}

fn accept() -> Action {
    Action::Accept
}

fn defer() -> Action {
    Action::Defer
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        let problem = format!("{name:?} is no rule name: use letters, digits and _");
        return Err(de::Error::custom(problem));
    }
    Ok(name)
}

fn percentage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let percentage = f64::deserialize(deserializer)?;
    if !(0.0..=100.0).contains(&percentage) {
        let problem = format!("percentage = {percentage} is not 0 to 100");
        return Err(de::Error::custom(problem));
    }
    Ok(percentage)
}
