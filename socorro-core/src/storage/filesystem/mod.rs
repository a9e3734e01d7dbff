//! Crashes as files: [`Tree`], and [`FileSystemCrashStorage`], a primary storage of three trees.

mod branch;
mod claim;
mod commit;
mod device;
mod files;
mod layout;
mod left_alone;
mod links;
mod network;
mod queue;
mod rejected;
mod requests;
mod spilled;
mod staging;
mod survey;
mod sweep;
mod tree;
mod walk;
mod write_back;
mod writer;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use super::deferred::DeferringCrashStorage;
use super::{CrashIds, CrashStorage, Result};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;
pub use left_alone::LeftAlone;
use queue::QueueState;
pub use rejected::Rejected;
pub use spilled::Spilled;
pub use survey::{Finding, What};
pub use sweep::Swept;
pub use tree::{Tree, TreeOptions};

/// The roots of a [`FileSystemCrashStorage`].
#[derive(Debug, Clone)]
pub struct Roots {
    /// For accepted raw crashes; its date branch is the queue.
    pub standard: PathBuf,
    /// For raw crashes that wait until somebody asks.
    pub deferred: PathBuf,
    /// For processed crashes.
    pub processed: PathBuf,
}

/// A complete primary storage on the file system: standard, deferred and processed trees, and the
/// queue of the standard one.
///
/// As a storage it is a [`DeferringCrashStorage`] over three trees, and nothing else. What it adds is
/// the queue, which no container can get from a tree: a tree's claim would end by storing the
/// processed crash in the tree itself, beside the raw one. And a deferred crash that is asked for
/// stays where it is: the queue here sees both trees, so that nothing has to move.
#[derive(Debug, Clone)]
pub struct FileSystemCrashStorage {
    standard: Arc<Tree>,
    deferred: Arc<Tree>,
    processed: Arc<Tree>,
    storage: Arc<DeferringCrashStorage>,
    queue: Arc<QueueState>,
}

impl FileSystemCrashStorage {
    /// A storage with these roots; nothing is touched yet.
    pub fn new(roots: Roots, host: &str, allow_network_fs: bool) -> Self {
        let tree = |root: &PathBuf, dated| {
            Arc::new(Tree::new(TreeOptions {
                root: root.clone(),
                dated,
                host: host.to_owned(),
                allow_network_fs,
            }))
        };
        let standard = tree(&roots.standard, true);
        let deferred = tree(&roots.deferred, true);
        let processed = tree(&roots.processed, false);
        let storage = Arc::new(DeferringCrashStorage {
            standard: standard.clone(),
            deferred: deferred.clone(),
            processed: processed.clone(),
        });
        let queue = Arc::new(QueueState::below(&roots.standard));
        Self {
            standard,
            deferred,
            processed,
            storage,
            queue,
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for FileSystemCrashStorage {
    fn name(&self) -> &'static str {
        "file system"
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        self.storage.save_raw_crash(id, raw, dumps).await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        self.storage.save_processed(id, processed).await?;
        self.end_waiting(id).await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        self.storage.get_raw_crash(id).await
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        self.storage.get_dumps(id).await
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        self.storage.get_dump(id, name).await
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        self.storage.get_processed(id).await
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        self.storage.remove(id).await?;
        self.forget_claim(id).await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        self.storage.new_crashes()
    }

    /// Raw crashes, standard, then deferred; then processed crashes whose raw crash is gone.
    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        let raw = self.storage.crashes(days.clone())?;
        let (standard, deferred) = (self.standard.clone(), self.deferred.clone());
        let is_alone = move |id: &Result<CrashId>| {
            // One that can't be looked for is told twice rather than not at all.
            let is_there = |id| {
                [&standard, &deferred]
                    .iter()
                    .any(|tree| tree.has_raw_crash(id).unwrap_or(false))
            };
            id.as_ref().map_or(true, |id| !is_there(id))
        };
        let processed = self.processed.crashes(days)?.filter(is_alone);
        Ok(Box::new(raw.chain(processed)))
    }
}
