//! One mover a spool: a lock that the kernel drops when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use socorro_core::service::Error;
use socorro_core::storage::open::Spool;

use crate::config::Options;

const NAME: &str = ".crashmover.lock";

/// The held lock.
#[derive(Debug)]
pub(crate) struct SpoolLock(#[expect(dead_code, reason = "held until dropped")] File);

impl SpoolLock {
    /// Takes the lock; `None` if another mover holds it. An error if there is no spool at all.
    pub(crate) fn take(options: &Options, spool: &Spool) -> Result<Option<Self>, Error> {
        let path = path(options, spool)?;
        let failed = |error: std::io::Error| {
            format!("can't lock the spool with {}: {error}", path.display())
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error).into()),
        }
    }
}

/// The lock of the first root that is there: when one disk is away, the other is drained.
fn path(options: &Options, spool: &Spool) -> Result<PathBuf, Error> {
    if !options.lock_file.as_os_str().is_empty() {
        return Ok(options.lock_file.clone());
    }
    let roots = || spool.trees.iter().map(|tree| tree.root());
    match roots().find(|root| root.is_dir()) {
        Some(root) => Ok(root.join(NAME)),
        None => {
            let names: Vec<_> = roots().map(|root| root.display().to_string()).collect();
            Err(format!(
                "there is no spool at {}: has the collector run? Else mend spool.primary",
                names.join(" or ")
            )
            .into())
        }
    }
}
