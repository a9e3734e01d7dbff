//! Long walks: a thread of its own reads, a bounded channel keeps it from running ahead, Ctrl-C ends
//! it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::civil::Date;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::context::Cli;
use crate::crash_id::CrashId;
use crate::service::Error;
use crate::storage::{Blame, CrashStorage, Result as StorageResult, blocking};

/// Items read ahead.
const AHEAD: usize = 1000;

/// Why a command ended early on Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

/// The items of a blocking iterator.
pub(super) struct Walk<T> {
    items: mpsc::Receiver<StorageResult<T>>,
    stop: CancellationToken,
    unreadable: u64,
}

impl<T: Send + 'static> Walk<T> {
    /// Walks what `begin` gives; both block, on threads of their own.
    pub(super) async fn start<I>(
        cli: &Cli,
        begin: impl FnOnce() -> StorageResult<I> + Send + 'static,
    ) -> Result<Self, Error>
    where
        I: Iterator<Item = StorageResult<T>> + Send + 'static,
    {
        let iterator = blocking(begin).await?;
        let (sender, items) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            for item in iterator {
                if sender.blocking_send(item).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            items,
            stop: cli.stop.clone(),
            unreadable: 0,
        })
    }

    /// The next item, `None` at the end. A place that can't be read is told at once, and is an
    /// error at the end: a result that may lack something must not look whole.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            let item = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Interrupted.into()),
                item = self.items.recv() => item,
            };
            match item {
                Some(Ok(item)) => return Ok(Some(item)),
                // A missing table, say: what follows won't be better.
                Some(Err(error)) if error.blame() == Blame::Store => return Err(error.into()),
                Some(Err(error)) => {
                    eprintln!("socorro: {error}");
                    self.unreadable += 1;
                }
                None if self.unreadable == 0 => return Ok(None),
                None => {
                    return Err(format!(
                        "not everything was met: {} of the places to look could not be read",
                        self.unreadable
                    )
                    .into());
                }
            }
        }
    }
}

/// Walks the crashes of those days.
pub(super) async fn crashes(
    cli: &Cli,
    storage: &Arc<dyn CrashStorage>,
    days: RangeInclusive<Date>,
) -> Result<Walk<CrashId>, Error> {
    let storage = Arc::clone(storage);
    Walk::start(cli, move || storage.crashes(days)).await
}
