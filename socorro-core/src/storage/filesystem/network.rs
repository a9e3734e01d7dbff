//! Refuses network file systems, whose locks and syncs don't keep what the spool promises.

use std::path::Path;

use crate::storage::error::AtPath;
use crate::storage::{Result, StorageError};

/// `f_type` of `statfs(2)`. The source of each: `linux/magic.h` unless another is named.
const NETWORK: [(u32, &str); 12] = [
    (0x6969, "NFS"),       // NFS_SUPER_MAGIC
    (0x517B, "SMB"),       // SMB_SUPER_MAGIC
    (0xFF53_4D42, "CIFS"), // CIFS_SUPER_MAGIC
    (0xFE53_4D42, "SMB2"), // SMB2_SUPER_MAGIC
    (0x0102_1997, "9P"),   // V9FS_MAGIC
    (0x00C3_6400, "Ceph"), // CEPH_SUPER_MAGIC
    (0x5346_414F, "AFS"),  // AFS_SUPER_MAGIC, OpenAFS
    (0x6B41_4653, "AFS"),  // AFS_FS_MAGIC, the kernel's own
    (0x7375_7245, "Coda"), // CODA_SUPER_MAGIC
    // What lies behind is not to be seen: sshfs, s3fs, GlusterFS.
    (0x6573_5546, "FUSE"),   // FUSE_SUPER_MAGIC
    (0x0BD0_0BD0, "Lustre"), // LL_SUPER_MAGIC; Lustre's lustre_user.h
    (0x4750_4653, "GPFS"),   // "GPFS" in ASCII; GNU coreutils' stat.c
];

/// An error if `root` lies on a network file system.
pub(super) fn refuse(root: &Path) -> Result<()> {
    let stat = rustix::fs::statfs(root).at("look at the file system of", root)?;
    // The kernel's type is a signed word on some machines; the numbers have 32 bits.
    match network_name(stat.f_type as u32) {
        None => Ok(()),
        Some(name) => Err(StorageError::Misconfigured {
            store: "file system",
            problem: format!(
                "{} lies on {name}, a network file system, where locks and syncs can't be trusted: \
                 choose a local directory, or set allow_network_fs = true in its section",
                root.display()
            ),
        }),
    }
}

fn network_name(magic: u32) -> Option<&'static str> {
    let (_, name) = NETWORK.iter().find(|(known, _)| *known == magic)?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_disks_are_no_network() {
        // EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994] {
            assert_eq!(network_name(magic), None, "{magic:x}");
        }
    }

    #[test]
    fn a_magic_number_is_named_once() {
        for (magic, name) in NETWORK {
            assert_eq!(network_name(magic), Some(name), "{magic:x}");
        }
        assert_eq!(network_name(u32::from_be_bytes(*b"GPFS")), Some("GPFS"));
    }
}
