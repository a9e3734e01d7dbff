//! What the collector is compared with: programs that write crashes and sync them one by one.

use std::fs::{self, File};
use std::io::{ErrorKind, Result, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::load::{Done, repeat};

const JSON_BYTES: usize = 1500;

/// What such a program writes of a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Its two files.
    Files,
    /// Its two links as well, as the spool's format has them, after the files are durable.
    FilesAndLinks,
}

impl Bare {
    /// Writes crashes on so many threads until the time is up.
    pub(crate) fn drive(self, root: &Path, dump: &[u8], threads: usize, window: Duration) -> Done {
        let slot = root.join("slot");
        fs::create_dir(&slot).unwrap();
        repeat(threads, window, || {
            || self.write(root, &slot, dump).unwrap()
        })
    }

    /// As a careful program without group commit does it: the files, then the directories that name them.
    fn write(self, root: &Path, slot: &Path, dump: &[u8]) -> Result<()> {
        let id = format!("{:032x}", fastrand::u128(..));
        let dir = make_dirs(root, &id)?;
        for (ending, content) in [("dump", dump), ("json", &dump[..JSON_BYTES])] {
            let mut file = File::create(dir.join(format!("{id}.{ending}")))?;
            file.write_all(content)?;
            file.sync_data()?;
        }
        sync(&dir)?;
        if self == Self::FilesAndLinks {
            symlink(slot, dir.join(&id))?;
            symlink(&dir, slot.join(&id))?;
            sync(&dir)?;
            sync(slot)?;
        }
        Ok(())
    }
}

/// The two directories of a crash, one in the other, durable if they are new.
fn make_dirs(root: &Path, id: &str) -> Result<PathBuf> {
    let outer = root.join(&id[..2]);
    let inner = outer.join(&id[2..4]);
    for (dir, parent) in [(&outer, root), (&inner, &outer)] {
        match fs::create_dir(dir) {
            Ok(()) => sync(parent)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(inner)
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir)?.sync_all()
}
