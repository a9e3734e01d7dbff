//! The staging directory of one process in one tree: unfinished files that no reader sees.
//!
//! `root/.staging/<instance>.<random>/` is held by a lock as long as its process lives. Start-up
//! clears the unlocked directories of its own instance: what a killed process left. Those of a
//! living neighbour are locked, those of other hosts have another instance name.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};
use tracing::{info, warn};

use super::files::remove_file;
use super::layout::STAGING;
use super::write_back::start_write_back;
use crate::dumps::Dump;
use crate::storage::error::{AtPath, FsError};

const FILE_MODE: u32 = 0o660;

/// A file that is to get its name in the tree.
#[derive(Debug)]
pub(super) enum StagedFile {
    /// Made for that; it vanishes unless it gets the name.
    Own(TempPath),
    /// Somebody else's in this staging directory, who keeps it, for another try elsewhere.
    Kept(PathBuf),
}

/// A locked staging directory; removed when dropped.
#[derive(Debug)]
pub(super) struct Staging {
    dir: PathBuf,
    _lock: File,
}

impl Staging {
    /// Makes and locks a new directory below `root`, and clears what dead processes of the same
    /// instance left.
    pub(super) fn open(root: &Path, instance: &str) -> Result<Self, FsError> {
        let parent = root.join(STAGING);
        fs::create_dir_all(&parent).at("make the directory", &parent)?;
        clear_leftovers(&parent, instance);
        loop {
            let dir = tempfile::Builder::new()
                .prefix(&format!("{instance}."))
                .permissions(Permissions::from_mode(0o770))
                .tempdir_in(&parent)
                .at("make a directory in", &parent)?
                .keep();
            // Another process that starts may have found the directory before we locked it.
            if let Some(lock) = try_lock(&dir).at("lock", &dir)? {
                return Ok(Self { dir, _lock: lock });
            }
        }
    }

    /// Writes a new file of these pieces.
    pub(super) fn write(&self, pieces: &[impl AsRef<[u8]>]) -> Result<TempPath, FsError> {
        let mut file = self.file()?;
        for piece in pieces {
            file.write_all(piece.as_ref()).at("write", file.path())?;
        }
        start_write_back(file.as_file());
        Ok(file.into_temp_path())
    }

    /// Puts a dump's bytes into a new file; one that is a file here already stays there, and one
    /// that is elsewhere in the same file system is linked.
    pub(super) fn write_dump(&self, dump: &Dump) -> Result<StagedFile, FsError> {
        let source = match dump {
            Dump::Bytes(bytes) => return self.write(&[bytes]).map(StagedFile::Own),
            Dump::Pieces(pieces) => return self.write(pieces).map(StagedFile::Own),
            Dump::File(path) => path,
        };
        if source.parent() == Some(&self.dir) {
            return Ok(StagedFile::Kept(source.clone()));
        }
        let link = self.dir.join(format!("link.{}", uuid::Uuid::new_v4()));
        if fs::hard_link(source, &link).is_ok() {
            return TempPath::try_from_path(&link)
                .map(StagedFile::Own)
                .at("name", &link);
        }
        let mut reader = File::open(source).at("open", source)?;
        let mut file = self.file()?;
        std::io::copy(&mut reader, &mut file).at("copy", source)?;
        Ok(StagedFile::Own(file.into_temp_path()))
    }

