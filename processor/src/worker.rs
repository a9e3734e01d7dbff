//! Claims crashes, processes them, stores the results: a short loop over what can come of it.

use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use socorro_core::crash_id::CrashId;
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::retry::TransactionExecutor;
use socorro_core::service::{Context, Error};
use socorro_core::storage::open::PrimaryStorage;
use socorro_core::storage::{Blame, Claim, Finish, Result};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::config::Options;
use crate::making::Maker;
use crate::metrics::Metrics;

/// Processes the crashes of one queue, several at a time.
#[derive(Debug, Clone)]
pub struct Processor {
    primary: PrimaryStorage,
    options: Options,
    maker: Maker,
    executor: TransactionExecutor,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// What came of looking for work.
#[derive(Debug)]
pub enum Step {
    /// A crash was claimed and is being processed; ends when its result is stored.
    Began(JoinHandle<()>),
    /// Nothing waits.
    Idle,
    /// The queue could not be read.
    Failed,
}

type SharedClaim = Arc<Mutex<Box<dyn Claim>>>;

impl Processor {
    /// A processor of this configuration; an error if a list that it names can't be read.
    pub fn new(context: &Context<Options>, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let mut options = context.own.clone();
        if options.workers == 0 {
            options.workers = std::thread::available_parallelism().map_or(1, NonZero::get);
        }
        let transactions = context.shared.transactions.clone();
        let lists = context.shared.signature.load()?;
        let primary = PrimaryStorage::new(&context.shared);
        let storage = Arc::clone(&primary.storage);
        Ok(Self {
            maker: Maker::new(
                storage,
                context.shared.storage.host(),
                &options,
                lists,
                &metrics,
            )?,
            primary,
            options,
            executor: TransactionExecutor::new(transactions, context.stop.clone()),
            metrics,
            stop: context.stop.clone(),
        })
    }

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
            match self.step().await {
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

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Looks for a crash once, and begins to process it.
    pub async fn step(&self) -> Step {
        self.begin(self.primary.queue.claim().await)
    }

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

    async fn process(&self, claim: Box<dyn Claim>) {
        let (id, attempt, started) = (claim.id(), claim.attempt(), Instant::now());
        let in_progress = InProgress::count(&self.metrics.in_progress);
        let claim: SharedClaim = Arc::new(Mutex::new(claim));
        let lost = CancellationToken::new();
        // Ends with this task, however that ends.
        let renewing = AbortOnDropHandle::new(tokio::spawn(renew(
            Arc::clone(&claim),
            self.options.renew_interval.get(),
            lost.clone(),
        )));
        let outcome = tokio::select! {
            outcome = self.make_and_store(&id, attempt, &claim) => outcome,
            () = lost.cancelled() => Ok(Finish::TakenOver),
        };
        drop(renewing);
        drop(in_progress);
        match outcome {
            Ok(Finish::Stored) => {
                let seconds = started.elapsed().as_secs_f64();
                self.metrics.duration.observe(seconds);
                self.metrics.processed.inc();
                info!(%id, attempt, seconds, "processed");
            }
            Ok(Finish::TakenOver) => {
                self.metrics.taken_over.inc();
                warn!(%id, attempt, "another processor has taken it over, the result was dropped");
            }
            Err(error) => {
                self.metrics.storage_errors.inc();
                warn!(%id, attempt, %error, "put back into the queue");
                self.put_back(&id, &claim).await;
            }
        }
    }

    /// Puts a crash back, and waits for the storage with it: a claim that runs out counts as an
    /// attempt, and an outage is no fault of the crash.
    async fn put_back(&self, id: &CrashId, claim: &SharedClaim) {
        loop {
            let released = claim.lock().await.release().await;
            self.pause(AFTER_FAILURE).await;
            match released {
                Ok(()) => return,
                Err(error) if error.blame() == Blame::Moment && !self.stop.is_cancelled() => {
                    warn!(%id, %error, "can't put it back yet");
                }
                Err(error) => {
                    return warn!(%id, %error, "can't put it back, its claim will run out");
                }
            }
        }
    }

    async fn make_and_store(
        &self,
        id: &CrashId,
        attempt: u32,
        claim: &SharedClaim,
    ) -> Result<Finish> {
        let processed = match attempt > self.options.max_attempts {
            true => {
                self.metrics.given_up.inc();
                let note = format!("given up: {} attempts ended early", attempt - 1);
                self.maker.without_dumps(id, note).await?
            }
            false => self.maker.make(id).await?,
        };
        if processed.get(key::SUCCESS) == Some(&false.into()) {
            self.metrics.failed.inc();
        }
        match self.store(claim, &processed).await {
            Err(error) if error.blame() == Blame::Crash && !error.is_not_found() => {
                // Too large, most likely: what can be said without the dumps is stored instead.
                error!(%id, %error, "the processed crash was refused");
                let note = format!("the storage refused the processed crash: {error}");
                let smaller = self.maker.without_dumps(id, note).await?;
                self.store(claim, &smaller).await
            }
            other => other,
        }
    }

    async fn store(&self, claim: &SharedClaim, processed: &ProcessedCrash) -> Result<Finish> {
        let finish = || async { claim.lock().await.finish(processed).await };
        self.executor.run("store the processed crash", finish).await
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

/// Counts a crash as long as it is worked on.
struct InProgress(Gauge);

impl InProgress {
    fn count(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How often requests alone are looked for while there is no slot, or nothing to do.
const REQUESTS_EVERY: Duration = Duration::from_millis(500);

/// After a look at the queue that found nothing: so many times as long as it took. In a queue from which
/// very much was deleted lately it takes long, and loads the server.
const REST: u32 = 10;
const LONGEST_REST: Duration = Duration::from_secs(15);

/// After a storage that did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

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

/// Renews a claim until aborted, or until the crash is another's: then cancels `lost`.
async fn renew(claim: SharedClaim, interval: Duration, lost: CancellationToken) {
    loop {
        tokio::time::sleep(interval).await;
        match claim.lock().await.renew().await {
            Ok(true) => {}
            Ok(false) => return lost.cancel(),
            // The lease is several intervals long: the next try may do.
            Err(error) => warn!(%error, "can't renew a claim"),
        }
    }
}
