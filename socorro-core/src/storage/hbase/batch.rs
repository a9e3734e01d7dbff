//! Rows of many crashes in few calls: those that come while a batch waits for its connection go
//! with it.
//!
//! A batch writes its tables in the order of [`schema::ALL`]: crash rows before index rows, queue
//! rows last. A writer is told when all of its rows are written. Nothing here is atomic over rows,
//! and needs not be: every row may be written again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::client::Connection;
use super::error::{CallError, CallResult};
use super::generated::{BatchMutation, Mutation};
use super::pool::{Lease, Pool};
use super::schema::{self, Table};

/// Batches on their way at a time.
const IN_FLIGHT: usize = 2;
/// Writers in one batch, at most.
const MAX_WRITERS: usize = 200;
/// Bytes in one batch, more or less.
const MAX_BYTES: usize = 4 << 20;

/// Cells for one row, all with this timestamp, or the server's.
#[derive(Debug, Clone)]
pub(super) struct RowPut {
    pub(super) table: &'static Table,
    pub(super) row: Vec<u8>,
    pub(super) cells: Vec<Mutation>,
    pub(super) timestamp: Option<i64>,
}

impl RowPut {
    /// Cells that get the server's timestamp.
    pub(super) fn now(table: &'static Table, row: Vec<u8>, cells: Vec<Mutation>) -> Self {
        Self {
            table,
            row,
            cells,
            timestamp: None,
        }
    }

    fn bytes(&self) -> usize {
        let value = |cell: &Mutation| cell.value.as_ref().map_or(0, Vec::len);
        self.row.len() + self.cells.iter().map(value).sum::<usize>()
    }

    /// Where it goes: table by table, queue rows last, and one call for each timestamp.
    fn order(&self) -> (usize, Option<i64>) {
        let table = schema::ALL
            .iter()
            .position(|table| table.name == self.table.name);
        (table.unwrap_or(usize::MAX), self.timestamp)
    }
}

/// Gathers rows of concurrent writers.
#[derive(Debug, Clone)]
pub(super) struct Batcher {
    pool: Pool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Writer>,
    /// A batch waits for its connection: who comes now goes with it.
    gathering: bool,
    in_flight: usize,
}

#[derive(Debug)]
struct Writer {
    rows: Vec<RowPut>,
    done: oneshot::Sender<CallResult<()>>,
}

impl Batcher {
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            pool,
            state: Arc::default(),
        }
    }

    /// Writes rows together with those of others; returns when all of them are written.
    pub(super) async fn write(&self, rows: Vec<RowPut>) -> CallResult<()> {
        let (done, wait) = oneshot::channel();
        self.state().waiting.push(Writer { rows, done });
        self.gather();
        let abandoned = || Err(CallError::outage("write a batch", "the program is ending"));
        wait.await.unwrap_or_else(|_| abandoned())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a batch if somebody waits and none is gathering.
    fn gather(&self) {
        let mut state = self.state();
        if state.waiting.is_empty() || state.gathering || state.in_flight == IN_FLIGHT {
            return;
        }
        state.gathering = true;
        // A task of its own: the batch is others' too, and must not end with this writer.
        let batcher = self.clone();
        tokio::spawn(async move {
            let connection = batcher.pool.get().await;
            let batch = batcher.set_off();
            batcher.gather();
            batcher.write_batch(connection, batch).await;
            batcher.state().in_flight -= 1;
            batcher.gather();
        });
    }

    /// Ends the gathering: those who go in this batch.
    fn set_off(&self) -> Vec<Writer> {
        let mut state = self.state();
        let mut bytes = 0;
        let fits = state.waiting.iter().take(MAX_WRITERS).take_while(|writer| {
            let had = bytes;
            bytes += writer.rows.iter().map(RowPut::bytes).sum::<usize>();
            had < MAX_BYTES
        });
        let count = fits.count();
        let batch = state.waiting.drain(..count).collect();
        state.gathering = false;
        state.in_flight += 1;
        batch
    }

    async fn write_batch(&self, connection: CallResult<Lease>, batch: Vec<Writer>) {
        let all = batch
            .iter()
            .flat_map(|writer| writer.rows.iter().cloned())
            .collect();
        let result = self.write_all(connection, all).await;
        let alone = batch.len() == 1;
        for Writer { rows, done } in batch {
            let result = match &result {
                Ok(()) => Ok(()),
                // One row may have spoiled it for all: each gets its own answer.
                Err(error) if !alone && error.may_be_about_the_bytes() => {
                    self.write_all(self.pool.get().await, rows).await
                }
                Err(error) => Err(error.clone()),
            };
            // A writer that no longer waits needs no answer.
            let _ = done.send(result);
        }
    }

    async fn write_all(
        &self,
        connection: CallResult<Lease>,
        mut rows: Vec<RowPut>,
    ) -> CallResult<()> {
        rows.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| a.row.cmp(&b.row)));
        // Crashes of one minute make the same mark.
        rows.dedup_by(|a, b| a.order() == b.order() && a.row == b.row && a.cells == b.cells);
        self.pool
            .run_on(connection?, move |connection| write(connection, &rows))
            .await
    }
}

/// Writes rows in their order, those next to each other of one table and timestamp in one call.
pub(super) fn write(connection: &mut Connection, rows: &[RowPut]) -> CallResult<()> {
    let same_call = |a: &RowPut, b: &RowPut| a.order() == b.order();
    for call in rows.chunk_by(same_call) {
        let (table, timestamp) = (call[0].table, call[0].timestamp);
        let row = |put: &RowPut| BatchMutation::new(put.row.clone(), put.cells.clone());
        match call {
            [one] => connection.put(one.clone())?,
            many => connection.put_rows(table, many.iter().map(row).collect(), timestamp)?,
        }
    }
    Ok(())
}
