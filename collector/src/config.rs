//! The section `[collector]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use socorro_core::config::{MAX_INFLATED_BYTES, Period, Section};

use crate::throttle::RuleOptions;

/// The section `[collector]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where clients post crashes: address and port.
    pub listen: String,
    /// Where metrics are served, at `/metrics`. Empty: nowhere.
    pub metrics_listen: String,
    /// The largest body as it comes over the wire, perhaps compressed.
    pub max_body_bytes: u64,
    /// The largest body after inflating.
    pub max_inflated_bytes: u64,
    /// The largest annotation, or JSON object of annotations.
    pub max_annotation_bytes: usize,
    /// All annotations of a crash together.
    pub max_annotations_bytes: usize,
    /// The most parts of a body.
    pub max_parts: usize,
    /// The dumps of a crash are kept in memory up to that size together; what is more goes to the
    /// spool's disk as it arrives.
    pub spill_bytes: usize,
    /// Connections at a time; further ones wait.
    pub connections: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Period,
    /// How long a client may send nothing while its body is not complete.
    pub body_timeout: Period,
    /// How long begun uploads may go on after the stop.
    pub drain_timeout: Period,
    /// `/__heartbeat__` fails when no spool has that much room left.
    pub min_free_bytes: u64,
    /// Keep the crash id that a sender gives in the field `uuid`, if it shows the token: for crashes
    /// re-sent from another installation.
    pub accept_submitted_crash_id: bool,
    /// The file with that token, which senders give as `Authorization: Bearer TOKEN`.
    pub submit_token_file: PathBuf,
    /// Names by which some clients call an annotation; they fill it where it is absent.
    pub annotation_aliases: BTreeMap<String, String>,
    /// Defer what a rule says to discard (Socorro 2.x).
    pub never_discard: bool,
    /// The rules that decide what is stored and what is processed; the first whose conditions hold
    /// counts. No such rule: accepted.
    pub throttle: Vec<RuleOptions>,
}

impl Options {
    /// Fills in the names that clients call otherwise, where they are absent.
    pub(crate) fn fill_in_aliases(&self, annotations: &mut Map<String, Value>) {
        for (alias, name) in &self.annotation_aliases {
            if let (Some(value), false) = (annotations.get(alias), annotations.contains_key(name)) {
                let value = value.clone();
                annotations.insert(name.clone(), value);
            }
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let aliases = [
            ("prod", "ProductName"),
            ("ver", "Version"),
            ("ptype", "ProcessType"),
        ];
        let owned = |(alias, name): (&str, &str)| (alias.to_owned(), name.to_owned());
        Self {
            listen: "127.0.0.1:8000".into(),
            metrics_listen: String::new(),
            max_body_bytes: 32 << 20,
            max_inflated_bytes: MAX_INFLATED_BYTES,
            max_annotation_bytes: 1 << 20,
            max_annotations_bytes: 4 << 20,
            max_parts: 1000,
            spill_bytes: 256 << 10,
            connections: 1000,
            header_timeout: Period::from_secs(30),
            body_timeout: Period::from_secs(30),
            drain_timeout: Period::from_secs(60),
            min_free_bytes: 1 << 30,
            accept_submitted_crash_id: false,
            submit_token_file: PathBuf::new(),
            annotation_aliases: aliases.map(owned).into(),
            never_discard: false,
            throttle: Vec::new(),
        }
    }
}

impl Section for Options {
    const NAME: &'static str = "collector";
}
