//! One mover a spool: a lock that the kernel drops when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use socorro_core::service::Error;
use socorro_core::storage::open::Spool;

use crate::config::Options;

const NAME: &str = ".crashmover.lock";

/// The held locks.
#[derive(Debug)]
pub(crate) struct SpoolLock(#[expect(dead_code, reason = "held until dropped")] Vec<File>);

impl SpoolLock {
    /// Takes the lock of each root that is there: when one disk is away, the other is drained.
    /// `None` if another mover holds one of them. An error if there is no spool at all.
    pub(crate) fn take(options: &Options, spool: &Spool) -> Result<Option<Self>, Error> {
        let mut held = Vec::new();
        for path in paths(options, spool)? {
            match lock(&path) {
                Ok(Some(file)) => held.push(file),
                Ok(None) => return Ok(None),
                Err(error) => {
                    return Err(
                        format!("can't lock the spool with {}: {error}", path.display()).into(),
                    );
                }
            }
        }
        Ok(Some(Self(held)))
    }
}

fn lock(path: &Path) -> std::io::Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn paths(options: &Options, spool: &Spool) -> Result<Vec<PathBuf>, Error> {
    if !options.lock_file.as_os_str().is_empty() {
        return Ok(vec![options.lock_file.clone()]);
    }
    let roots = || spool.trees.iter().map(|tree| tree.root());
    let paths: Vec<_> = roots()
        .filter(|root| root.is_dir())
        .map(|root| root.join(NAME))
        .collect();
    if paths.is_empty() {
        let names: Vec<_> = roots().map(|root| root.display().to_string()).collect();
        let names = names.join(" or ");
        let problem =
            format!("there is no spool at {names}: has the collector run? Else mend spool.primary");
        return Err(problem.into());
    }
    Ok(paths)
}
