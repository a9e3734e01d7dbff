//! `socorro queue fsck`: finds and mends what others broke in the queue tables.
//!
//! Two walks: over the crashes, for those that should wait and have no queue row; and over the queue
//! rows, for those whose crash is processed or gone. Rows that are put back carry the server's
//! time: the save's own timestamp may lie under a deletion.

use std::ops::RangeInclusive;

use jiff::civil::Date;

use super::batch::RowPut;
use super::client::{Connection, Row, put};
use super::error::CallResult;
use super::merge::MergeScan;
use super::schema::{self, Table, column};
use super::{HBaseCrashStorage, Result, results, rows};
use crate::crash_id::CrashId;
use crate::storage::{StorageError, blocking};

/// What was found; with `repair`, what was mended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFsck {
    /// Crashes looked at.
    pub crashes: u64,
    /// Queue rows that were missing.
    pub missing: u64,
    /// Queue rows of crashes that are processed or gone.
    pub stale: u64,
}

impl HBaseCrashStorage {
    /// Compares the crashes of these days with the queue, and all of the queue with the crashes.
    /// May run beside movers and processors: what it takes for stale or missing is looked at again
    /// before it is touched.
    pub async fn queue_fsck(&self, days: RangeInclusive<Date>, repair: bool) -> Result<QueueFsck> {
        let mut found = QueueFsck::default();
        let ids = crate::storage::CrashStorage::crashes(self, days)?;
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
        let walk = blocking(move || ids.into_iter().try_for_each(|id| sender.blocking_send(id)));
        let check = async {
            while let Some(id) = receiver.recv().await {
                found.crashes += 1;
                let id = id?;
                let check =
                    move |connection: &mut Connection| mend_missing(connection, &id, repair);
                let checked = || async { Ok(self.pool.run(check).await?) };
                found.missing += self.waits.run("check a crash", checked).await?;
            }
            Ok::<_, StorageError>(())
        };
        let (_, checked) = tokio::join!(walk, check);
        checked?;
        for table in [&schema::UNPROCESSED, &schema::WAITING] {
            found.stale += self.drop_stale(table, repair).await?;
        }
        Ok(found)
    }

    async fn drop_stale(&self, table: &'static Table, repair: bool) -> Result<u64> {
        let scan = MergeScan::new(&self.reader(), table, &[column::OOID], "", "\u{7f}");
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
        let walk = blocking(move || {
            scan.into_iter()
                .try_for_each(|row| sender.blocking_send(row))
        });
        let check = async {
            let mut stale = 0;
            while let Some(row) = receiver.recv().await {
                let row = row?;
                let checked = || async {
                    let row = row.clone();
                    let check = move |c: &mut Connection| mend_stale(c, table, &row, repair);
                    Ok(self.pool.run(check).await?)
                };
                stale += u64::from(self.waits.run("check a queue row", checked).await?);
            }
            Ok::<_, StorageError>(stale)
        };
        tokio::join!(walk, check).1
    }
}

const STATE: [&str; 3] = [column::IS_PROCESSED, column::IS_ACCEPTED, column::SUBMITTED];

fn waits(row: &Row) -> bool {
    row.value(column::IS_PROCESSED) != Some(column::YES)
}

/// How many queue rows of that crash are missing.
fn mend_missing(connection: &mut Connection, id: &CrashId, repair: bool) -> CallResult<u64> {
    let Some(row) = rows::get(connection, id, &STATE)? else {
        return Ok(0);
    };
    let Some(key) = rows::by_time_key(id, &row).filter(|_| waits(&row)) else {
        return Ok(0);
    };
    let accepted = row.value(column::IS_ACCEPTED) == Some(column::YES);
    let tables = [
        Some(&schema::UNPROCESSED),
        accepted.then_some(&schema::WAITING),
    ];
    let mut missing = 0;
    for table in tables.into_iter().flatten() {
        if connection
            .get(table, key.clone(), &[column::OOID])?
            .is_some()
        {
            continue;
        }
        // A processor may have ended while we looked.
        if !rows::get(connection, id, &STATE)?.is_some_and(|row| waits(&row)) {
            return Ok(missing);
        }
        missing += 1;
        if repair {
            let ooid = vec![put(column::OOID, id.as_str())];
            connection.put(RowPut::now(table, key.clone(), ooid))?;
        }
    }
    Ok(missing)
}

/// Whether a queue row is one of a crash that is processed or gone.
fn mend_stale(
    connection: &mut Connection,
    table: &'static Table,
    hint: &Row,
    repair: bool,
) -> CallResult<bool> {
    let id = hint
        .text(column::OOID)
        .and_then(|id| id.parse::<CrashId>().ok());
    let crash = match &id {
        Some(id) => rows::get(connection, id, &STATE)?,
        None => None,
    };
    if crash.is_some_and(|row| waits(&row)) {
        return Ok(false);
    }
    if repair {
        if let Some(id) = &id {
            results::settle_signature(connection, id)?;
        }
        let read_at = hint.cells.values().map(|cell| cell.timestamp).max();
        connection.delete(table, hint.key.clone(), read_at)?;
    }
    Ok(true)
}
