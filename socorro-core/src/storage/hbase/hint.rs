//! The rows of the queue tables: hints that a crash is to be processed.

use super::client::{Connection, Row};
use super::error::CallResult;
use super::schema::{self, Table, column};
use crate::crash_id::CrashId;
use crate::storage::Lane;

/// A queue row: a hint that a crash waits.
#[derive(Debug, Clone)]
pub(super) struct Hint {
    pub(super) table: &'static Table,
    pub(super) key: Vec<u8>,
    pub(super) id: CrashId,
    /// When it was written: what is newer is another request.
    timestamp: i64,
}

impl Hint {
    pub(super) fn of(table: &'static Table, row: Row) -> Option<Self> {
        let cell = row.cells.get(column::OOID.as_bytes())?;
        let id = std::str::from_utf8(&cell.value).ok()?.parse().ok()?;
        Some(Self {
            table,
            key: row.key,
            id,
            timestamp: cell.timestamp,
        })
    }

    pub(super) fn delete(&self, connection: &mut Connection) -> CallResult<()> {
        connection.delete(self.table, self.key.clone(), Some(self.timestamp))
    }
}

/// The table of a lane.
pub(super) fn table_of(lane: Lane) -> &'static Table {
    match lane {
        Lane::Requested => &schema::REQUESTED,
        Lane::Waiting => &schema::WAITING,
        Lane::Reprocess => &schema::REPROCESS,
    }
}
