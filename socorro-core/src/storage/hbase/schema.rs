//! The tables: their names, families and columns. No other file has a literal of these.
//!
//! | table | row key | columns | what a row means |
//! |---|---|---|---|
//! | `crash_reports` | salt YYMMDD id | all below | a crash |
//! | `..._index_submitted_time` | salt time id | `ids:ooid` | a crash was stored |
//! | `..._index_legacy_submitted_time` | salt time id | `ids:ooid` | an accepted crash was stored |
//! | `..._index_unprocessed_flag` | salt time id | `ids:ooid` | a crash is not processed yet |
//! | `..._index_legacy_unprocessed_flag` | salt time id | `ids:ooid` | **the queue**: an accepted crash is not processed yet |
//! | `..._index_reprocess_flag` | salt YYMMDD id | `ids:ooid` | a crash is to be processed again (ours) |
//! | `..._index_reprocess_flag` | salt YYMMDD id | `ids:ooid` | a crash is to be processed again (ours) |
//! | `..._index_priority_unprocessed_flag` | salt YYMMDD id | `ids:ooid` | somebody asked for a crash (ours) |
//! | `..._index_hang_id` | hang id | `ids:ooid:TYPE` | a half of a hang |
//! | `..._index_hang_id_submitted_time` | salt time hang id | `ids:ooid:TYPE` | a half of a hang |
//! | `..._index_signature_ooid` | signature id | `ids:ooid` | a crash has that signature |
//! | `..._index_day_signature` | YYMMDD signature id | `ids:ooid` | the same, by day (ours) |
//! | `crash_report_signatures` | YYMMDD | `counters:SIGNATURE` | crashes of that day with that signature |
//! | `metrics` | time, shortened | `counters:*` | counts of a minute, hour, day, month, year (see `counts`) |
//!
//! The salt is the first character of the id (or hang id), one of sixteen, so that a day's rows
//! spread over sixteen ranges; time is the time of receipt without its zone. The tables are those
//! of Socorro 2.x (`analysis/hbase_schema` in mozilla-services/socorro) but for those marked.

/// A table and its column families, each with the number of versions that are kept.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) families: &'static [(&'static str, i32)],
}

const IDS: &[(&str, i32)] = &[("ids", 1)];
const QUEUE: &[(&str, i32)] = &[("ids", 1), ("processor_state", 5)];

macro_rules! tables {
    ($($constant:ident = $name:literal, $families:expr;)*) => {
        $(pub(crate) const $constant: Table = Table { name: $name, families: $families };)*
        /// Every table of the schema, in the order in which a save writes them: queue rows last.
        pub(crate) const ALL: &[&Table] = &[$(&$constant),*];
    };
}

tables! {
    CRASHES = "crash_reports", &[
        ("flags", 1),
        ("ids", 1),
        ("meta_data", 3),
        ("processed_data", 3),
        ("raw_data", 3),
        ("timestamps", 1),
    ];
    SUBMITTED = "crash_reports_index_submitted_time", IDS;
    ACCEPTED = "crash_reports_index_legacy_submitted_time", IDS;
    HANG = "crash_reports_index_hang_id", IDS;
    HANG_SUBMITTED = "crash_reports_index_hang_id_submitted_time", IDS;
    SIGNATURES = "crash_reports_index_signature_ooid", IDS;
    DAY_SIGNATURES = "crash_reports_index_day_signature", IDS;
    SIGNATURE_COUNTS = "crash_report_signatures", &[("counters", 1), ("json", 3)];
    METRICS = "metrics", &[("counters", 1)];
    UNPROCESSED = "crash_reports_index_unprocessed_flag", QUEUE;
    WAITING = "crash_reports_index_legacy_unprocessed_flag", QUEUE;
    REPROCESS = "crash_reports_index_reprocess_flag", QUEUE;
    REQUESTED = "crash_reports_index_priority_unprocessed_flag", QUEUE;
}

/// Columns, as `family:qualifier`.
pub(crate) mod column {
    /// The crash id; a crash row without it is no crash.
    pub(crate) const OOID: &str = "ids:ooid";
    /// The hang id.
    pub(crate) const HANG: &str = "ids:hang";
    /// The raw crash.
    pub(crate) const RAW_CRASH: &str = "meta_data:json";
    /// Time of receipt.
    pub(crate) const SUBMITTED: &str = "timestamps:submitted";
    /// When processing ended.
    pub(crate) const PROCESSED_AT: &str = "timestamps:processed";
    /// [`UNPROCESSED`], then [`YES`].
    pub(crate) const IS_PROCESSED: &str = "flags:processed";
    /// `Y` when throttling accepted the crash, else absent.
    pub(crate) const IS_ACCEPTED: &str = "flags:legacy_processing";
    /// Who works on the crash (ours; see `claim.rs`).
    pub(crate) const CLAIM: &str = "flags:claim";
    /// When a removed crash began to be restored, by its timestamp (ours; see `save.rs`).
    pub(crate) const RESTORED: &str = "flags:restored";
    /// The processed crash.
    pub(crate) const PROCESSED_CRASH: &str = "processed_data:json";
    /// The signature, [`NO_SIGNATURE`] or [`EMPTY_SIGNATURE`].
    pub(crate) const SIGNATURE: &str = "processed_data:signature";
    /// An earlier signature whose index row is still to be deleted (ours).
    pub(crate) const STALE_SIGNATURE: &str = "processed_data:stale_signature";
    /// The family of the dumps. In specs a family goes without a colon.
    pub(crate) const DUMPS: &str = "raw_data";
    /// Where a check of the schema tries how large a cell may be.
    pub(crate) const PROBE: &str = "raw_data:probe";

    /// In the index by time: the process type, where it is not the default (ours).
    pub(crate) const PROCESS_TYPE: &str = "ids:process_type";
    /// In `metrics`: something in that period is to be counted again (ours).
    pub(crate) const DIRTY: &str = "counters:dirty";
    /// In `metrics`: crashes of that day are being removed (ours; see `removals.rs`).
    pub(crate) const REMOVED: &str = "counters:removed";
    /// In `metrics`: who counts (ours).
    pub(crate) const KEEPER: &str = "counters:keeper";

    /// Value of [`IS_PROCESSED`] before processing.
    pub(crate) const UNPROCESSED: &[u8] = b"N";
    /// Value of [`IS_PROCESSED`] after processing, and of [`IS_ACCEPTED`].
    pub(crate) const YES: &[u8] = b"Y";
    /// Value of [`SIGNATURE`] where a processed crash has none.
    pub(crate) const NO_SIGNATURE: &str = "##null##";
    /// Value of [`SIGNATURE`] where it is the empty string.
    pub(crate) const EMPTY_SIGNATURE: &str = "##empty##";
}
