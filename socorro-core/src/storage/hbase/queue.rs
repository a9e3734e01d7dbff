//! The queue in HBase: a table of hints for each lane, and the claim in the crash row.

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
use super::hint::{Hint, table_of};
use super::lane::LaneReader;
use super::owned::{HBaseClaim, exchange};
use super::schema::{self, Table, column};
use super::{results, row_key, rows};
use crate::crash_id::CrashId;
use crate::storage::{Claim, CrashIds, CrashQueue, Lane, Result};

/// What one process knows of the queue.
#[derive(Debug)]
pub(super) struct QueueState {
    /// Who claims: one process of one host.
    owner: String,
    reading: Mutex<Reading>,
}

#[derive(Debug)]
struct Reading {
    /// In the order of [`Lane::ALL`].
    lanes: [LaneReader; 3],
    /// How many claims were tried.
    tried: usize,
    observed: Observed,
    /// Claims of ours that may have been made although the call failed.
    unsure: HashMap<CrashId, Vec<u8>>,
}

impl QueueState {
    pub(super) fn new(host: &str, lease: Duration) -> Self {
        let owner = format!("{host}-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let reading = Reading {
            lanes: Lane::ALL.map(LaneReader::new),
            tried: 0,
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

impl Reading {
    fn of(&mut self, lane: Lane) -> &mut LaneReader {
        &mut self.lanes[lane as usize]
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashQueue for HBaseCrashStorage {
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>> {
        let reading = &mut *self.queue.reading.lock().await;
        reading.tried += 1;
        let lanes = Lane::order(reading.tried);
        // Lanes that were empty a moment ago are looked at only if the others are empty.
        let (due, rested) = lanes
            .into_iter()
            .partition(|lane| reading.of(*lane).is_due());
        for lane in [due, rested].into_iter().flat_map(Vec::into_iter) {
            if let Some(claim) = self.claim_from(lane, reading).await? {
                return Ok(Some(Box::new(claim)));
            }
        }
        Ok(None)
    }

    async fn claim_requested(&self) -> Result<Option<Box<dyn Claim>>> {
        let reading = &mut *self.queue.reading.lock().await;
        let claim = self.claim_from(Lane::Requested, reading).await?;
        Ok(claim.map(|claim| Box::new(claim) as Box<dyn Claim>))
    }

    async fn request(&self, id: &CrashId) -> Result<()> {
        self.ask(Lane::Requested, id).await
    }

    async fn reprocess(&self, id: &CrashId) -> Result<()> {
        self.ask(Lane::Reprocess, id).await
    }

    async fn is_requested(&self, id: &CrashId) -> Result<bool> {
        let key = row_key::crash(id);
        let read = move |connection: &mut Connection| {
            connection.get(&schema::REQUESTED, key.clone(), &[column::OOID])
        };
        Ok(self.pool.read(read).await?.is_some())
    }

    fn queued(&self, lane: Lane) -> Result<CrashIds> {
        Ok(self.ids_in(table_of(lane)))
    }
}

impl HBaseCrashStorage {
    /// Writes the row of a crash in a lane of requests.
    async fn ask(&self, lane: Lane, id: &CrashId) -> Result<()> {
        let id = *id;
        let ask = move |connection: &mut Connection| {
            let ooid = vec![put(column::OOID, id.as_str())];
            connection.put(RowPut::now(table_of(lane), row_key::crash(&id), ooid))
        };
        Ok(self.pool.run(ask).await?)
    }

    /// Claims the next crash of a lane that can be claimed.
    async fn claim_from(
        &self,
        lane: Lane,
        reading: &mut Reading,
    ) -> CallResult<Option<HBaseClaim>> {
        // All that wait have been looked at when the reader says so, or a row is met twice.
        let (started, mut met) = (Instant::now(), HashSet::new());
        while let Some(hint) = self.next_hint(lane, reading, started).await?
            && met.insert(hint.key.clone())
        {
            if let Some(claim) = self.try_claim(hint, lane, reading).await? {
                return Ok(Some(claim));
            }
            // There may be many that can't be claimed: requests don't wait until all are looked at.
            if lane != Lane::Requested && reading.of(Lane::Requested).is_due() {
                let asked = Box::pin(self.claim_from(Lane::Requested, reading)).await?;
                if asked.is_some() {
                    return Ok(asked);
                }
            }
        }
        Ok(None)
    }

    /// The next hint of a lane; `None` if the last was read after `started`.
    async fn next_hint(
        &self,
        lane: Lane,
        reading: &mut Reading,
        started: Instant,
    ) -> CallResult<Option<Hint>> {
        let reader = reading.of(lane);
        if reader.rows.is_empty() && !reader.has_ended_since(started) {
            let scan = |scan| {
                let read = move |connection: &mut Connection| {
                    connection.scan(table_of(lane), &scan, &[column::OOID])
                };
                self.pool.read(read)
            };
            reader.refill(scan).await?;
        }
        let rows = std::iter::from_fn(|| reader.rows.pop_front());
        Ok(rows.filter_map(|row| Hint::of(table_of(lane), row)).next())
    }

    async fn try_claim(
        &self,
        hint: Hint,
        lane: Lane,
        reading: &mut Reading,
    ) -> CallResult<Option<HBaseClaim>> {
        let id = hint.id;
        let read = move |connection: &mut Connection| {
            rows::get(
                connection,
                &id,
                &[column::CLAIM, column::IS_PROCESSED, column::SUBMITTED],
            )
        };
        let Some(row) = self.pool.read(read).await? else {
            return self.without_crash(hint, lane).await;
        };
        let is_processed = row.value(column::IS_PROCESSED) == Some(column::YES);
        if is_processed && lane == Lane::Waiting {
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
        let hint = match is_processed {
            // Another processor may have done what was asked since the row was read.
            true => match self.hint_at(hint.table, hint.key).await? {
                Some(hint) => hint,
                None => return Ok(None),
            },
            false => hint,
        };
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

    /// The hint in that row; `None` if there is no such row.
    async fn hint_at(&self, table: &'static Table, key: Vec<u8>) -> CallResult<Option<Hint>> {
        let read =
            move |connection: &mut Connection| connection.get(table, key.clone(), &[column::OOID]);
        let row = self.pool.read(read).await?;
        Ok(row.and_then(|row| Hint::of(table, row)))
    }

    /// A hint of a crash that is not there: a request waits for its crash a day or two; everything
    /// else is what is left of a removed crash.
    async fn without_crash(&self, hint: Hint, lane: Lane) -> CallResult<Option<HBaseClaim>> {
        if !(lane == Lane::Requested && hint.id.is_recent(Timestamp::now())) {
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
        let other = self.hint_at(&schema::UNPROCESSED, key).await?;
        Ok([other, Some(met)].into_iter().flatten().collect())
    }
}

/// Whether a claim would stay hidden behind what the save wrote. That is dated a day before the
/// crash, so that a processor whose own clock is some hours slow is not deceived.
fn is_from_the_future(row: &Row) -> bool {
    let saved = row.cells.get(column::SUBMITTED.as_bytes());
    saved.is_some_and(|cell| cell.timestamp > Timestamp::now().as_millisecond() + HOUR_MILLIS)
}

const HOUR_MILLIS: i64 = 3_600_000;
