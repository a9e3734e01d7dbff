//! Processes a crash that was claimed, and stores the result; `poll` claims.

mod poll;

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use socorro_core::crash_id::CrashId;
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::retry::TransactionExecutor;
use socorro_core::service::{Context, Error};
use socorro_core::storage::open::PrimaryStorage;
use socorro_core::storage::{Blame, Claim, Finish, Result};
use tokio::sync::Mutex;
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

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
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

/// After a storage that did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

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
