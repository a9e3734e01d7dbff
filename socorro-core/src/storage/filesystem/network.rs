//! Refuses network file systems, whose locks and syncs don't keep what the spool promises.

use std::path::Path;

use crate::storage::error::AtPath;
use crate::storage::{Result, StorageError};

/// `f_type` of `statfs(2)`, from `linux/magic.h` and the man page.
const NETWORK: [(u32, &str); 7] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
];

/// An error if `root` lies on a network file system.
pub(super) fn refuse(root: &Path) -> Result<()> {
    let stat = rustix::fs::statfs(root).at("look at the file system of", root)?;
    // The kernel's type is a signed word on some machines; the numbers have 32 bits.
    let kind = stat.f_type as u32;
    match NETWORK.iter().find(|(magic, _)| *magic == kind) {
        None => Ok(()),
        Some((_, name)) => Err(StorageError::Misconfigured {
            store: "file system",
            problem: format!(
                "{} lies on {name}, a network file system, where locks and syncs can't be trusted: \
                 choose a local directory, or set allow_network_fs = true in its section",
                root.display()
            ),
        }),
    }
}