    /// A new empty file; it vanishes unless [`place`] gives it its name.
    pub(super) fn file(&self) -> Result<NamedTempFile, FsError> {
        tempfile::Builder::new()
            .permissions(Permissions::from_mode(FILE_MODE))
            .tempfile_in(&self.dir)
            .at("make a file in", &self.dir)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What can't be removed now is a leftover for the next start.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Gives a staged file its final name, making the directories that lead there. A directory that
/// somebody prunes meanwhile is made again.
pub(super) fn place(staged: StagedFile, target: &Path) -> Result<(), FsError> {
    let mut staged = staged;
    for _ in 0..PRUNE_RACES {
        let (failed, error) = match staged.name(target) {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        match error.kind() {
            ErrorKind::NotFound => make_parent(target)?,
            // What a killed save left.
            ErrorKind::AlreadyExists => drop(remove_file(target).at("replace", target)?),
            _ => return Err(error).at("give a staged file the name", target),
        }
        staged = failed;
    }
    let named = staged.name(target).map_err(|(_, error)| error);
    named.at("give a staged file the name", target)
}

impl StagedFile {
    fn name(self, target: &Path) -> Result<(), (Self, std::io::Error)> {
        match self {
            Self::Own(file) => file
                .persist(target)
                .map_err(|failed| (Self::Own(failed.path), failed.error)),
            Self::Kept(path) => {
                fs::hard_link(&path, target).map_err(|error| (Self::Kept(path), error))
            }
        }
    }
}

/// How often in a row a directory may vanish under our hands before it counts as an error.
pub(super) const PRUNE_RACES: usize = 10;

pub(super) fn make_parent(target: &Path) -> Result<(), FsError> {
    // Unwrap safety: all targets lie below a root.
    let parent = target.parent().unwrap();
    fs::DirBuilder::new()
        .recursive(true)
        .create(parent)
        .at("make the directory", parent)
}

fn clear_leftovers(parent: &Path, instance: &str) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .and_then(|name| name.rsplit_once('.'))
            .is_some_and(|(owner, _)| owner == instance);
        if !ours {
            continue;
        }
        let dir = entry.path();
        match try_lock(&dir) {
            Ok(Some(_lock)) => match fs::remove_dir_all(&dir) {
                Ok(()) => info!(dir = %dir.display(), "cleared what a killed process left"),
                Err(error) => warn!(dir = %dir.display(), %error, "can't clear staging"),
            },
            Ok(None) => {}
            Err(error) => warn!(dir = %dir.display(), %error, "can't look into staging"),
        }
    }
}

/// Whether a living process has that staging directory.
pub(super) fn is_held(dir: &Path) -> bool {
    !matches!(try_lock(dir), Ok(Some(_)))
}

/// Locks a directory; `None` if somebody else has it or it has been removed meanwhile.
fn try_lock(dir: &Path) -> std::io::Result<Option<File>> {
    let file = match File::open(dir) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let still_there = match fs::metadata(dir) {
        Ok(now) => now.ino() == file.metadata()?.ino(),
        Err(_) => false,
    };
    Ok(still_there.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_clears_what_the_dead_left_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let living = Staging::open(root.path(), "web1").unwrap();
        let kept = living.write(&["half a crash"]).unwrap();
        let dead = root.path().join(STAGING).join("web1.dead");
        let other_host = root.path().join(STAGING).join("web2.dead");
        for dir in [&dead, &other_host] {
            fs::create_dir_all(dir).unwrap();
            fs::write(dir.join("x"), "x").unwrap();
        }

        let _next = Staging::open(root.path(), "web1").unwrap();

        assert!(kept.exists(), "a living neighbour's file");
        assert!(other_host.exists(), "another instance's directory");
        assert!(!dead.exists(), "a dead process's directory");
    }

    #[test]
    fn a_dump_file_is_taken_over_and_its_source_stays() {
        let root = tempfile::tempdir().unwrap();
        let staging = Staging::open(root.path(), "web1").unwrap();
        let source = root.path().join("source");
        fs::write(&source, "MDMP").unwrap();
        let target = root.path().join("a/b/target");
        place(
            staging.write_dump(&Dump::File(source.clone())).unwrap(),
            &target,
        )
        .unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"MDMP");
        assert_eq!(fs::read(&source).unwrap(), b"MDMP");
        assert_eq!(fs::read_dir(&staging.dir).unwrap().count(), 0);
    }
}
