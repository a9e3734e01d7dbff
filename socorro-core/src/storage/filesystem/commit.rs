//! Group commit: many writers of one file system share each `syncfs`.
//!
//! A crash is durable after two commits: one after its files are written, so that their data is on
//! disk before any name leads to it, and one after they are renamed and linked. While one `syncfs`
//! runs, writers that come gather for the next. Only documented calls are relied upon: `syncfs`
//! waits for data and metadata, and since Linux 5.8 tells errors that came since its descriptor
//! was opened.

use std::fs::File;
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
    waiting: Vec<oneshot::Sender<Result<(), std::io::ErrorKind>>>,
    /// After so many more syncs one fails.
    #[cfg(test)]
    fails_after: Option<u32>,
}

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
        let (done, wait) = oneshot::channel();
        let lead = {
            let mut state = self.0.state();
            state.waiting.push(done);
            !std::mem::replace(&mut state.running, true)
        };
        if lead {
            let inner = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || inner.sync_until_nobody_waits());
        }
        // A sender is dropped unused only when the runtime is torn down.
        let synced = wait.await.unwrap_or(Err(std::io::ErrorKind::Interrupted));
        let failed_meanwhile = self.has_failed_since(since);
        match synced {
            Ok(()) if failed_meanwhile => Err(std::io::Error::other("an earlier sync failed")),
            other => other.map_err(std::io::Error::from),
        }
        .at("sync the file system of", &self.0.path)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self) -> Result<(), std::io::ErrorKind> {
        #[cfg(test)]
        if let Some(left) = &mut self.state().fails_after {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => {
                    *left = u32::MAX;
                    return Err(std::io::ErrorKind::Other);
                }
            }
        }
        rustix::fs::syncfs(&self.root).map_err(|error| error.kind())
    }

    fn sync_until_nobody_waits(&self) {
        loop {
            let batch = {
                let mut state = self.state();
                let batch = std::mem::take(&mut state.waiting);
                state.running = !batch.is_empty();
                batch
            };
            if batch.is_empty() {
                return;
            }
            let synced = self.sync();
            if synced.is_err() {
                self.failures.add_one();
            }
            for waiter in batch {
                // A writer that no longer waits needs no answer.
                let _ = waiter.send(synced);
            }
        }
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
