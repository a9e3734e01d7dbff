//! Transactions: work on a storage that is tried again while the storage does not answer.
//!
//! These are Socorro's `TransactionExecutor` (once), `...WithLimitedBackoff` and
//! `...WithInfiniteBackoff` in one type. A transaction must bear being run twice: an error may
//! leave open whether it was carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::future::{Retry, Sleeper};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Period;
use crate::storage::{Blame, Result, StorageError};

/// The section `[transactions]`: how work on a storage that does not answer is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransactionOptions {
    /// What happens after a failure that may pass: `once` gives up, `limited` waits through the
    /// list of delays and then gives up, `endless` repeats the last delay for ever.
    pub backoff: BackoffKind,
    /// The waiting times between tries.
    pub delays: Vec<Period>,
    /// Each waiting time is lengthened or shortened at random by up to this share, 0 to 1.
    pub jitter: f64,
}

/// How often a transaction is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackoffKind {
    /// One try.
    Once,
    /// As many tries as there are delays, and one.
    Limited,
    /// Until it is done.
    Endless,
}

impl Default for TransactionOptions {
    fn default() -> Self {
        Self {
            backoff: BackoffKind::Limited,
            delays: [10, 30, 60, 120, 300].map(Period::from_secs).into(),
            jitter: 0.1,
        }
    }
}

/// Runs transactions, and tries them again as configured.
///
/// Clones share one gate: while a transaction waits to try again, the others wait behind it, and it
/// alone probes the storage. When it gets through, all go on at once.
#[derive(Debug, Clone)]
pub struct TransactionExecutor {
    options: TransactionOptions,
    stop: CancellationToken,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// Held by the transaction that probes.
    probe: Arc<AsyncMutex<()>>,
    /// How often the storage was found to be well again.
    recoveries: AtomicU64,
}

impl TransactionExecutor {
    /// An executor; once `stop` is cancelled it waits no longer and tries nothing again.
    pub fn new(options: TransactionOptions, stop: CancellationToken) -> Self {
        Self {
            options,
            stop,
            gate: Arc::default(),
        }
    }

    /// The same executor, with the same gate, that also stops when `stop` is cancelled.
    pub fn stopped_by(&self, stop: CancellationToken) -> Self {
        Self {
            stop,
            ..self.clone()
        }
    }

    /// Runs a transaction until it succeeds, fails for a reason that waiting does not mend, or the
    /// delays are used up. The error is that of the last try.
    pub async fn run<T, F>(&self, name: &str, transaction: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        // `Retry` wants closures that share what one transaction knows.
        let transaction = AsyncMutex::new(Attempts {
            transaction,
            probing: None,
            last: None,
        });
        let notify = |error: StorageError, wait: Duration| {
            warn!(transaction = name, %error, wait_seconds = wait.as_secs_f64(), "failed, will try again");
            // Unwrap safety: between tries nobody else has it.
            transaction.try_lock().unwrap().last = Some(error);
        };
        let operation = || async {
            let mut attempts = transaction.lock().await;
            // Stopped while waiting: give back what the last try said.
            if let Some(error) = attempts.last.take_if(|_| self.stop.is_cancelled()) {
                return Err(backoff::Error::permanent(error));
            }
            self.attempt(&mut attempts).await.map_err(to_backoff)
        };
        Retry::new(
            StoppableSleep(self.stop.clone()),
            self.delays(),
            notify,
            operation,
        )
        .await
    }

    /// Tries once; and once more, at once, whenever another has found the storage well meanwhile.
    async fn attempt<T, F>(&self, attempts: &mut Attempts<impl FnMut() -> F>) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        if attempts.probing.is_none() {
            // While somebody probes, wait for what comes of it.
            drop(self.probe().await);
        }
        loop {
            let recoveries = self.gate.recoveries.load(Ordering::Relaxed);
            let result = (attempts.transaction)().await;
            match &result {
                Err(error) if error.blame() == Blame::Moment => {}
                _ => {
                    if attempts.probing.take().is_some() {
                        self.gate.recoveries.fetch_add(1, Ordering::Relaxed);
                    }
                    return result;
                }
            }
            if attempts.probing.is_some() {
                return result;
            }
            let probe = self.probe().await;
            if probe.is_none() || recoveries == self.gate.recoveries.load(Ordering::Relaxed) {
                attempts.probing = probe;
                return result;
            }
        }
    }

    /// Waits to be the one that probes; `None` after the stop.
    async fn probe(&self) -> Option<OwnedMutexGuard<()>> {
        tokio::select! {
            probe = Arc::clone(&self.gate.probe).lock_owned() => Some(probe),
            () = self.stop.cancelled() => None,
        }
    }

    fn delays(&self) -> Delays {
        Delays {
            options: self.options.clone(),
            next: 0,
            stop: self.stop.clone(),
        }
    }
}

/// One transaction while it is tried.
struct Attempts<T> {
    transaction: T,
    /// Held while this transaction is the one that probes.
    probing: Option<OwnedMutexGuard<()>>,
    last: Option<StorageError>,
}

