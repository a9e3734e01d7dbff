//! [`Writer`]: a tree that is open for writing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::commit::{Committer, Failures};
use super::staging::{StagedFile, Staging};
use super::tree::TreeOptions;
use super::{device, network};
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Result, blocking, brief};

/// A file in staging, and where it is to be.
pub(super) type Staged = (StagedFile, PathBuf);

/// The staging directory of this process in a tree, and the sync of its file system.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) staging: Staging,
    pub(super) committer: Committer,
    /// The file system, as `st_dev` has it.
    pub(super) device: u64,
}

impl Writer {
    /// Makes the root, checks that it can be used, and opens it. `first` is the file system of the
    /// tree's first writer, `failures` counts the failed syncs of all.
    pub(super) fn open(
        options: &TreeOptions,
        first: Option<u64>,
        failures: &Failures,
    ) -> Result<Self> {
        let root = &options.root;
        let device = device::check(root, first)?;
        fs::create_dir_all(root).at("make the directory", root)?;
        if !options.allow_network_fs {
            network::refuse(root)?;
        }
        // The committer first: it must see every error of what is written later.
        let committer = Committer::open(root, failures)?;
        let staging = Staging::open(root, &options.host)?;
        Ok(Self {
            staging,
            committer,
            device,
        })
    }

    /// Stages files, commits, places them there, and commits again. What was
    /// placed and may not be durable is taken back: found by a repetition, it would count as saved,
    /// and the kernel tells a failed sync only once.
    pub(super) async fn save(
        self: &Arc<Self>,
        stage: impl FnOnce(&Staging) -> Result<Vec<Staged>, FsError> + Send + 'static,
        place: impl FnOnce(Vec<Staged>) -> Result<(), FsError> + Send + 'static,
        take_back: impl FnOnce() + Send + 'static,
    ) -> Result<(), FsError> {
        let since = self.committer.begin();
        let stager = Arc::clone(self);
        let staged = brief(move || stage(&stager.staging)).await?;
        if staged.is_empty() {
            // Of a disk that an error has made read-only every sync succeeds.
            let prober = Arc::clone(self);
            blocking(move || prober.staging.write(&[""]).map(drop)).await?;
            return self.committer.commit(since).await;
        }
        let placed = self
            .committer
            .commit_and_place(since, || place(staged))
            .await;
        if placed.is_err() {
            blocking(take_back).await;
        }
        placed
    }
}
