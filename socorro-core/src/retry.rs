//! Transactions: work on a storage that is tried again while the storage does not answer.
//!
//! These are Socorro's `TransactionExecutor` (once), `...WithLimitedBackoff` and
//! `...WithInfiniteBackoff` in one type. A transaction must bear being run twice: an error may
//! leave open whether it was carried out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::future::{Retry, Sleeper};
use serde::{Deserialize, Serialize};
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
#[derive(Debug, Clone)]
pub struct TransactionExecutor {
    options: TransactionOptions,
    stop: CancellationToken,
}

impl TransactionExecutor {
    /// An executor; once `stop` is cancelled it waits no longer and tries nothing again.
    pub fn new(options: TransactionOptions, stop: CancellationToken) -> Self {
        Self { options, stop }
    }

    /// Runs a transaction until it succeeds, fails for a reason that waiting does not mend, or the
    /// delays are used up. The error is that of the last try.
    pub async fn run<T, F>(&self, name: &str, mut transaction: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let last: Mutex<Option<StorageError>> = Mutex::new(None);
        let last = || last.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = || {
            // Stopped while waiting: give back what the last try said.
            let next = match last().take_if(|_| self.stop.is_cancelled()) {
                Some(error) => Err(error),
                None => Ok(transaction()),
            };
            async {
                match next {
                    Ok(transaction) => transaction.await.map_err(to_backoff),
                    Err(error) => Err(backoff::Error::permanent(error)),
                }
            }
        };
        let notify = |error: StorageError, wait: Duration| {
            warn!(transaction = name, %error, wait_seconds = wait.as_secs_f64(), "failed, will try again");
            *last() = Some(error);
        };
        Retry::new(
            StoppableSleep(self.stop.clone()),
            self.delays(),
            notify,
            operation,
        )
        .await
    }

    fn delays(&self) -> Delays {
        Delays {
            options: self.options.clone(),
            next: 0,
            stop: self.stop.clone(),
        }
    }
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
    use std::sync::atomic::{AtomicUsize, Ordering};

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
}