fn to_backoff(error: StorageError) -> backoff::Error<StorageError> {
    match error.blame() {
        Blame::Moment => backoff::Error::transient(error),
        Blame::Crash | Blame::Store => backoff::Error::permanent(error),
    }
}

/// The waiting times of one transaction.
struct Delays {
    options: TransactionOptions,
    next: usize,
    stop: CancellationToken,
}

impl Backoff for Delays {
    fn reset(&mut self) {
        self.next = 0;
    }

    fn next_backoff(&mut self) -> Option<Duration> {
        let delays = &self.options.delays;
        let delay = match self.options.backoff {
            BackoffKind::Once => None,
            BackoffKind::Limited => delays.get(self.next),
            BackoffKind::Endless => delays.get(self.next).or(delays.last()),
        };
        let delay = delay.filter(|_| !self.stop.is_cancelled())?;
        self.next += 1;
        let share = self.options.jitter.clamp(0.0, 1.0) * (2.0 * fastrand::f64() - 1.0);
        Some(delay.get().mul_f64(1.0 + share))
    }
}

struct StoppableSleep(CancellationToken);

impl Sleeper for StoppableSleep {
    type Sleep = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        let stop = self.0.clone();
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = stop.cancelled() => {}
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use super::*;

    fn executor(backoff: BackoffKind, delays: &[u64]) -> TransactionExecutor {
        let delays = delays
            .iter()
            .map(|ms| Period::from(Duration::from_millis(*ms)))
            .collect();
        let options = TransactionOptions {
            backoff,
            delays,
            jitter: 0.0,
        };
        TransactionExecutor::new(options, CancellationToken::new())
    }

    fn failure() -> StorageError {
        let source = "connection refused".into();
        StorageError::Unavailable {
            store: "test",
            operation: "save".into(),
            source,
        }
    }

    /// Runs a transaction that fails `failures` times; tells its result and the number of tries.
    async fn tries(executor: &TransactionExecutor, failures: usize) -> (Result<()>, usize) {
        let count = AtomicUsize::new(0);
        let result = executor
            .run("test", || async {
                match count.fetch_add(1, Ordering::Relaxed) < failures {
                    true => Err(failure()),
                    false => Ok(()),
                }
            })
            .await;
        (result, count.into_inner())
    }

    #[tokio::test]
    async fn once_tries_once() {
        let (result, tries) = tries(&executor(BackoffKind::Once, &[1]), 9).await;
        assert!(result.is_err());
        assert_eq!(tries, 1);
    }

    #[tokio::test]
    async fn limited_tries_once_more_than_it_has_delays() {
        let executor = executor(BackoffKind::Limited, &[1, 1]);
        assert_eq!(tries(&executor, 9).await.1, 3);
        let (result, tries) = tries(&executor, 2).await;
        assert!(result.is_ok());
        assert_eq!(tries, 3);
    }

    #[tokio::test]
    async fn endless_goes_on_until_it_is_done() {
        let (result, tries) = tries(&executor(BackoffKind::Endless, &[1]), 20).await;
        assert!(result.is_ok());
        assert_eq!(tries, 21);
    }

    #[tokio::test]
    async fn what_waiting_does_not_mend_is_not_tried_again() {
        let count = AtomicUsize::new(0);
        let result: Result<()> = executor(BackoffKind::Endless, &[1])
            .run("test", || async {
                count.fetch_add(1, Ordering::Relaxed);
                Err(StorageError::Unsupported {
                    store: "test",
                    operation: "save",
                })
            })
            .await;
        assert!(result.is_err());
        assert_eq!(count.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_stop_ends_the_waiting_with_the_last_error() {
        let executor = executor(BackoffKind::Endless, &[3_600_000]);
        let stop = executor.stop.clone();
        let running = tokio::spawn(async move { tries(&executor, 9).await });
        while !running.is_finished() {
            stop.cancel();
            tokio::task::yield_now().await;
        }
        let (result, tries) = running.await.unwrap();
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("connection refused")
        );
        assert_eq!(tries, 1);
    }

    #[tokio::test]
    async fn in_an_outage_one_probes_and_the_others_wait_and_then_all_go_on_at_once() {
        let executor = executor(BackoffKind::Endless, &[20]);
        let well = Arc::new(AtomicBool::new(false));
        let tries = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..10)
            .map(|_| {
                let (executor, well, tries) = (executor.clone(), well.clone(), tries.clone());
                tokio::spawn(async move {
                    let transaction = || async {
                        tries.fetch_add(1, Ordering::Relaxed);
                        well.load(Ordering::Relaxed)
                            .then_some(())
                            .ok_or_else(failure)
                    };
                    executor.run("test", transaction).await
                })
            })
            .collect();
        // Each may fail once before it meets the gate; from then on one of them probes.
        while tries.load(Ordering::Relaxed) < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = tries.load(Ordering::Relaxed);
        well.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.await.unwrap().unwrap();
        }
        let after = tries.load(Ordering::Relaxed) - before;
        assert!(
            after <= 11,
            "ten that go on, and at most one that was under way: {after}"
        );
    }
}
