//! Where crashes are kept: two traits, and the storages that keep them.
//!
//! | storage | what it is | walk of waiting | walk of days | queue |
//! |---|---|---|---|---|
//! | [`filesystem::Tree`] | `FileSystemRawCrashStorage`: one tree of files; dated, the collector's spool | dated | yes | |
//! | [`filesystem::FileSystemCrashStorage`] | standard, deferred and processed trees: primary storage with no server | standard | yes | yes |
//! | [`hbase::HBaseCrashStorage`] | primary storage in HBase over Thrift | | yes | yes |
//! | [`deferred::DeferringCrashStorage`] | routes raw crashes by throttle result, processed ones to a third storage; two trees of it are `FileSystemThrottledCrashStorage` | standard's | both, if both can | |
//! | [`deferring_primary::DeferringPrimaryStorage`] | the same with the queue of its standard storage | standard's | both, if both can | standard's |
//! | [`fallback::FallbackCrashStorage`] | a second storage for when the first fails | both | both | |
//! | [`poly::PolyCrashStorage`] | the same crash into several storages; not read | | | |
//! | [`null::NullCrashStorage`] | accepts and forgets | nothing | nothing | |
//!
//! A fallback has no queue: its second storage's crashes would wait in none, or in one that no
//! processor reads. In the configuration, `named` gives storages names, `check` and `places` find
//! those that make no sense in their place, and `open` makes them.
//!
//! Storages know nothing of HTTP, and `filesystem` and `hbase` nothing of each other.

pub(crate) mod check;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod deferred;
pub mod deferring_primary;
pub mod error;
pub mod fallback;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
pub mod filesystem;
pub mod hbase;
pub mod named;
pub mod null;
pub mod open;
mod opener;
pub(crate) mod places;
pub mod poly;
pub mod spool_file;
#[cfg(test)]
mod tests;
pub(crate) mod trees;

use std::fmt;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::civil::Date;
use tokio::sync::Semaphore;

use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;
pub use error::{Blame, Result, StorageError};

/// Ids found by a walk, oldest first. The iterator blocks while it reads: drive it on a thread of
/// its own. An error is about one place; the walk goes on behind it.
pub type CrashIds = Box<dyn Iterator<Item = Result<CrashId>> + Send>;

/// Keeps crashes.
///
/// Whole or invisible: no reader ever sees a part of a save, whatever was killed when. All writes
/// are on stable storage when they return. All operations may be repeated, also after an error
/// that leaves the outcome open; repeating one undoes nothing that happened since.
#[async_trait]
pub trait CrashStorage: fmt::Debug + Send + Sync + 'static {
    /// The storage's name for messages.
    fn name(&self) -> &'static str;

    /// Stores a raw crash with its dumps, and queues it where the storage has a queue and
    /// throttling accepted the crash. A crash that is already there stays as it is: repeating a
    /// save does not queue again what was processed since. One that was removed is stored anew, or
    /// refused: a save that succeeds can be read back.
    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()>;

    /// Stores a processed crash in place of an earlier one. The crash waits no more, unless
    /// somebody asked for it; processors finish a claim instead.
    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()>;

    /// The raw crash. [`StorageError::NotFound`] if there is none, [`StorageError::Refused`] if
    /// what is there is no JSON object.
    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash>;

    /// All dumps of a crash, none for a crash without dumps. [`StorageError::NotFound`] if there
    /// is no such raw crash.
    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps>;

    /// One dump. [`StorageError::NotFound`] if the crash or the dump is not there.
    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump>;

    /// The processed crash. [`StorageError::NotFound`] if there is none (yet).
    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash>;

    /// Removes all that the storage has of a crash. [`StorageError::NotFound`] if it has nothing.
    /// Not atomic: killed in between, a repetition removes the rest.
    async fn remove(&self, id: &CrashId) -> Result<()>;

    /// Walks the raw crashes that wait in this storage, those with a date link, each once. One that is
    /// removed meanwhile may be met. [`StorageError::Unsupported`] where a storage can't be walked.
    fn new_crashes(&self) -> Result<CrashIds>;

    /// Walks all crashes whose ids are dated in `days`, first and last included, whatever became of
    /// them, roughly day by day. A crash may be met of which only the raw or only the processed crash
    /// is left. [`StorageError::Unsupported`] where a storage can't be walked.
    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds>;
}

