//! One run: every waiting crash into the primary storage, several at a time.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socorro_core::crash_id::CrashId;
use socorro_core::retry::TransactionExecutor;
use socorro_core::service::Context;
use socorro_core::storage::filesystem::LeftAlone;
use socorro_core::storage::open::{Spool, destination};
use socorro_core::storage::{Blame, CrashStorage, StorageError};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::config::Options;
use crate::metrics::Metrics;

/// How often a terminal shows how far a run is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Moves crashes from the spool into the primary storage.
#[derive(Debug, Clone)]
pub struct Mover {
    spool: Spool,
    source: Arc<dyn CrashStorage>,
    destination: Arc<dyn CrashStorage>,
    executor: TransactionExecutor,
    workers: usize,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// What one run did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Crashes moved.
    pub moved: u64,
    /// Bytes of their dumps.
    pub bytes: u64,
    /// Crashes that could not be moved.
    pub failed: u64,
    /// Places in the spool that were left alone.
    pub left_alone: LeftAlone,
    /// The run ended before its walk did.
    pub cut_short: bool,
    elapsed: Duration,
}

/// The tally while the run goes on.
#[derive(Debug, Default)]
struct Tally {
    moved: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    cut_short: AtomicBool,
    refused_in_a_row: AtomicU64,
}

/// So many crashes refused in a row, and none moved in between, speak against the storage.
const MAX_REFUSED: u64 = 3;

impl Mover {
    /// A mover between the spool and the destination of this configuration.
    pub fn new(context: &Context<Options>, spool: &Spool, metrics: Arc<Metrics>) -> Self {
        let transactions = context.shared.transactions.clone();
        Self {
            spool: spool.clone(),
            source: spool.storage.clone(),
            destination: destination(&context.shared),
            executor: TransactionExecutor::new(transactions, context.stop.clone()),
            workers: context.own.workers.max(1),
            metrics,
            stop: context.stop.clone(),
        }
    }

