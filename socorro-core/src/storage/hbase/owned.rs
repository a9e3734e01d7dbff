//! A claim as its owner holds it: renewed, finished, released.

use async_trait::async_trait;

use super::claim::ClaimCell;
use super::client::Connection;
use super::error::CallResult;
use super::hint::Hint;
use super::pool::Pool;
use super::schema::{self, column};
use super::{results, row_key, rows};
use crate::crash_id::CrashId;
use crate::processed_crash::ProcessedCrash;
use crate::storage::{Claim, Finish, Result};

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
            connection.delete_cells(&schema::CRASHES, row, &[column::CLAIM])?;
            return Ok(false);
        }
        Ok(now.value(column::CLAIM) == Some(new.as_slice()))
    })
    .await
}

/// A claim on a crash in HBase.
#[derive(Debug)]
pub(super) struct HBaseClaim {
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
    /// The claim on a crash whose claim cell is that one now, with the queue rows to delete at the
    /// end.
    pub(super) fn new(pool: &Pool, id: CrashId, cell: ClaimCell, hints: Vec<Hint>) -> Self {
        Self {
            pool: pool.clone(),
            id,
            cell,
            pending: None,
            hints,
            stored: false,
        }
    }

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
                .run(move |connection| results::save_processed(connection, &id, &processed))
                .await?;
        } else if self.is_stored(processed).await? {
            // By an earlier try, whose answer was lost.
            self.pool
                .run(move |connection| results::settle_signature(connection, &id))
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
        self.change(ClaimCell::freed(attempts)).await.map(drop)
    }
}
