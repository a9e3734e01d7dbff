//! The section `[processor]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use socorro_core::config::{Period, Section};

use crate::walk::WalkOptions;

pub use crate::rewrite::{Rewrite, Template};

/// The section `[processor]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Crashes processed at a time. 0: one for each core.
    pub workers: usize,
    /// How long to wait before looking again when the queue is empty. Crashes that somebody asked for
    /// are looked for twice a second.
    pub poll_interval: Period,
    /// How often a claim is renewed; well below `hbase.claim_lease`.
    pub renew_interval: Period,
    /// A crash over which that many processors died becomes a processed crash that says so.
    pub max_attempts: u32,
    /// A list of the annotations that are public, one name a line. Empty: the shipped list.
    pub public_annotations: PathBuf,
    /// What is rewritten in a raw crash before it is processed.
    pub rule: Vec<Rewrite>,
    /// Where metrics are served, at `/metrics`. Empty: nowhere.
    pub metrics_listen: String,
    /// Where symbols are, and what the walk of one dump may cost.
    pub walk: WalkOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 0,
            poll_interval: Period::from_secs(1),
            renew_interval: Period::from_secs(15),
            max_attempts: 3,
            public_annotations: PathBuf::new(),
            rule: vec![Rewrite::esr_version()],
            metrics_listen: String::new(),
            walk: WalkOptions::default(),
        }
    }
}

impl Section for Options {
    const NAME: &'static str = "processor";
}
