//! Claims crashes: a short loop over what can come of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socorro_core::storage::open::PrimaryStorage;
use socorro_core::storage::{Claim, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{AFTER_FAILURE, Processor};

/// What came of looking for work.
enum Step {
    /// A crash was claimed and is being processed; ends when its result is stored.
    Began(JoinHandle<()>),
    /// Nothing waits.
    Idle,
    /// The queue could not be read.
    Failed,
}

/// How often requests alone are looked for while there is no slot, or nothing to do.
const REQUESTS_EVERY: Duration = Duration::from_millis(500);

/// After a look at the queue that found nothing: so many times as long as it took. In a queue from which
/// very much was deleted lately it takes long, and loads the server.
const REST: u32 = 10;
const LONGEST_REST: Duration = Duration::from_secs(15);

impl Processor {
    /// Processes crashes until the stop; then ends what is begun.
    pub async fn run(&self) {
        tokio::spawn(keep_counts(self.primary.clone(), self.stop.clone()));
        let slots = Arc::new(Semaphore::new(self.options.workers));
        let reserve = Arc::new(Semaphore::new(1));
        info!(workers = self.options.workers, "waiting for crashes");
        while !self.stop.is_cancelled() {
            let free = Arc::clone(&slots).acquire_owned();
            let Some(slot) = self.serve_requests_until(free, &reserve).await else {
                break;
            };
            let looked = Instant::now();
            match self.begin(self.primary.queue.claim().await) {
                // Unwrap safety: no semaphore is ever closed.
                Step::Began(work) => see_off(work, slot.unwrap()),
                Step::Idle => {
                    let poll = self.options.poll_interval.get();
                    let rest = (looked.elapsed() * REST).min(LONGEST_REST).max(poll);
                    let rest = tokio::time::sleep(rest);
                    self.serve_requests_until(rest, &reserve).await;
                }
                Step::Failed => self.pause(AFTER_FAILURE).await,
            }
        }
        // All slots are free when all work has ended. Unwrap safety: as above.
        let all = u32::try_from(self.options.workers).unwrap_or(u32::MAX);
        drop(slots.acquire_many(all).await.unwrap());
        drop(reserve.acquire().await.unwrap());
    }

    /// Waits for something, and meanwhile begins what somebody asks for, in a reserve for one crash:
    /// whatever all workers are busy with, and for how long. `None` after the stop.
    async fn serve_requests_until<T>(
        &self,
        ready: impl Future<Output = T>,
        reserve: &Arc<Semaphore>,
    ) -> Option<T> {
        let mut ready = pin!(ready);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                ready = &mut ready => return Some(ready),
                () = tokio::time::sleep(REQUESTS_EVERY) => {}
            }
            let Ok(slot) = Arc::clone(reserve).try_acquire_owned() else {
                continue;
            };
            match self.begin(self.primary.queue.claim_requested().await) {
                Step::Began(work) => see_off(work, slot),
                Step::Idle => {}
                Step::Failed => self.pause(AFTER_FAILURE).await,
            }
        }
    }

    /// Begins to process what was claimed.
    fn begin(&self, claimed: Result<Option<Box<dyn Claim>>>) -> Step {
        match claimed {
            Ok(Some(claim)) => {
                let processor = self.clone();
                Step::Began(tokio::spawn(async move { processor.process(claim).await }))
            }
            Ok(None) => Step::Idle,
            Err(error) => {
                self.metrics.storage_errors.inc();
                warn!(%error, wait_seconds = AFTER_FAILURE.as_secs(), "can't read the queue");
                Step::Failed
            }
        }
    }
}

/// Keeps the slot until the work has ended.
fn see_off(work: JoinHandle<()>, slot: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        if let Err(panic) = work.await {
            error!(%panic, "a worker broke down; its claim will run out");
        }
        drop(slot);
    });
}

/// How often a processor looks for counts that are to be brought up to date.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Helps to keep the counts of a primary storage that has some, until the stop.
async fn keep_counts(primary: PrimaryStorage, stop: CancellationToken) {
    let Some(hbase) = primary.hbase else { return };
    while !stop.is_cancelled() {
        if let Err(error) = hbase.keep_counts().await {
            warn!(%error, "can't bring the counts up to date now");
        }
        tokio::select! {
            () = tokio::time::sleep(COUNT_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}
