//! Keeps a tree on the file system on which it was first opened. When that is unmounted, the root is
//! a directory of the disk beneath: what is saved there is hidden once the mount is back.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::storage::error::{AtPath, FsError};
use crate::storage::{Result, StorageError};

/// The file system, as `st_dev` has it, on which `root` is, or would be made. An error if that is
/// another than `first`.
pub(super) fn check(root: &Path, first: Option<u64>) -> Result<u64> {
    let now = device_of(root)?;
    match first {
        Some(first) if first != now => Err(StorageError::Unavailable {
            store: "file system",
            operation: format!("can't use {}", root.display()),
            source: "it was on another file system when this program opened it first: mount that \
                     again, or restart this program to use the one that is there now"
                .into(),
        }),
        _ => Ok(now),
    }
}

fn device_of(root: &Path) -> Result<u64, FsError> {
    let whole = std::path::absolute(root).at("find", root)?;
    let mut found = Err(ErrorKind::NotFound.into());
    for dir in whole.ancestors() {
        found = fs::metadata(dir);
        match &found {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => break,
        }
    }
    Ok(found.at("look at", root)?.dev())
}
