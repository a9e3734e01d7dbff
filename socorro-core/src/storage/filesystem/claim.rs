//! A claim as its owner holds it: a locked file of that crash.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::FileSystemCrashStorage;
use super::files::remove_file;
use super::requests::Request;
use crate::crash_id::CrashId;
use crate::processed_crash::ProcessedCrash;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Claim, CrashStorage, Finish, Lane, Result, blocking};

/// A claim as files: the locked file of this crash.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: CrashId,
    pub(super) attempt: u32,
    /// What asked for it.
    pub(super) request: Option<(Lane, Request)>,
    pub(super) path: PathBuf,
    /// Holds the lock.
    pub(super) _file: Arc<File>,
}

/// A claim of this process.
#[derive(Debug)]
pub(super) struct FileClaim {
    pub(super) store: FileSystemCrashStorage,
    pub(super) held: Held,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Claim for FileClaim {
    fn id(&self) -> CrashId {
        self.held.id
    }

    fn attempt(&self) -> u32 {
        self.held.attempt
    }

    /// The lock is held as long as the process lives.
    async fn renew(&mut self) -> Result<bool> {
        Ok(true)
    }

    async fn finish(&mut self, processed: &ProcessedCrash) -> Result<Finish> {
        self.store.save_processed(&self.held.id, processed).await?;
        let (store, held) = (self.store.clone(), self.held.clone());
        blocking(move || store.dequeue(&held)).await?;
        Ok(Finish::Stored)
    }

    async fn release(&mut self) -> Result<()> {
        let path = self.held.path.clone();
        let earlier = self.held.attempt - 1;
        blocking(move || {
            if earlier == 0 {
                remove_file(&path).at("remove", &path)?;
                return Ok(());
            }
            let mut file = File::options().write(true).open(&path).at("open", &path)?;
            Ok(write_attempt(&mut file, earlier).at("write", &path)?)
        })
        .await
    }
}

/// Opens and locks a file that its last holder may just be removing.
pub(super) fn lock(path: &Path) -> Result<Option<File>, FsError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .at("open", path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
    }
    let ours = file.metadata().at("look at", path)?.ino();
    Ok((inode_of(path) == Some(ours)).then_some(file))
}

pub(super) fn write_attempt(file: &mut File, attempt: u32) -> std::io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{attempt}")
}

fn inode_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.ino())
}
