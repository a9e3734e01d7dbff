//! Requests for crashes: `<root>/.queue/priority/<id>` to be processed soon, be the crash stored
//! already or not, and `<root>/.queue/reprocess/<id>` to be processed again with many others.
//!
//! Each file holds a text of its own, so that a request made meanwhile is told from one that was
//! seen. Making and forgetting take turns, by a lock that the kernel drops when its holder dies; a
//! request is at no moment anywhere but in its place.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::branch::renew_if_grown;
use super::files::remove_file;
use super::staging::PRUNE_RACES;
use crate::crash_id::CrashId;
use crate::storage::error::{AtPath, FsError};

/// The directory of those that somebody waits for,
pub(super) const SOON: &str = ".queue/priority";
/// and of those that nobody does.
pub(super) const AGAIN: &str = ".queue/reprocess";

/// The requests in one directory.
#[derive(Debug)]
pub(super) struct Requests {
    dir: PathBuf,
    lock: PathBuf,
}

/// One request, to be told from others for the same crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request(String);

impl Requests {
    pub(super) fn below(root: &Path, directory: &str) -> Self {
        let dir = root.join(directory);
        Self {
            lock: dir.with_extension("lock"),
            dir,
        }
    }

    fn path(&self, id: &CrashId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// Makes a request, in place of an earlier one; on stable storage when it returns.
    pub(super) fn make(&self, id: &CrashId) -> Result<(), FsError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.try_make(id) {
                // The directory was empty and renewed meanwhile.
                Err(error) if error.source.kind() == ErrorKind::NotFound && tried < PRUNE_RACES => {
                }
                made => return made,
            }
        }
    }

    fn try_make(&self, id: &CrashId) -> Result<(), FsError> {
        let dir = &self.dir;
        fs::create_dir_all(dir).at("make the directory", dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir).at("make a file in", dir)?;
        write!(file, "{}", uuid::Uuid::new_v4()).at("write", file.path())?;
        file.as_file().sync_all().at("sync", file.path())?;
        let path = self.path(id);
        let locked = self.lock()?;
        file.persist(&path)
            .map_err(|failed| failed.error)
            .at("make the request", &path)?;
        drop(locked);
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .at("sync", dir)
    }

    /// The request for that crash, if there is one.
    pub(super) fn get(&self, id: &CrashId) -> Option<Request> {
        fs::read_to_string(self.path(id)).ok().map(Request)
    }

    /// Whether somebody asks for that crash.
    pub(super) fn is_made(&self, id: &CrashId) -> Result<bool, FsError> {
        let path = self.path(id);
        path.try_exists().at("look for", &path)
    }

    /// Removes the request that was seen; one made since then stays.
    pub(super) fn forget(&self, id: &CrashId, seen: &Request) -> Result<(), FsError> {
        let _locked = self.lock()?;
        if self.get(id).as_ref() == Some(seen) {
            let path = self.path(id);
            remove_file(&path).at("remove", &path)?;
        }
        Ok(())
    }

    /// The crashes asked for, as they are read.
    pub(super) fn ids(&self) -> Result<impl Iterator<Item = CrashId> + use<>, FsError> {
        let dir = &self.dir;
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => Some(other.at("list", dir)?),
        };
        let id = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.into_iter().flatten().flatten().filter_map(id))
    }

    /// To be called when nothing was found: keeps the next look as cheap as the first.
    pub(super) fn tidy(&self) {
        renew_if_grown(&self.dir);
    }

    fn lock(&self) -> Result<File, FsError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            .at("open", &self.lock)?;
        file.lock().at("lock", &self.lock)?;
        Ok(file)
    }
}