    /// Moves all crashes that wait. Ends early when the storage stays away or its set-up is wrong:
    /// the next run finds what remains.
    pub async fn run(&self) -> Summary {
        let started = Instant::now();
        let tally = Arc::new(Tally::default());
        let end = self.stop.child_token();
        let ids = self.walk(&end, &tally);
        // Whoever ends the run ends the others' waiting, too.
        let mover = Self {
            executor: self.executor.stopped_by(end.clone()),
            ..self.clone()
        };
        let workers = (0..self.workers).map(|_| {
            let (mover, ids) = (mover.clone(), Arc::clone(&ids));
            let (end, tally) = (end.clone(), Arc::clone(&tally));
            tokio::spawn(async move { mover.work(&ids, &end, &tally).await })
        });
        let workers: Vec<_> = workers.collect();
        let progress = show_progress(&tally, started);
        for worker in workers {
            if let Err(panic) = worker.await {
                error!(%panic, "a worker broke down; its crash stays in the spool");
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let Some(progress) = progress {
            progress.abort();
            eprint!("\r\x1b[K");
        }
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default();
        self.metrics.last_run.set(now.as_secs_f64());
        let left_alone = self.spool.left_alone();
        self.metrics
            .left_alone
            .set(i64::try_from(left_alone.total()).unwrap_or(i64::MAX));
        Summary {
            moved: tally.moved.load(Ordering::Relaxed),
            bytes: tally.bytes.load(Ordering::Relaxed),
            failed: tally.failed.load(Ordering::Relaxed),
            left_alone,
            cut_short: tally.cut_short.load(Ordering::Relaxed) || end.is_cancelled(),
            elapsed: started.elapsed(),
        }
    }

    /// Walks the spool on a thread of its own. The short queue keeps memory flat whatever waits.
    fn walk(
        &self,
        end: &CancellationToken,
        tally: &Arc<Tally>,
    ) -> Arc<Mutex<mpsc::Receiver<CrashId>>> {
        let (sender, ids) = mpsc::channel(2 * self.workers);
        let (source, end, tally) = (self.source.clone(), end.clone(), Arc::clone(tally));
        tokio::task::spawn_blocking(move || {
            let walk = match source.new_crashes() {
                Ok(walk) => walk,
                Err(error) => {
                    error!(%error, "can't walk the spool");
                    return tally.cut_short.store(true, Ordering::Relaxed);
                }
            };
            for id in walk {
                match id {
                    _ if end.is_cancelled() => return,
                    Ok(id) => {
                        if sender.blocking_send(id).is_err() {
                            return;
                        }
                    }
                    // Its tree counts it, and has logged it once.
                    Err(error) => debug!(%error, "can't walk a part of the spool"),
                }
            }
        });
        Arc::new(Mutex::new(ids))
    }

    async fn work(
        &self,
        ids: &Mutex<mpsc::Receiver<CrashId>>,
        end: &CancellationToken,
        tally: &Tally,
    ) {
        while !end.is_cancelled() {
            let Some(id) = ids.lock().await.recv().await else {
                return;
            };
            match self.move_one(&id).await {
                Ok(bytes) => {
                    debug!(%id, size_bytes = bytes, "moved");
                    self.metrics.moved.inc();
                    self.metrics.moved_bytes.inc_by(bytes);
                    tally.moved.fetch_add(1, Ordering::Relaxed);
                    tally.refused_in_a_row.store(0, Ordering::Relaxed);
                    tally.bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Err(fault) if fault.error().is_not_found() => {
                    debug!(%id, "somebody else has taken it");
                }
                Err(fault) => {
                    self.metrics.failed.inc();
                    tally.failed.fetch_add(1, Ordering::Relaxed);
                    let error = fault.error();
                    if fault.is_about_the_crash() {
                        self.set_aside(&id, error).await;
                        if tally.refused_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_REFUSED
                        {
                            error!(
                                "{MAX_REFUSED} crashes in a row were refused: is it the storage? The run ends"
                            );
                            end.cancel();
                        }
                    } else if fault.ends_the_run() {
                        error!(%id, %error, "left in the spool, and the run ends");
                        end.cancel();
                    } else {
                        error!(%id, %error, "left in the spool");
                    }
                }
            }
        }
    }

    async fn set_aside(&self, id: &CrashId, error: &StorageError) {
        match self.spool.set_aside(id, &error.to_string()).await {
            Ok(()) => error!(%id, %error, "set aside in `rejected`"),
            Err(failed) => error!(%id, %error, %failed, "left in the spool, can't be set aside"),
        }
    }

    /// Moves one crash; returns the size of its dumps in bytes. The source goes last.
    async fn move_one(&self, id: &CrashId) -> Result<u64, Fault> {
        let raw = self.source.get_raw_crash(id).await.map_err(Fault::Source)?;
        let dumps = self.source.get_dumps(id).await.map_err(Fault::Source)?;
        let save = || self.destination.save_raw_crash(id, &raw, &dumps);
        let saved = self.executor.run("save in the primary storage", save).await;
        saved.map_err(Fault::Destination)?;
        let bytes = dumps.values().filter_map(|dump| dump.size().ok()).sum();
        self.source.remove(id).await.map_err(Fault::Source)?;
        Ok(bytes)
    }
}

/// Which side a crash could not be moved for.
#[derive(Debug)]
enum Fault {
    /// It can't be read or removed: others may well be.
    Source(StorageError),
    /// It can't be stored.
    Destination(StorageError),
}

impl Fault {
    fn error(&self) -> &StorageError {
        match self {
            Self::Source(error) | Self::Destination(error) => error,
        }
    }

    /// Whether the crash itself is the reason, be it that it can't be read or that it is refused.
    fn is_about_the_crash(&self) -> bool {
        self.error().blame() == Blame::Crash
    }

    /// Whether the next crash would fare no better.
    fn ends_the_run(&self) -> bool {
        matches!(self, Self::Destination(_))
    }
}

fn show_progress(tally: &Arc<Tally>, started: Instant) -> Option<tokio::task::JoinHandle<()>> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let tally = Arc::clone(tally);
    Some(tokio::spawn(async move {
        loop {
            tokio::time::sleep(PROGRESS_EVERY).await;
            let moved = tally.moved.load(Ordering::Relaxed);
            let rate = moved as f64 / started.elapsed().as_secs_f64();
            eprint!("\r\x1b[Kmoved {moved} crashes, {rate:.0} a second");
            // A terminal that can't be written to misses nothing.
            let _ = std::io::stderr().flush();
        }
    }))
}

impl Summary {
    /// Whether crashes remain in the spool, or may remain where it can't be read.
    pub fn crashes_remain(&self) -> bool {
        self.ended_badly() || self.left_alone.unreadable > 0
    }

    /// Whether another run at once would fare no better.
    pub(crate) fn ended_badly(&self) -> bool {
        self.failed > 0 || self.cut_short
    }

    pub(crate) fn did_something(&self) -> bool {
        self.moved > 0 || self.ended_badly()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            moved,
            bytes,
            failed,
            left_alone,
            cut_short,
            elapsed,
        } = self;
        let left_places = |f: &mut fmt::Formatter<'_>| match left_alone.total() {
            0 => Ok(()),
            _ => write!(f, ", left alone: {left_alone}"),
        };
        if !self.did_something() {
            f.write_str(match left_alone.total() {
                0 => "the spool is empty, nothing to move",
                _ => "nothing to move",
            })?;
            return left_places(f);
        }
        let (megabytes, seconds) = (*bytes as f64 / 1e6, elapsed.as_secs_f64());
        write!(
            f,
            "moved {moved} crashes ({megabytes:.1} MB of dumps) in {seconds:.1} s"
        )?;
        if *failed > 0 {
            write!(f, ", {failed} could not be moved")?;
        }
        if *cut_short {
            f.write_str(", the run ended early: run it again")?;
        }
        left_places(f)
    }
}
