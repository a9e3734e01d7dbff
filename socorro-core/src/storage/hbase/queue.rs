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
use super::pool::Pool;
use super::schema::{self, Table, column};
use super::{row_key, rows};
use crate::crash_id::CrashId;
use crate::processed_crash::ProcessedCrash;
use crate::storage::{Claim, CrashIds, CrashQueue, Finish, Result};

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
struct Hint {
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

    fn delete(&self, connection: &mut Connection) -> CallResult<()> {
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
        Ok(self.pool.run(read).await?.is_some())
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
                rows::settle_signature(connection, &id)?;
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
        Ok(Some(HBaseClaim {
            pool: self.pool.clone(),
            id,
            cell,
            pending: None,
            hints,
            stored: false,
        }))
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

/// Puts a claim in the place of another; says whether it is there now. Carried out twice, it says
/// so both times: the nonce tells whose value is there.
pub(super) async fn exchange(
    pool: &Pool,
    id: &CrashId,
    old: Vec<u8>,
    new: &ClaimCell,
) -> CallResult<bool> {
    let (id, new) = (*id, new.to_cell());
    pool.run(move |connection| {
        let (row, old, new) = (row_key::crash(&id), old.clone(), new.clone());
        let was_absent = old.is_empty();
        let done = connection.check_and_put(
            &schema::CRASHES,
            row.clone(),
            column::CLAIM,
            old,
            new.clone(),
        )?;
        if done && !was_absent {
            return Ok(true);
        }
        let now = connection.get(
            &schema::CRASHES,
            row.clone(),
            &[column::CLAIM, column::OOID],
        )?;
        let Some(now) = now else { return Ok(false) };
        if now.value(column::OOID).is_none() {
            // The crash was removed meanwhile, and an empty expected value matches an absent row:
            // don't leave a ghost of it. Only the cell: a save of the crash may be under way.
            connection.delete_cell(&schema::CRASHES, row, column::CLAIM)?;
            return Ok(false);
        }
        Ok(now.value(column::CLAIM) == Some(new.as_slice()))
    })
    .await
}

/// A claim on a crash in HBase.
#[derive(Debug)]
struct HBaseClaim {
    pool: Pool,
    id: CrashId,
    /// The exact value of the claim cell.
    cell: ClaimCell,
    /// What it may be instead: a change whose outcome is unknown.
    pending: Option<ClaimCell>,
    /// The queue rows to delete at the end.
    hints: Vec<Hint>,
    /// The result is stored and the cell free again: only the queue rows remain to be deleted.
    stored: bool,
}

impl HBaseClaim {
    /// Changes the claim cell from our last value; `false` if it is no longer ours.
    async fn change(&mut self, next: ClaimCell) -> Result<bool> {
        self.learn_what_became_of_the_last_change().await?;
        self.pending = Some(next.clone());
        let changed = exchange(&self.pool, &self.id, self.cell.to_cell(), &next).await?;
        self.pending = None;
        if changed {
            self.cell = next;
        }
        Ok(changed)
    }

    async fn learn_what_became_of_the_last_change(&mut self) -> Result<()> {
        let Some(pending) = &self.pending else {
            return Ok(());
        };
        let row = row_key::crash(&self.id);
        let read = move |connection: &mut Connection| {
            connection.get(&schema::CRASHES, row.clone(), &[column::CLAIM])
        };
        let now = self.pool.read(read).await?.unwrap_or_default();
        if now.value(column::CLAIM) == Some(pending.to_cell().as_slice()) {
            self.cell = pending.clone();
        }
        self.pending = None;
        Ok(())
    }

    /// Whether this very result is what the crash row has. It names its processor and its time.
    async fn is_stored(&self, processed: &ProcessedCrash) -> CallResult<bool> {
        let id = self.id;
        let read = move |connection: &mut Connection| {
            rows::get(connection, &id, &[column::PROCESSED_CRASH])
        };
        let row = self.pool.read(read).await?.unwrap_or_default();
        Ok(row.value(column::PROCESSED_CRASH) == Some(processed.to_json().as_slice()))
    }

    async fn dequeue(&self) -> Result<()> {
        let hints = self.hints.clone();
        let delete = move |connection: &mut Connection| {
            hints.iter().try_for_each(|hint| hint.delete(connection))
        };
        Ok(self.pool.run(delete).await?)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Claim for HBaseClaim {
    fn id(&self) -> CrashId {
        self.id
    }

    fn attempt(&self) -> u32 {
        self.cell.attempts()
    }

    async fn renew(&mut self) -> Result<bool> {
        self.change(self.cell.renewed()).await
    }

    async fn finish(&mut self, processed: &ProcessedCrash) -> Result<Finish> {
        if self.stored {
            self.dequeue().await?;
            return Ok(Finish::Stored);
        }
        let id = self.id;
        if self.change(self.cell.saving()).await? {
            let processed = processed.clone();
            self.pool
                .run(move |connection| rows::save_processed(connection, &id, &processed))
                .await?;
        } else if self.is_stored(processed).await? {
            // By an earlier try, whose answer was lost.
            self.pool
                .run(move |connection| rows::settle_signature(connection, &id))
                .await?;
        } else {
            return Ok(Finish::TakenOver);
        }
        self.stored = true;
        self.dequeue().await?;
        Ok(Finish::Stored)
    }

    async fn release(&mut self) -> Result<()> {
        let attempts = self.cell.attempts() - 1;
        self.change(ClaimCell::Free { attempts }).await.map(drop)
    }
}
