//! The staging directory of one process in one tree: unfinished files that no reader sees.
//!
//! `root/.staging/<instance>.<random>/` is held by a lock as long as its process lives. Start-up
//! clears the unlocked directories of its own instance: what a killed process left. Those of a
//! living neighbour are locked, those of other hosts have another instance name.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};
use tracing::{info, warn};

use super::layout::STAGING;
use crate::dumps::Dump;
use crate::storage::error::{AtPath, FsError};

const FILE_MODE: u32 = 0o660;

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

    /// Writes a new file.
    pub(super) fn write(&self, content: &[u8]) -> Result<TempPath, FsError> {
        let mut file = self.file()?;
        file.write_all(content).at("write", file.path())?;
        Ok(file.into_temp_path())
    }

    /// Puts a dump's bytes into a new file, by linking where the dump is a file of the same file
    /// system.
    pub(super) fn write_dump(&self, dump: &Dump) -> Result<TempPath, FsError> {
        let source = match dump {
            Dump::Bytes(bytes) => return self.write(bytes),
            Dump::File(path) => path,
        };
        let link = self.dir.join(format!("link.{}", uuid::Uuid::new_v4()));
        if fs::hard_link(source, &link).is_ok() {
            return TempPath::try_from_path(&link).at("name", &link);
        }
        let mut reader = File::open(source).at("open", source)?;
        let mut file = self.file()?;
        std::io::copy(&mut reader, &mut file).at("copy", source)?;
        Ok(file.into_temp_path())
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

/// Renames a staged file to its final name, making the directories that lead there. A directory
/// that somebody prunes meanwhile is made again.
pub(super) fn place(staged: TempPath, target: &Path) -> Result<(), FsError> {
    let mut staged = staged;
    for _ in 0..PRUNE_RACES {
        match staged.persist(target) {
            Ok(()) => return Ok(()),
            Err(failed) if failed.error.kind() == std::io::ErrorKind::NotFound => {
                staged = failed.path;
                make_parent(target)?;
            }
            Err(failed) => return Err(failed.error).at("rename a staged file to", target),
        }
    }
    staged.persist(target).at("rename a staged file to", target)
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
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
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
        let kept = living.write(b"half a crash").unwrap();
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
