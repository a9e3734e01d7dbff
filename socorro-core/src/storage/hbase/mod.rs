//! [`HBaseCrashStorage`]: crashes in HBase, through its Thrift1 server.
//!
//! `schema` has the tables, `tables` makes and checks them, `row_key` has their keys; `rows` and
//! `results` say what is written for a crash and in which order, `save` how it gets there, `batch` how
//! many go together, and `removals` how none goes unseen. `queue`, `lane`, `hint`, `claim` and `owned` are how
//! processors share the work, `counts` and `fsck` how its numbers and rows are kept right. `pool` and
//! `client` are the way to the server, `error` what its failures mean, `pager` and `merge` scans,
//! `inspect` what operators may look at.

mod batch;
mod claim;
mod client;
mod counts;
mod error;
mod fsck;
mod generated;
mod hint;
mod inspect;
mod lane;
mod merge;
mod owned;
mod pager;
mod pool;
mod queue;
mod removals;
mod results;
mod row_key;
mod rows;
mod save;
mod schema;
mod tables;
#[cfg(test)]
mod tests;
mod traffic;

use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::civil::Date;
use tokio_util::sync::CancellationToken;

use super::open::HBaseOptions;
use super::{CrashIds, CrashStorage, Result, StorageError};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;
use crate::retry::{TransactionExecutor, TransactionOptions};
use batch::Batcher;
use client::{Connection, Row};
use counts::CountState;
pub use inspect::{Family, FullRow, Rows};
use merge::{MergeScan, Reader};
use pool::Pool;
use queue::QueueState;
use removals::Removals;
use schema::column;

pub use fsck::QueueFsck;
pub use tables::SchemaCheck;
pub use traffic::TrafficTotals;

/// Crashes in HBase: primary storage with a queue that any number of hosts share.
#[derive(Debug)]
pub struct HBaseCrashStorage {
    pool: Pool,
    batcher: Batcher,
    queue: QueueState,
    counts: CountState,
    removals: Removals,
    table_prefix: String,
    /// Saves bring removed crashes back.
    restores: bool,
    /// How long scans wait for a server that goes away.
    waits: TransactionExecutor,
}

impl HBaseCrashStorage {
    /// A storage with these options; the first call connects.
    pub fn new(options: &HBaseOptions, host: &str) -> Self {
        let pool = Pool::new(options);
        let queue = QueueState::new(host, options.claim_lease.get());
        Self {
            batcher: Batcher::new(pool.clone()),
            pool,
            queue,
            counts: CountState::default(),
            removals: Removals::default(),
            table_prefix: options.table_prefix.clone(),
            restores: false,
            waits: TransactionExecutor::new(
                TransactionOptions::default(),
                CancellationToken::new(),
            ),
        }
    }

    /// Calls and bytes to the Thrift server since this storage was made.
    pub fn traffic(&self) -> TrafficTotals {
        self.pool.traffic()
    }

    /// The same storage, whose long scans wait for a server that goes away as this says.
    pub fn patient(self, transactions: &TransactionOptions) -> Self {
        let waits = TransactionExecutor::new(transactions.clone(), CancellationToken::new());
        Self { waits, ..self }
    }

    /// The same storage, whose saves bring back removed crashes, or refuse them.
    pub fn restoring(self, restores: bool) -> Self {
        Self { restores, ..self }
    }

    fn reader(&self) -> Reader {
        Reader {
            pool: self.pool.clone(),
            waits: self.waits.clone(),
        }
    }

    /// Writes the dumps of a crash and nothing else, with one call: what benchmarks compare with.
    #[cfg(any(test, feature = "testing"))]
    pub async fn save_dumps_only(&self, id: &CrashId, dumps: &Dumps) -> Result<()> {
        let (id, dumps) = (*id, dumps.clone());
        let write = move |connection: &mut Connection| {
            let (mut crash, _) = rows::raw_crash(
                &id,
                &RawCrash::default(),
                &dumps,
                id.save_timestamp_millis(),
            )?;
            crash
                .cells
                .retain(|cell| cell.column.starts_with(column::DUMPS.as_bytes()));
            connection.put(crash).map_err(|error| error.about(&id))
        };
        self.pool.run(write).await
    }

    /// Reads columns of a crash that must be there.
    async fn get(&self, id: &CrashId, columns: &[&'static str], what: &str) -> Result<Row> {
        let (id, columns) = (*id, columns.to_vec());
        let read = move |connection: &mut Connection| rows::get(connection, &id, &columns);
        self.pool
            .read(read)
            .await?
            .ok_or_else(|| StorageError::not_found(&id, what))
    }
}

fn unreadable(id: &CrashId, column: &str, error: &serde_json::Error) -> StorageError {
    StorageError::refused(
        id,
        format!("its cell {column} is not the JSON object expected: {error}"),
    )
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for HBaseCrashStorage {
    fn name(&self) -> &'static str {
        error::STORE
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        match self.restores {
            true => self.restore(id, raw, dumps).await,
            false => self.save(id, raw, dumps).await,
        }
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        let (id, processed) = (*id, processed.clone());
        self.pool
            .run(move |connection| results::save_processed(connection, &id, &processed))
            .await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        let row = self.get(id, &[column::RAW_CRASH], "raw crash").await?;
        RawCrash::from_json(row.value(column::RAW_CRASH).unwrap_or_default())
            .map_err(|error| unreadable(id, column::RAW_CRASH, &error))
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        Ok(rows::dumps(
            self.get(id, &[column::DUMPS], "raw crash").await?,
        ))
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        let what = format!("dump {name}");
        let (id, column) = (*id, rows::dump_column(name));
        let read = move |connection: &mut Connection| rows::get(connection, &id, &[&column]);
        let row = self.pool.read(read).await?;
        let dump = row.and_then(|row| rows::dumps(row).remove(name));
        dump.ok_or_else(|| StorageError::not_found(&id, what))
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        let row = self
            .get(id, &[column::PROCESSED_CRASH], "processed crash")
            .await?;
        let json = row
            .value(column::PROCESSED_CRASH)
            .ok_or_else(|| StorageError::not_found(id, "processed crash"))?;
        ProcessedCrash::from_json(json)
            .map_err(|error| unreadable(id, column::PROCESSED_CRASH, &error))
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        self.get(id, &[], "crash").await?;
        self.removals.announce(&self.pool, id).await?;
        let id = *id;
        self.pool
            .run(move |connection| rows::remove(connection, &id))
            .await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        Err(StorageError::Unsupported {
            store: error::STORE,
            operation: "walk its waiting crashes",
        })
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        let (first, last) = days.into_inner();
        let yymmdd = |date: Date| date.strftime("%y%m%d").to_string();
        // Ids have dates of this century only. `g` sorts behind every id.
        let first = first.max(jiff::civil::date(2000, 1, 1));
        let last = last.min(jiff::civil::date(2099, 12, 31));
        let (start, stop) = (yymmdd(first), format!("{}g", yymmdd(last)));
        let rows = MergeScan::new(
            &self.reader(),
            &schema::CRASHES,
            &[column::OOID],
            &start,
            &stop,
        );
        Ok(Box::new(rows.filter_map(|row| match row {
            Ok(row) => row.text(column::OOID)?.parse().ok().map(Ok),
            Err(error) => Some(Err(error)),
        })))
    }
}
