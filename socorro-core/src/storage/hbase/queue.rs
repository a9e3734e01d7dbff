//! The queue in HBase: two tables of hints, and the claim in the crash row.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tracing::{debug, info, warn};

use super::HBaseCrashStorage;
use super::batch::RowPut;
use super::claim::{ClaimCell, Observed};
use super::client::{Connection, Row, put};
use super::error::CallResult;
use super::lane::Lane;
use super::owned::{HBaseClaim, exchange};
use super::schema::{self, Table, column};
use super::{results, row_key, rows};
use crate::crash_id::CrashId;
use crate::storage::{Claim, CrashIds, CrashQueue, Result};

/// Requests are looked for at least that often, whatever else waits.
const PRIORITY_EVERY: Duration = Duration::from_millis(250);

/// What one process knows of the queue.
#[derive(Debug)]
pub(super) struct QueueState {
    /// Who claims: one process of one host.
    owner: String,
    reading: Mutex<Reading>,
}

#[derive(Debug)]
struct Reading {
    requested: Lane,
    waiting: Lane,
    requests_read: Option<Instant>,
    observed: Observed,
    /// Claims of ours that may have been made although the call failed.
    unsure: HashMap<CrashId, Vec<u8>>,
}

impl QueueState {
    pub(super) fn new(host: &str, lease: Duration) -> Self {
        let owner = format!("{host}-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let reading = Reading {
            requested: Lane::small(&schema::REQUESTED),
            waiting: Lane::salted(&schema::WAITING),
            requests_read: None,
            observed: Observed::new(lease),
            unsure: HashMap::new(),
        };
        Self {
            owner,
            reading: Mutex::new(reading),
        }
    }

    /// As if claiming that crash with that cell had failed.
    #[cfg(test)]
    pub(super) async fn note_unsure(&self, id: CrashId, cell: Vec<u8>) {
        self.reading.lock().await.unsure.insert(id, cell);
    }
}

/// A queue row: a hint that a crash waits.
#[derive(Debug, Clone)]
pub(super) struct Hint {
    table: &'static Table,
    key: Vec<u8>,
    id: CrashId,
    timestamp: i64,
}

impl Hint {
    fn of(table: &'static Table, row: Row) -> Option<Self> {
        let cell = row.cells.get(column::OOID.as_bytes())?;
        let id = std::str::from_utf8(&cell.value).ok()?.parse().ok()?;
        Some(Self {
            table,
            key: row.key,
            id,
            timestamp: cell.timestamp,
        })
    }

    fn is_request(&self) -> bool {
        self.table.name == schema::REQUESTED.name
    }

