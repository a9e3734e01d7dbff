//! The section `[processor]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use socorro_core::config::{Period, Section};

pub use crate::rewrite::{Rewrite, Template};

/// The section `[processor]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Crashes processed at a time. 0: one for each core.
    pub workers: usize,
    /// How long to wait before looking again when the queue is empty.
    pub poll_interval: Period,
    /// How often a claim is renewed; well below `hbase.claim_lease`.
    pub renew_interval: Period,
    /// A crash over which that many processors died becomes a processed crash that says so.
    pub max_attempts: u32,
    /// How long walking the stacks of one dump may take.
    pub walk_timeout: Period,
    /// Directories of symbols in the Breakpad layout, `DEBUGFILE/ID/NAME.sym`.
    pub symbols: Vec<PathBuf>,
    /// A list of the annotations that are public, one name a line. Empty: the shipped list.
    pub public_annotations: PathBuf,
    /// What is rewritten in a raw crash before it is processed.
    pub rule: Vec<Rewrite>,
    /// Where metrics are served, at `/metrics`. Empty: nowhere.
    pub metrics_listen: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 0,
            poll_interval: Period::from_secs(1),
            renew_interval: Period::from_secs(15),
            max_attempts: 3,
            walk_timeout: Period::from_secs(120),
            symbols: vec!["/var/lib/socorro/symbols".into()],
            public_annotations: PathBuf::new(),
            rule: vec![Rewrite::esr_version()],
            metrics_listen: String::new(),
        }
    }
}

impl Section for Options {
    const NAME: &'static str = "processor";
}
