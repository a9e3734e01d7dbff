//! [`DeferringPrimaryStorage`]: a deferring storage with the queue of its standard storage.

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use super::deferred::DeferringCrashStorage;
use super::{Blame, Claim, CrashIds, CrashQueue, CrashStorage, Finish, Lane, Result};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::{RawCrash, ThrottleResult};

/// A [`DeferringCrashStorage`] whose standard storage has a queue, which thus serves all.
///
/// A deferred crash that is asked for, or whose processed crash comes, **moves** to the standard
/// storage: it is saved there, then queued, then removed from the deferred one, so that a kill in
/// between loses nothing and asking again ends it. A request that comes before its crash is
/// remembered by the queue, and looked for whenever a deferred crash is saved. A save repeated after
/// the move, and a kill in its midst, leave a second copy in the deferred storage: no reader sees
/// it, a walk of days meets the crash twice, and a removal removes both.
#[derive(Debug)]
pub struct DeferringPrimaryStorage {
    storage: DeferringCrashStorage,
    queue: Arc<dyn CrashQueue>,
}

impl DeferringPrimaryStorage {
    /// A storage with that queue, which is the standard storage's.
    pub fn new(storage: DeferringCrashStorage, queue: Arc<dyn CrashQueue>) -> Self {
        Self { storage, queue }
    }

    /// Copies a crash from the deferred to the standard storage; `false` if it is not deferred, or
    /// somebody else moves it at the moment.
    async fn copy_to_standard(&self, id: &CrashId) -> Result<bool> {
        match self.try_copy(id).await {
            Err(error) if error.is_not_found() => Ok(false),
            other => other.map(|()| true),
        }
    }

    async fn try_copy(&self, id: &CrashId) -> Result<()> {
        let DeferringCrashStorage {
            standard, deferred, ..
        } = &self.storage;
        let raw = deferred.get_raw_crash(id).await?;
        let dumps = deferred.get_dumps(id).await?;
        standard.save_raw_crash(id, &raw, &dumps).await
    }

    /// A claim whose result goes where processed crashes are kept.
    fn split(&self, claim: Box<dyn Claim>) -> Box<dyn Claim> {
        let DeferringCrashStorage {
            standard,
            processed,
            ..
        } = &self.storage;
        if Arc::ptr_eq(standard, processed) {
            return claim;
        }
        Box::new(SplitClaim {
            claim,
            processed: Arc::clone(processed),
            saved: false,
        })
    }

    async fn forget_deferred(&self, id: &CrashId) -> Result<()> {
        match self.storage.deferred.remove(id).await {
            // Somebody else asked, too.
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashQueue for DeferringPrimaryStorage {
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>> {
        let claim = self.queue.claim().await?;
        Ok(claim.map(|claim| self.split(claim)))
    }

    async fn claim_requested(&self) -> Result<Option<Box<dyn Claim>>> {
        let claim = self.queue.claim_requested().await?;
        Ok(claim.map(|claim| self.split(claim)))
    }

    async fn request(&self, id: &CrashId) -> Result<()> {
        let there = self.copy_to_standard(id).await?;
        self.queue.request(id).await?;
        // It may have come meanwhile, saved by somebody who did not see the request yet.
        if there || self.copy_to_standard(id).await? {
            self.forget_deferred(id).await?;
        }
        Ok(())
    }

    async fn reprocess(&self, id: &CrashId) -> Result<()> {
        let was_deferred = self.copy_to_standard(id).await?;
        self.queue.reprocess(id).await?;
        if was_deferred {
            self.forget_deferred(id).await?;
        }
        Ok(())
    }

    async fn is_requested(&self, id: &CrashId) -> Result<bool> {
        self.queue.is_requested(id).await
    }

    fn queued(&self, lane: Lane) -> Result<CrashIds> {
        self.queue.queued(lane)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for DeferringPrimaryStorage {
    fn name(&self) -> &'static str {
        self.storage.name()
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        self.storage.save_raw_crash(id, raw, dumps).await?;
        if raw.throttle_result() == ThrottleResult::Accept || !self.queue.is_requested(id).await? {
            return Ok(());
        }
        // From what is at hand: the deferred storage may be one that forgets.
        self.storage.standard.save_raw_crash(id, raw, dumps).await?;
        self.queue.request(id).await?;
        self.forget_deferred(id).await
    }

    /// HBase keeps it beside its raw crash only, so a deferred crash moves.
    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        match self.storage.save_processed(id, processed).await {
            Err(error) if error.is_not_found() && self.copy_to_standard(id).await? => {
                self.storage.save_processed(id, processed).await?;
                self.forget_deferred(id).await
            }
            other => other,
        }
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        self.storage.get_raw_crash(id).await
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        self.storage.get_dumps(id).await
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        self.storage.get_dump(id, name).await
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        self.storage.get_processed(id).await
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        self.storage.remove(id).await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        self.storage.new_crashes()
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        self.storage.crashes(days)
    }
}

/// A claim whose result goes to a storage of its own first. The standard storage gets it, too: its
/// queue and its index by signature rest on it.
#[derive(Debug)]
struct SplitClaim {
    claim: Box<dyn Claim>,
    processed: Arc<dyn CrashStorage>,
    saved: bool,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Claim for SplitClaim {
    fn id(&self) -> CrashId {
        self.claim.id()
    }

    fn attempt(&self) -> u32 {
        self.claim.attempt()
    }

    async fn renew(&mut self) -> Result<bool> {
        self.claim.renew().await
    }

    async fn finish(&mut self, processed: &ProcessedCrash) -> Result<Finish> {
        if !self.saved {
            if !self.claim.renew().await? {
                return Ok(Finish::TakenOver);
            }
            let id = self.claim.id();
            self.processed.save_processed(&id, processed).await?;
            self.saved = true;
        }
        let finished = self.claim.finish(processed).await;
        if let Err(error) = &finished
            && error.blame() == Blame::Crash
        {
            // Refused: what is tried next is another, smaller one.
            self.saved = false;
        }
        finished
    }

    async fn release(&mut self) -> Result<()> {
        self.claim.release().await
    }
}
