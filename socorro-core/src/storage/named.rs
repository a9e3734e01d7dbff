//! Storages by name: the section `[storages]`, and the names for what other sections set up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::open::{FileSystemOptions, HBaseOptions, StorageClass};
use crate::config::Settings;

/// The section `[storages]`: what each name stands for. A container names its members: others of
/// this section, or `filesystem` and `hbase`, which are set up in the sections of these names.
pub type NamedStorages = BTreeMap<String, NamedStorage>;

/// The name of what `[filesystem]` sets up.
pub(crate) const FILESYSTEM: &str = "filesystem";
/// The name of what `[hbase]` sets up.
pub(crate) const HBASE: &str = "hbase";
/// The name of what `[spool]` sets up, and those of its trees.
pub(crate) const SPOOL: &str = "spool";
const SPOOL_PRIMARY: &str = "spool.primary";
const SPOOL_FALLBACK: &str = "spool.fallback";

/// A section `[storages.NAME]`, told by its `class`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", deny_unknown_fields)]
pub enum NamedStorage {
    /// One tree of files, which never asks the throttle result.
    FileSystemRawCrashStorage {
        /// The directory.
        root: PathBuf,
        /// Whether to keep a date branch, by which a mover finds the crashes that wait. An archive
        /// needs none.
        #[serde(default = "yes")]
        date_branch: bool,
        /// Allow a root on a network file system, whose locks and syncs can't be trusted.
        #[serde(default)]
        allow_network_fs: bool,
    },
    /// Two trees of files: accepted crashes with their processed ones, and deferred crashes.
    FileSystemThrottledCrashStorage {
        /// The root for accepted crashes.
        standard: PathBuf,
        /// The root for deferred crashes.
        deferred: PathBuf,
        /// As above.
        #[serde(default)]
        allow_network_fs: bool,
    },
    /// Three trees of files with a queue; the settings are those of `[filesystem]`.
    FileSystemCrashStorage(FileSystemOptions),
    /// HBase over Thrift, with a queue; the settings are those of `[hbase]`.
    HBaseCrashStorage(HBaseOptions),
    /// Routes crashes by what throttling said of them.
    DeferringCrashStorage {
        /// The storage for accepted crashes; where it has a queue, so has this.
        standard: String,
        /// The storage for all others. One that is asked for moves to `standard`.
        deferred: String,
        /// The storage for processed crashes. Empty: `standard`.
        #[serde(default)]
        processed: String,
    },
    /// Saves each crash in all of its storages.
    PolyCrashStorage {
        /// The storages.
        storages: Vec<String>,
    },
    /// Saves in the second storage what the first does not take.
    FallbackCrashStorage {
        /// The first storage.
        primary: String,
        /// The second storage.
        fallback: String,
    },
    /// Accepts and forgets.
    NullCrashStorage {},
}

fn yes() -> bool {
    true
}

impl NamedStorage {
    /// The name of the class.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::FileSystemRawCrashStorage { .. } => "FileSystemRawCrashStorage",
            Self::FileSystemThrottledCrashStorage { .. } => "FileSystemThrottledCrashStorage",
            Self::FileSystemCrashStorage(_) => "FileSystemCrashStorage",
            Self::HBaseCrashStorage(_) => "HBaseCrashStorage",
            Self::DeferringCrashStorage { .. } => "DeferringCrashStorage",
            Self::PolyCrashStorage { .. } => "PolyCrashStorage",
            Self::FallbackCrashStorage { .. } => "FallbackCrashStorage",
            Self::NullCrashStorage {} => "NullCrashStorage",
        }
    }

    /// The members of a container: the key and the name of each.
    pub(crate) fn members(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::FileSystemRawCrashStorage { .. }
            | Self::FileSystemThrottledCrashStorage { .. }
            | Self::FileSystemCrashStorage(_)
            | Self::HBaseCrashStorage(_)
            | Self::NullCrashStorage {} => Vec::new(),
            Self::DeferringCrashStorage {
                standard,
                deferred,
                processed,
            } => {
                let mut members = vec![("standard", &**standard), ("deferred", deferred)];
                if !processed.is_empty() {
                    members.push(("processed", processed));
                }
                members
            }
            Self::PolyCrashStorage { storages } => {
                storages.iter().map(|name| ("storages", &**name)).collect()
            }
            Self::FallbackCrashStorage { primary, fallback } => {
                vec![("primary", primary), ("fallback", fallback)]
            }
        }
    }
}

impl Settings {
    /// What a name stands for; `None` if for nothing.
    pub(crate) fn storage_named(&self, name: &str) -> Option<NamedStorage> {
        let tree = |root: &PathBuf| NamedStorage::FileSystemRawCrashStorage {
            root: root.clone(),
            date_branch: true,
            allow_network_fs: self.spool.allow_network_fs,
        };
        match name {
            FILESYSTEM => Some(NamedStorage::FileSystemCrashStorage(
                self.filesystem.clone(),
            )),
            HBASE => Some(NamedStorage::HBaseCrashStorage(self.hbase.clone())),
            SPOOL => Some(NamedStorage::FallbackCrashStorage {
                primary: SPOOL_PRIMARY.into(),
                fallback: SPOOL_FALLBACK.into(),
            }),
            SPOOL_PRIMARY => Some(tree(&self.spool.primary)),
            SPOOL_FALLBACK => Some(tree(&self.spool.fallback)),
            other => self.storages.get(other).cloned(),
        }
    }

    /// The name of the spool.
    pub(crate) fn spool_name(&self) -> &str {
        match (&*self.spool.r#use, self.spool.fallback.as_os_str()) {
            ("", none) if none.is_empty() => SPOOL_PRIMARY,
            ("", _) => SPOOL,
            (name, _) => name,
        }
    }

    /// The name of the primary storage.
    pub(crate) fn primary_name(&self) -> &str {
        match (&*self.storage.r#use, self.storage.class) {
            ("", StorageClass::FileSystemCrashStorage) => FILESYSTEM,
            ("", StorageClass::HBaseCrashStorage) => HBASE,
            (name, _) => name,
        }
    }

    /// The name of the storage into which the mover brings crashes.
    pub(crate) fn destination_name(&self) -> &str {
        match &*self.storage.destination {
            "" => self.primary_name(),
            name => name,
        }
    }

    /// The setting `key` of a storage, as it is written in messages.
    pub(crate) fn setting_of(name: &str, key: &str) -> String {
        match name {
            FILESYSTEM | HBASE | SPOOL => format!("{name}.{key}"),
            SPOOL_PRIMARY | SPOOL_FALLBACK => name.to_owned(),
            _ => format!("storages.{name}.{key}"),
        }
    }

    /// The storages in which crashes of that one end up in the end: itself, or what its members
    /// come to. Names that stand for nothing are left out.
    pub(crate) fn leaves(&self, name: &str) -> BTreeSet<String> {
        let Some(storage) = self.storage_named(name) else {
            return BTreeSet::new();
        };
        let members = storage.members();
        if members.is_empty() {
            return [name.to_owned()].into();
        }
        let below = members.iter().flat_map(|(_, member)| self.leaves(member));
        below.collect()
    }
}
