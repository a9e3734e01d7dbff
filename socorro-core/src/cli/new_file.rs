//! Files that commands write: whole, or not there.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::service::Error;

/// A file that gets its name when it is whole. Dropped before, it leaves nothing.
#[derive(Debug)]
pub(super) struct NewFile {
    temp: NamedTempFile,
    target: PathBuf,
}

impl NewFile {
    /// A file that is to be `target`, which stays as it is until then.
    pub(super) fn new(target: &Path) -> Result<Self, Error> {
        // What a link leads to is replaced, not the link.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        if target.exists() && !target.is_file() {
            return Err(format!("{} is there and is no regular file", target.display()).into());
        }
        let parent = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let temp = tempfile::Builder::new()
            .prefix(".socorro-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(parent)
            .map_err(|error| format!("can't write into {}: {error}", parent.display()))?;
        Ok(Self { temp, target })
    }

    /// Another handle of the file, to write to.
    pub(super) fn handle(&self) -> Result<File, Error> {
        Ok(self.temp.as_file().try_clone()?)
    }

    /// Gives the file its name. It is not synced: an export is repeated rather than trusted after a
    /// power cut, and to sync each of a million files would take hours.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Self { temp, target } = self;
        let failed = |error| format!("can't write {}: {error}", target.display());
        temp.persist(&target).map_err(|f| failed(f.error))?;
        Ok(())
    }
}

/// Writes a whole file. A device or a pipe is written to as it is.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| format!("can't write {}: {error}", path.display());
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Ok(fs::write(path, bytes).map_err(failed)?);
    }
    let file = NewFile::new(path)?;
    file.handle()?.write_all(bytes).map_err(failed)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = TempDir::new().unwrap();
        let target = dir.path().join("f");
        fs::write(&target, "old").unwrap();
        let file = NewFile::new(&target).unwrap();
        file.handle().unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        write_file(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        write_file(Path::new("/dev/null"), b"x").unwrap();
        assert!(!Path::new("/dev/null").is_file());
        assert!(NewFile::new(Path::new("/dev/null")).is_err());
    }
}
