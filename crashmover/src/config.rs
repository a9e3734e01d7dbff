//! The section `[crashmover]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use socorro_core::config::{Period, Section};

/// The section `[crashmover]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Crashes moved at a time: rows of those under way go to HBase together. No more large dumps
    /// are in memory than there are connections.
    pub workers: usize,
    /// The file that keeps two movers from one spool. Empty: `.crashmover.lock` in the spool.
    pub lock_file: PathBuf,
    /// With `--watch`: how long an arrival may go unnoticed where the system told nothing of it.
    pub poll_interval: Period,
    /// With `--watch`: where metrics are served, at `/metrics`. Empty: nowhere.
    pub metrics_listen: String,
    /// Without `--watch`: the file for node_exporter's textfile collector, such as
    /// `/var/lib/prometheus/node-exporter/crashmover.prom`. Empty: none.
    pub metrics_textfile: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 200,
            lock_file: PathBuf::new(),
            poll_interval: Period::from_secs(5),
            metrics_listen: String::new(),
            metrics_textfile: PathBuf::new(),
        }
    }
}

impl Section for Options {
    const NAME: &'static str = "crashmover";
}
