//! Group commit: many writers of one file system share each `syncfs`.
//!
//! A crash is durable after two commits: one after its files are written, so that their data is on
//! disk before any name leads to it, and one after they are renamed and linked. While one `syncfs`
//! runs, writers that come gather for the next, which serves the first commit of some crashes and the
//! second of others. The thread that syncs also gives the names in between: a crash changes threads
//! twice. Only documented calls are relied upon: `syncfs` waits for data and metadata, and since Linux
//! 5.8 tells errors that came since its descriptor was opened.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::storage::error::{AtPath, FsError};

/// Makes what was written to one file system durable.
#[derive(Debug, Clone)]
pub(super) struct Committer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Opened before anything is written, so that no write's error can be missed.
    root: File,
    path: PathBuf,
    failures: Failures,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    waiting: Vec<Waiting>,
    /// After so many more syncs one fails.
    #[cfg(test)]
    fails_after: Option<u32>,
}

/// A writer that waits for the next sync.
struct Waiting {
    since: Since,
    /// What gives the files their names, after which another sync is needed.
    place: Option<Place>,
    done: oneshot::Sender<Result<(), FsError>>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

type Place = Box<dyn FnOnce() -> Result<(), FsError> + Send>;

/// How many syncs of a file system have failed, whichever committer it was: one that is opened later is
/// not told what an earlier one has been told.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(Arc<AtomicU64>);

impl Failures {
    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn add_one(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The moment before a writer's first write. A sync that fails after it concerns the writer, even
/// if a later sync succeeds: the kernel tells an error once and then forgets the data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since(u64);

impl Committer {
    /// A committer for the file system of this directory.
    pub(super) fn open(root: &Path, failures: &Failures) -> Result<Self, FsError> {
        let file = File::open(root).at("open", root)?;
        Ok(Self(Arc::new(Inner {
            root: file,
            path: root.to_owned(),
            failures: failures.clone(),
            state: Mutex::default(),
        })))
    }

    /// To be called before the first write that [`Self::commit`] is to cover.
    pub(super) fn begin(&self) -> Since {
        Since(self.0.failures.count())
    }

    /// Whether a sync has failed since then.
    pub(super) fn has_failed_since(&self, since: Since) -> bool {
        self.0.failures.count() != since.0
    }

    #[cfg(test)]
    pub(super) fn fail_after(&self, syncs: u32) {
        self.0.state().fails_after = Some(syncs);
    }

    /// Returns when all that was written before the call is on stable storage. An error if any
    /// sync failed since `since`; the writes must then count as lost.
    pub(super) async fn commit(&self, since: Since) -> Result<(), FsError> {
        self.wait(since, None).await
    }

    /// Commits what was written, does `place`, and commits that. An error of `place` is returned; what
    /// it did before is then not committed.
    pub(super) async fn commit_and_place(
        &self,
        since: Since,
        place: impl FnOnce() -> Result<(), FsError> + Send + 'static,
    ) -> Result<(), FsError> {
        self.wait(since, Some(Box::new(place))).await
    }

    async fn wait(&self, since: Since, place: Option<Place>) -> Result<(), FsError> {
        let (done, wait) = oneshot::channel();
        let lead = {
            let mut state = self.0.state();
            state.waiting.push(Waiting { since, place, done });
            !std::mem::replace(&mut state.running, true)
        };
        if lead {
            let inner = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || inner.sync_until_nobody_waits());
        }
        // A sender is dropped unused only when `place` panics or the runtime is torn down.
        let broken = || Err(std::io::Error::from(ErrorKind::Interrupted)).at("sync", &self.0.path);
        wait.await.unwrap_or_else(|_| broken())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self) -> std::io::Result<()> {
        #[cfg(test)]
        if let Some(left) = &mut self.state().fails_after {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => {
                    *left = u32::MAX;
                    return Err(ErrorKind::Other.into());
                }
            }
        }
        Ok(rustix::fs::syncfs(&self.root)?)
    }

    fn sync_until_nobody_waits(&self) {
        let mut placed = Vec::new();
        loop {
            let mut batch = {
                let mut state = self.state();
                placed.append(&mut state.waiting);
                state.running = !placed.is_empty();
                std::mem::take(&mut placed)
            };
            if batch.is_empty() {
                return;
            }
            let synced = self.sync();
            if synced.is_err() {
                self.failures.add_one();
            }
            for waiting in batch.drain(..) {
                placed.extend(self.go_on(waiting, &synced));
            }
        }
    }

    /// Tells a writer that it is done or has failed, or takes the step that needs another sync.
    fn go_on(&self, waiting: Waiting, synced: &std::io::Result<()>) -> Option<Waiting> {
        let Waiting { since, place, done } = waiting;
        let synced = match synced {
            Err(error) => Err(error.kind().into()),
            Ok(()) if self.failures.count() != since.0 => {
                Err(std::io::Error::other("an earlier sync failed"))
            }
            Ok(()) => Ok(()),
        };
        let synced = synced.at("sync the file system of", &self.path);
        let result = match (synced, place) {
            (Ok(()), Some(place)) => {
                // Others wait for this thread: a panic ends only the save that it belongs to.
                match std::panic::catch_unwind(AssertUnwindSafe(place)).ok()? {
                    Ok(()) => {
                        return Some(Waiting {
                            since,
                            place: None,
                            done,
                        });
                    }
                    failed => failed,
                }
            }
            (result, _) => result,
        };
        // A writer that no longer waits needs no answer.
        let _ = done.send(result);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_writer_gets_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let committer = Committer::open(dir.path(), &Failures::default()).unwrap();
        let since = committer.begin();
        let all = (0..50).map(|_| {
            let committer = committer.clone();
            tokio::spawn(async move { committer.commit(since).await })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_sync_that_failed_after_a_writer_began_fails_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let failures = Failures::default();
        let committer = Committer::open(dir.path(), &failures).unwrap();
        let before = committer.begin();
        failures.add_one();
        assert!(committer.commit(before).await.is_err());
        assert!(committer.commit(committer.begin()).await.is_ok());
    }
}
