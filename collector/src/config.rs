//! The section `[collector]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use socorro_core::config::{MAX_INFLATED_BYTES, Period, Section};
use socorro_core::dumps::{MAIN_DUMP, MAX_CLEAN_NAME_LEN};

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
    /// How many times its size a body may inflate to.
    pub max_inflation: u64,
    /// The largest annotation, or JSON object of annotations.
    pub max_annotation_bytes: usize,
    /// All annotations of a crash together.
    pub max_annotations_bytes: usize,
    /// The most annotations of a crash, the values within JSON included.
    pub max_annotations: usize,
    /// How deep JSON may be nested, at most 120.
    pub max_json_depth: usize,
    /// The most parts of a body.
    pub max_parts: usize,
    /// The largest head of a part.
    pub max_part_head_bytes: usize,
    /// The longest name of a dump, 20 to 60; what is longer is cut. Of several dumps with one name, all
    /// but the first get a number behind it.
    pub max_dump_name_bytes: usize,
    /// The dumps of a crash are kept in memory up to that size together, and written at once when all
    /// are there; what is more goes to the spool's disk as it arrives, from the beginning where the
    /// client says the size.
    pub spill_bytes: usize,
    /// Uploads at a time; further ones wait for up to `refuse_after`. At most three quarters of
    /// `connections`.
    pub uploads: usize,
    /// Bytes that all uploads together hold in memory.
    pub max_bytes_in_flight: usize,
    /// Connections at a time. For a further one, that which has waited longest for a request is
    /// closed; a quarter is kept free of uploads.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and a connection be idle.
    pub header_timeout: Period,
    /// In every such time that we wait for a client's body, `min_body_rate` must be reached.
    pub body_timeout: Period,
    /// Bytes in a second.
    pub min_body_rate: u64,
    /// How long an upload waits while no spool takes it, or too many uploads are there, before the
    /// client is told to try again later.
    pub refuse_after: Period,
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
    /// Finds settings that don't go together.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.uploads == 0 || self.uploads > self.connections / 4 * 3 {
            return Err(format!(
                "collector.uploads = {} must be at least 1 and at most three quarters of \
                 collector.connections = {}",
                self.uploads, self.connections
            ));
        }
        let names = MAIN_DUMP.len()..=MAX_CLEAN_NAME_LEN;
        if !names.contains(&self.max_dump_name_bytes) {
            return Err(format!(
                "collector.max_dump_name_bytes = {} must be {} at least, for {MAIN_DUMP}, and {} at most",
                self.max_dump_name_bytes,
                names.start(),
                names.end()
            ));
        }
        Ok(())
    }

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
            max_inflation: 200,
            max_annotation_bytes: 1 << 20,
            max_annotations_bytes: 4 << 20,
            max_annotations: 10_000,
            max_json_depth: 32,
            max_parts: 1000,
            max_part_head_bytes: 8 << 10,
            max_dump_name_bytes: MAX_CLEAN_NAME_LEN,
            spill_bytes: 1 << 20,
            uploads: 500,
            max_bytes_in_flight: 256 << 20,
            connections: 2000,
            header_timeout: Period::from_secs(30),
            body_timeout: Period::from_secs(30),
            min_body_rate: 128,
            refuse_after: Period::from_secs(10),
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
