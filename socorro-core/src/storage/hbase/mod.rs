//! [`HBaseCrashStorage`]: crashes in HBase, through its Thrift1 server.
//!
//! `schema` has the tables, `row_key` their keys, `rows` what is written for a crash and in which
//! order, `queue`, `lane` and `claim` how processors share the work, `pool` and `client` the way to
//! the server, `error` what its failures mean, `merge` scans over all salts, `inspect` what
//! operators may look at.

mod batch;
mod claim;
mod client;
mod counts;
mod error;
mod fsck;
mod generated;
mod inspect;
mod lane;
mod merge;
mod pool;
mod queue;
mod row_key;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod traffic;

use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tracing::debug;

use super::open::HBaseOptions;
use super::{CrashIds, CrashStorage, Result, StorageError, blocking};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;
use batch::{Batcher, RowPut};
use client::{Connection, Row};
use counts::CountState;
use error::CallError;
pub use inspect::{Family, FullRow, Rows};
use merge::MergeScan;
use pool::Pool;
use queue::QueueState;
use schema::{Table, column};

pub use fsck::QueueFsck;
pub use traffic::TrafficTotals;

/// A crash whose dumps are no larger goes to the server together with others.
const SMALL_BYTES: u64 = 32 * 1024;

/// Crashes in HBase: primary storage with a queue that any number of hosts share.
#[derive(Debug)]
pub struct HBaseCrashStorage {
    pool: Pool,
    batcher: Batcher,
    queue: QueueState,
    counts: CountState,
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
        }
    }

    /// Calls and bytes to the Thrift server since this storage was made.
    pub fn traffic(&self) -> TrafficTotals {
        self.pool.traffic()
    }

    /// What is missing of the schema: names of tables, and of families as `table:family`.
    pub async fn missing_tables(&self) -> Result<Vec<String>> {
        let check = |connection: &mut Connection| {
            let present = connection.tables()?;
            let mut missing = Vec::new();
            for table in schema::ALL {
                if !present.iter().any(|name| name == table.name) {
                    missing.push(table.name.to_owned());
                    continue;
                }
                let families = connection.families(table)?;
                let absent = table
                    .families
                    .iter()
                    .filter(|(name, _)| !families.iter().any(|f| f == name));
                missing.extend(absent.map(|(family, _)| format!("{}:{family}", table.name)));
            }
            Ok::<_, CallError>(missing)
        };
        Ok(self.pool.run(check).await?)
    }

    /// Makes the tables that are missing, several at a time; tells their names. Tables that are
    /// there stay as they are, so that it can be repeated.
    pub async fn create_tables(&self) -> Result<Vec<&'static str>> {
        let present = self.pool.run(|connection| connection.tables()).await?;
        let missing = schema::ALL
            .iter()
            .filter(|t| !present.iter().any(|name| name == t.name));
        let make = |table: &'static Table| {
            let pool = self.pool.clone();
            tokio::spawn(async move { pool.run(move |connection| connection.create(table)).await })
        };
        let mut made = Vec::new();
        for (table, making) in missing
            .map(|table| (table.name, make(table)))
            .collect::<Vec<_>>()
        {
            // Unwrap safety: making a table does not panic.
            making.await.unwrap()?;
            debug!(table, "table made");
            made.push(table);
        }
        Ok(made)
    }

    /// Drops all tables of the schema that are there, with all that is in them.
    pub async fn drop_tables(&self) -> Result<()> {
        let present = self.pool.run(|connection| connection.tables()).await?;
        for table in schema::ALL
            .iter()
            .filter(|t| present.iter().any(|name| name == t.name))
        {
            self.pool
                .run(move |connection| connection.drop_table(table))
                .await?;
        }
        Ok(())
    }

    /// Writes the dumps of a crash and nothing else, with one call: what benchmarks compare with.
    #[cfg(any(test, feature = "testing"))]
    pub async fn save_dumps_only(&self, id: &CrashId, dumps: &Dumps) -> Result<()> {
        let (id, dumps) = (*id, dumps.clone());
        let write = move |connection: &mut Connection| {
            let (mut crash, _) = rows::raw_crash(&id, &RawCrash::default(), &dumps)?;
            crash
                .cells
                .retain(|cell| cell.column.starts_with(column::DUMPS.as_bytes()));
            let RowPut {
                table,
                row,
                cells,
                timestamp,
            } = crash;
            connection
                .put(table, row, cells, timestamp)
                .map_err(|error| error.about(&id))
        };
        self.pool.run(write).await
    }

    /// A crash that was removed lies under a deletion until HBase compacts, and so does all that a
    /// save writes of it: that must not pass for stored. A crash of today was hardly removed.
    async fn must_be_visible(&self, id: &CrashId) -> Result<()> {
        if id.date() == Timestamp::now().to_zoned(TimeZone::UTC).date() {
            return Ok(());
        }
        match self.get(id, &[], "raw crash").await {
            Err(error) if error.is_not_found() => Err(StorageError::refused(
                id,
                "it was removed from HBase, which shows it again only after a major compaction",
            )),
            other => other.map(drop),
        }
    }

    /// Reads columns of a crash that must be there.
    async fn get(&self, id: &CrashId, columns: &[&'static str], what: &str) -> Result<Row> {
        let (id, columns) = (*id, columns.to_vec());
        let read = move |connection: &mut Connection| rows::get(connection, &id, &columns);
        self.pool
            .run(read)
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
        let crash_id = *id;
        let about = |error: CallError| error.about(&crash_id);
        let prepare = {
            let (id, raw, dumps) = (*id, raw.clone(), dumps.clone());
            move || rows::raw_crash(&id, &raw, &dumps)
        };
        let mut size = 0;
        for dump in dumps.values() {
            size += dump.size().unwrap_or(0);
        }
        if size <= SMALL_BYTES {
            let (crash, mut rows) = blocking(prepare).await?;
            rows.insert(0, crash);
            self.batcher.write(rows).await.map_err(about)?;
            return self.must_be_visible(&crash_id).await;
        }
        // A connection first: no more large crashes in memory than there are connections.
        let write = move |connection: &mut Connection| {
            let (crash, rows) = prepare()?;
            let RowPut {
                table,
                row,
                cells,
                timestamp,
            } = crash;
            connection
                .put(table, row, cells, timestamp)
                .map_err(|error| error.about(&crash_id))?;
            Ok::<_, StorageError>(rows)
        };
        let rows = self.pool.run(write).await?;
        self.batcher.write(rows).await.map_err(about)?;
        self.must_be_visible(&crash_id).await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        let (id, processed) = (*id, processed.clone());
        self.pool
            .run(move |connection| rows::save_processed(connection, &id, &processed))
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
        let row = self.pool.run(read).await?;
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
            self.pool.clone(),
            &schema::CRASHES,
            &[column::OOID],
            &start,
            &stop,
        );
        Ok(Box::new(rows.filter_map(|row| match row {
            Ok(row) => row.text(column::OOID)?.parse().ok().map(Ok),
            Err(error) => Some(Err(error.into())),
        })))
    }
}