/// Why a crash is in the queue. Processors take from all lanes in turn, so that none waits for
/// another to be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Somebody asked for it and waits.
    Requested,
    /// It was accepted and not processed yet.
    Waiting,
    /// It is to be processed again, with many others.
    Reprocess,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Requested, Self::Waiting, Self::Reprocess];

    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Waiting => "waiting",
            Self::Reprocess => "reprocess",
        }
    }

    /// The order in which a processor's claim of that number looks at the lanes: requests first three
    /// times of four, so that even a flood of them lets others pass, which take turns.
    pub(crate) fn order(claim: usize) -> [Self; 3] {
        let (first, second) = match claim % 2 {
            0 => (Self::Waiting, Self::Reprocess),
            _ => (Self::Reprocess, Self::Waiting),
        };
        match claim % 8 {
            3 | 6 => [first, second, Self::Requested],
            _ => [Self::Requested, first, second],
        }
    }
}

/// The crashes that wait for a processor, and those that processors work on.
///
/// An accepted crash is in the queue until its processed crash is stored: nothing is dequeued
/// first. One owner at a time: a claim is atomic, and the claim of a dead processor is taken over.
#[async_trait]
pub trait CrashQueue: fmt::Debug + Send + Sync + 'static {
    /// Claims the next crash of the lane whose turn it is, roughly oldest first. `None` if nothing can
    /// be claimed now.
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>>;

    /// Claims a crash that somebody asked for; `None` if there is none that can be claimed now.
    async fn claim_requested(&self) -> Result<Option<Box<dyn Claim>>>;

    /// Asks for a crash to be processed soon: one that waits, was deferred, was processed before,
    /// or has not arrived yet. Asking twice is asking once.
    async fn request(&self, id: &CrashId) -> Result<()>;

    /// Asks for a stored crash to be processed, again where it was before, in a lane that keeps
    /// nobody else waiting. Asking twice is asking once.
    async fn reprocess(&self, id: &CrashId) -> Result<()>;

    /// Whether somebody asked for a crash, and no processor is through with it since.
    async fn is_requested(&self, id: &CrashId) -> Result<bool>;

    /// Walks the crashes in a lane: those that wait oldest first; requested ones be they stored
    /// already or not.
    fn queued(&self, lane: Lane) -> Result<CrashIds>;
}

/// One crash that this process owns for a while. Dropped without [`Claim::finish`] or
/// [`Claim::release`], it runs out like that of a dead processor.
#[async_trait]
pub trait Claim: fmt::Debug + Send + Sync {
    /// The crash.
    fn id(&self) -> CrashId;

    /// Which attempt to process this crash it is, from 1: more than one if earlier owners died.
    fn attempt(&self) -> u32;

    /// Tells others that the owner lives. `false` if the crash has been taken over: the work is to
    /// be dropped.
    async fn renew(&mut self) -> Result<bool>;

    /// Stores the processed crash and takes the crash off the queue, in this order. May be
    /// repeated after an error.
    async fn finish(&mut self, processed: &ProcessedCrash) -> Result<Finish>;

    /// Puts the crash back for somebody else; the attempt does not count.
    async fn release(&mut self) -> Result<()>;
}

/// What became of a finished claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The result is stored, the crash off the queue.
    Stored,
    /// Another processor has taken the crash over; this result was dropped.
    TakenOver,
}

/// Runs blocking work on a thread where it disturbs nobody. A panic in it goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// The threads of the runtime that may be in [`brief`] work at a time.
static AT_HAND: Semaphore = Semaphore::const_new(0);

/// Does work that is brief unless a disk is slow. Most of the runtime's threads may do it where they
/// are, which saves two changes of threads; the last ones, which keep all else going, leave it to
/// `blocking` threads. A panic in it goes on in the caller.
pub async fn brief<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match AT_HAND.try_acquire() {
        Ok(_here) => work(),
        Err(_) => blocking(work).await,
    }
}

/// Says how many of the runtime's threads may be in [`brief`] work at a time, none before that.
pub(crate) fn allow_brief_work(threads: usize) {
    AT_HAND.add_permits(threads);
}
