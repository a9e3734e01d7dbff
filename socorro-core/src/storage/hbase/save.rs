//! How a raw crash gets into HBase, and back into it after it was removed.
//!
//! **A save** is refused where it can't be seen, because the crash was removed before (`removals`):
//! a crash that was removed on purpose does not come back by itself, and its source stays.
//!
//! **A restore** (`socorro copy`, `socorro put_json_dump`) brings it back: its cells carry the time
//! when the restore began, which is newer than the deletion. That time is given by the server of the
//! crash row and kept in the row, in the cell `flags:restored`. So a restore that is repeated, by
//! whomever, writes the same cells again, and undoes nothing that happened since. (Index rows carry
//! it too: the clocks of region servers must agree to within the time from removal to restore.)

use std::sync::Arc;
use std::time::Duration;

use super::batch::RowPut;
use super::client::{Connection, put};
use super::error::{CallError, CallResult, STORE};
use super::schema::{self, column};
use super::{HBaseCrashStorage, row_key, rows};
use crate::crash_id::CrashId;
use crate::dumps::Dumps;
use crate::raw_crash::RawCrash;
use crate::storage::{Result, StorageError, blocking};

/// A crash whose dumps are no larger goes to the server together with others.
const SMALL_BYTES: u64 = 32 * 1024;

/// A deletion hides what is written within the same millisecond.
const NEXT_MILLISECOND: Duration = Duration::from_millis(2);

/// What a restore finds.
enum Before {
    /// The crash, whose cells carry this timestamp.
    There(i64),
    /// Nothing but the begin of an earlier restore.
    Begun(i64),
    /// Nothing.
    Absent,
}

impl HBaseCrashStorage {
    /// Stores a raw crash; an error that says so if it can't be seen because it was removed.
    pub(super) async fn save(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        self.write(id, raw, dumps, id.save_timestamp_millis())
            .await?;
        if self.removals.may_concern(&self.pool, id).await? {
            self.must_be_there(id).await?;
        }
        Ok(())
    }

    /// Stores a raw crash, be it that it was removed before. One that is there stays as it is; its
    /// index rows are written again.
    pub(super) async fn restore(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        let timestamp = match self.before(id).await? {
            Before::There(timestamp) => {
                let (_, others) = rows::raw_crash(id, raw, &Dumps::new(), timestamp)?;
                return self
                    .batcher
                    .write(others)
                    .await
                    .map_err(|error| error.about(id));
            }
            Before::Begun(timestamp) => timestamp,
            Before::Absent => {
                self.write(id, raw, dumps, id.save_timestamp_millis())
                    .await?;
                if let Before::There(_) = self.before(id).await? {
                    return Ok(());
                }
                self.begin_restore(id).await?
            }
        };
        self.write(id, raw, dumps, timestamp).await?;
        self.must_be_there(id).await
    }

    async fn must_be_there(&self, id: &CrashId) -> Result<()> {
        match self.before(id).await? {
            Before::There(_) => Ok(()),
            Before::Begun(_) | Before::Absent => Err(StorageError::refused(
                id,
                "it was removed from HBase, and a save does not bring it back: \
                 `socorro copy` and `socorro put_json_dump` do",
            )),
        }
    }

    async fn before(&self, id: &CrashId) -> CallResult<Before> {
        let key = row_key::crash(id);
        let read = move |connection: &mut Connection| {
            let columns = [column::OOID, column::RESTORED];
            connection.get(&schema::CRASHES, key.clone(), &columns)
        };
        let row = self.pool.read(read).await?.unwrap_or_default();
        let written = |column: &str| row.cells.get(column.as_bytes()).map(|cell| cell.timestamp);
        Ok(match (written(column::OOID), written(column::RESTORED)) {
            (Some(timestamp), _) => Before::There(timestamp),
            (None, Some(timestamp)) => Before::Begun(timestamp),
            (None, None) => Before::Absent,
        })
    }

    /// Notes in the crash row that a restore begins; returns when, by the server's clock.
    pub(super) async fn begin_restore(&self, id: &CrashId) -> Result<i64> {
        for _ in 0..3 {
            let cells = vec![put(column::RESTORED, column::YES)];
            let begin = RowPut::now(&schema::CRASHES, row_key::crash(id), cells);
            self.pool
                .run(move |connection| connection.put(begin.clone()))
                .await?;
            match self.before(id).await? {
                Before::There(timestamp) | Before::Begun(timestamp) => return Ok(timestamp),
                Before::Absent => tokio::time::sleep(NEXT_MILLISECOND).await,
            }
        }
        Err(StorageError::Unavailable {
            store: STORE,
            operation: format!("restore {id}"),
            source: "its removal is newer than the clock of its region server".into(),
        })
    }

    /// Writes the rows of a raw crash, the crash row first, the queue row last.
    async fn write(
        &self,
        id: &CrashId,
        raw: &RawCrash,
        dumps: &Dumps,
        timestamp: i64,
    ) -> Result<()> {
        let id = *id;
        let mut size = 0;
        for dump in dumps.values() {
            size += dump.size().unwrap_or(0);
        }
        let prepare = {
            let (raw, dumps) = (raw.clone(), dumps.clone());
            Arc::new(move || rows::raw_crash(&id, &raw, &dumps, timestamp))
        };
        let about = move |error: CallError| error.about(&id);
        let rows = if size <= SMALL_BYTES {
            let (crash, mut rows) = blocking(move || prepare()).await?;
            rows.insert(0, crash);
            rows
        } else {
            // A connection first: no more large crashes in memory than there are connections.
            let write = move |connection: &mut Connection| {
                let (crash, rows) = prepare()?;
                connection.put(crash).map_err(about)?;
                Ok::<_, StorageError>(rows)
            };
            self.pool.run(write).await?
        };
        self.batcher.write(rows).await.map_err(about)
    }
}