    pub(super) fn delete(&self, connection: &mut Connection) -> CallResult<()> {
        connection.delete(self.table, self.key.clone(), Some(self.timestamp))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashQueue for HBaseCrashStorage {
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>> {
        let mut reading = self.queue.reading.lock().await;
        // A row met twice: all that wait have been looked at.
        let mut met = HashSet::new();
        while let Some(hint) = self.next_hint(&mut reading).await?
            && met.insert((hint.table.name, hint.key.clone()))
        {
            if let Some(claim) = self.try_claim(hint, &mut reading).await? {
                return Ok(Some(Box::new(claim)));
            }
        }
        Ok(None)
    }

    async fn request(&self, id: &CrashId) -> Result<()> {
        let id = *id;
        let request = move |connection: &mut Connection| {
            let ooid = vec![put(column::OOID, id.as_str())];
            connection.put(RowPut::now(&schema::REQUESTED, row_key::crash(&id), ooid))
        };
        Ok(self.pool.run(request).await?)
    }

    async fn is_requested(&self, id: &CrashId) -> Result<bool> {
        let key = row_key::crash(id);
        let read = move |connection: &mut Connection| {
            connection.get(&schema::REQUESTED, key.clone(), &[column::OOID])
        };
        Ok(self.pool.read(read).await?.is_some())
    }

    fn requested(&self) -> Result<CrashIds> {
        Ok(self.ids_in(&schema::REQUESTED))
    }

    fn waiting(&self) -> Result<CrashIds> {
        Ok(self.ids_in(&schema::WAITING))
    }
}

impl HBaseCrashStorage {
    /// The next hint: of a request if one was read or it is time to look, else of a waiting crash.
    async fn next_hint(&self, reading: &mut Reading) -> CallResult<Option<Hint>> {
        let due = reading
            .requests_read
            .is_none_or(|read| read.elapsed() >= PRIORITY_EVERY);
        if reading.requested.rows.is_empty() && due {
            self.refill(&mut reading.requested).await?;
            reading.requests_read = Some(Instant::now());
        }
        if let Some(hint) = take(&mut reading.requested) {
            return Ok(Some(hint));
        }
        if let Some(hint) = take(&mut reading.waiting) {
            return Ok(Some(hint));
        }
        self.refill(&mut reading.waiting).await?;
        Ok(take(&mut reading.waiting))
    }

    async fn refill(&self, lane: &mut Lane) -> CallResult<()> {
        let table = lane.table;
        lane.refill(|scan| {
            self.pool
                .read(move |connection| connection.scan(table, &scan, &[column::OOID]))
        })
        .await
    }

    async fn try_claim(&self, hint: Hint, reading: &mut Reading) -> CallResult<Option<HBaseClaim>> {
        let id = hint.id;
        let read = move |connection: &mut Connection| {
            rows::get(
                connection,
                &id,
                &[column::CLAIM, column::IS_PROCESSED, column::SUBMITTED],
            )
        };
        let Some(row) = self.pool.read(read).await? else {
            return self.without_crash(hint).await;
        };
        let is_processed = row.value(column::IS_PROCESSED) == Some(column::YES);
        if is_processed && !hint.is_request() {
            // Its processor was killed at the end, perhaps before it wrote the index row.
            debug!(%id, "already processed, taken off the queue");
            let hints = self.all_hints(hint, &row).await?;
            let settle = move |connection: &mut Connection| {
                results::settle_signature(connection, &id)?;
                hints.iter().try_for_each(|hint| hint.delete(connection))
            };
            self.pool.run(settle).await?;
            return Ok(None);
        }
        if is_from_the_future(&row) {
            warn!(%id, "its cells are newer than now, so that nothing can be written over them: is \
                   the clock of its collector, or its date, wrong? Left in the queue");
            return Ok(None);
        }
        let old = row.value(column::CLAIM).unwrap_or_default().to_vec();
        let current = ClaimCell::parse(Some(&old));
        let is_ours = reading.unsure.remove(&id).is_some_and(|cell| cell == old);
        if !current.is_free() && !is_ours {
            if !reading.observed.is_dead(&id, &old, Instant::now()) {
                return Ok(None);
            }
            info!(%id, claim = %String::from_utf8_lossy(&old), "taking over a crash whose processor died");
        }
        // One that we have made without knowing it was no attempt yet.
        let attempt = current.attempts() + u32::from(!is_ours);
        let cell = ClaimCell::owned(&self.queue.owner, attempt);
        // Read before the claim: an error in between would leave the claim to nobody.
        let hints = self.all_hints(hint, &row).await?;
        reading.unsure.insert(id, cell.to_cell());
        let is_mine = exchange(&self.pool, &id, old, &cell).await?;
        reading.unsure.remove(&id);
        if !is_mine {
            return Ok(None);
        }
        Ok(Some(HBaseClaim::new(&self.pool, id, cell, hints)))
    }

    /// A hint of a crash that is not there: a request waits for its crash a day or two; everything
    /// else is what is left of a removed crash.
    async fn without_crash(&self, hint: Hint) -> CallResult<Option<HBaseClaim>> {
        if !(hint.is_request() && hint.id.is_recent(Timestamp::now())) {
            self.pool
                .run(move |connection| hint.delete(connection))
                .await?;
        }
        Ok(None)
    }

    /// All queue rows of a crash, the one that was met last: while it is there, somebody comes by
    /// who deletes the others.
    async fn all_hints(&self, met: Hint, row: &Row) -> CallResult<Vec<Hint>> {
        let Some(key) = rows::by_time_key(&met.id, row) else {
            return Ok(vec![met]);
        };
        let table = &schema::UNPROCESSED;
        let read =
            move |connection: &mut Connection| connection.get(table, key.clone(), &[column::OOID]);
        let other = self
            .pool
            .read(read)
            .await?
            .and_then(|row| Hint::of(table, row));
        Ok([other, Some(met)].into_iter().flatten().collect())
    }
}

/// Whether a claim would stay hidden behind what is there.
fn is_from_the_future(row: &Row) -> bool {
    let newest = row.cells.values().map(|cell| cell.timestamp).max();
    newest.is_some_and(|newest| newest > Timestamp::now().as_millisecond() + HOUR_MILLIS)
}

const HOUR_MILLIS: i64 = 3_600_000;

fn take(lane: &mut Lane) -> Option<Hint> {
    let table = lane.table;
    std::iter::from_fn(|| lane.rows.pop_front()).find_map(|row| Hint::of(table, row))
}
