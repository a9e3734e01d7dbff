//! [`Branch`]: all files and links below a directory, directory after directory, in order of the
//! directories' names, with flat memory.
//!
//! Only directories are sorted; what a directory holds is told as it is read, for one slot may hold a
//! million links. Links are never followed, so there are no loops.

use std::fs::{self, ReadDir};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::storage::error::{AtPath, FsError};

/// How deep a walk goes: `HH/MM/host_N` and four levels of names are less.
const MAX_DEPTH: usize = 8;

/// A directory that has grown beyond that many bytes stays slow to list when all in it is gone.
const GROWN: u64 = 64 * 1024;

/// A walk of a branch. What vanishes meanwhile is not told; what can't be read is, once, and the walk
/// goes on behind it.
#[derive(Debug)]
pub(super) struct Branch {
    levels: Vec<Level>,
    start: Option<PathBuf>,
    emptied: Emptied,
}

/// What to do with directories that are found empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptied {
    /// Leave them.
    Keep,
    /// Leave them, but for those that once held much.
    Renew,
    /// Remove them, the first included.
    Prune,
}

#[derive(Debug)]
struct Level {
    dir: PathBuf,
    entries: Option<ReadDir>,
    /// Sorted, the first last, once the entries are at their end.
    below: Vec<PathBuf>,
}

impl Branch {
    /// A walk of what is below `dir`, which need not be there.
    pub(super) fn walk(dir: PathBuf, emptied: Emptied) -> Self {
        Self {
            levels: Vec::new(),
            start: Some(dir),
            emptied,
        }
    }

    fn enter(&mut self, dir: PathBuf) -> Result<(), FsError> {
        match fs::read_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => {
                let entries = Some(other.at("list", &dir)?);
                self.levels.push(Level {
                    dir,
                    entries,
                    below: Vec::new(),
                });
                Ok(())
            }
        }
    }

    fn leave(&mut self) {
        if let Some(Level { dir, .. }) = self.levels.pop() {
            match self.emptied {
                Emptied::Keep => {}
                Emptied::Renew => renew_if_grown(&dir),
                // What is not empty stays.
                Emptied::Prune => drop(fs::remove_dir(dir)),
            }
        }
    }
}

/// Removes an empty directory that once held much: listing it would stay slow. Whoever needs it makes
/// it anew.
pub(super) fn renew_if_grown(dir: &Path) {
    if fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir() && meta.size() > GROWN) {
        let _ = fs::remove_dir(dir);
    }
}

impl Iterator for Branch {
    type Item = Result<PathBuf, FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(dir) = self.start.take()
            && let Err(error) = self.enter(dir)
        {
            return Some(Err(error));
        }
        loop {
            let is_deepest = self.levels.len() >= MAX_DEPTH;
            let level = self.levels.last_mut()?;
            match level.entries.as_mut().map(Iterator::next) {
                Some(Some(Ok(entry))) => match entry.file_type() {
                    Ok(kind) if kind.is_dir() && !is_deepest => level.below.push(entry.path()),
                    Ok(_) => return Some(Ok(entry.path())),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Some(Err(error).at("look at", entry.path())),
                },
                Some(Some(Err(error))) => {
                    level.entries = None;
                    return Some(Err(error).at("list", &level.dir));
                }
                Some(None) => {
                    level.entries = None;
                    level.below.sort_unstable_by(|a, b| b.cmp(a));
                }
                None => match level.below.pop() {
                    Some(dir) => {
                        if let Err(error) = self.enter(dir) {
                            return Some(Err(error));
                        }
                    }
                    None => self.leave(),
                },
            }
        }
    }
}
