//! From configuration to storages: the sections `[spool]`, `[storage]`, `[filesystem]`, `[hbase]`.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fallback::FallbackCrashStorage;
use super::filesystem::{FileSystemCrashStorage, Roots, Spilled, Tree, TreeOptions};
use super::hbase::HBaseCrashStorage;
use super::{CrashQueue, CrashStorage, Result, StorageError};
use crate::config::{Period, Settings};
use crate::crash_id::CrashId;

/// The section `[spool]`: `FileSystemRawCrashStorage`, twice where there is a fallback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolOptions {
    /// The directory into which the collector puts crashes. Best on a file system of its own.
    pub primary: PathBuf,
    /// A directory on another disk for when the primary fails. Empty: none.
    pub fallback: PathBuf,
    /// Allow spools on network file systems, whose locks and syncs can't be trusted.
    pub allow_network_fs: bool,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            primary: "/var/spool/socorro/primary".into(),
            fallback: PathBuf::new(),
            allow_network_fs: false,
        }
    }
}

/// The section `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageOptions {
    /// The primary storage: `FileSystemCrashStorage`, set up in `[filesystem]`, or
    /// `HBaseCrashStorage`, set up in `[hbase]`.
    pub class: StorageClass,
    /// This host's name in file names and claims. Empty: what the system says.
    pub host: String,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            class: StorageClass::FileSystemCrashStorage,
            host: String::new(),
        }
    }
}

impl StorageOptions {
    /// This host's name: as set, or else as the system has it.
    pub fn host(&self) -> String {
        let name = match self.host.as_str() {
            "" => rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            set => set.to_owned(),
        };
        // It becomes a part of file names.
        name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-")
    }
}

/// The primary storages that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageClass {
    /// Three trees of files.
    FileSystemCrashStorage,
    /// HBase over Thrift.
    HBaseCrashStorage,
}

/// The section `[filesystem]`: the trees of the primary storage on the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSystemOptions {
    /// The root for accepted crashes; its date branch is the queue.
    pub standard: PathBuf,
    /// The root for deferred crashes.
    pub deferred: PathBuf,
    /// The root for processed crashes.
    pub processed: PathBuf,
    /// Allow roots on network file systems, whose locks and syncs can't be trusted.
    pub allow_network_fs: bool,
}

impl Default for FileSystemOptions {
    fn default() -> Self {
        Self {
            standard: "/var/lib/socorro/standard".into(),
            deferred: "/var/lib/socorro/deferred".into(),
            processed: "/var/lib/socorro/processed".into(),
            allow_network_fs: false,
        }
    }
}

/// The section `[hbase]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HBaseOptions {
    /// Host and port of the Thrift1 server (binary protocol, not framed).
    pub thrift: String,
    /// Put before the name of every table.
    pub table_prefix: String,
    /// Connections at a time.
    pub connections: usize,
    /// How long connecting may take.
    pub connect_timeout: Period,
    /// How long a call may wait for the server. A call cut off may still be carried out later.
    pub socket_timeout: Period,
    /// A connection idle for longer is not used again: the server closes it after 60 s.
    pub idle_limit: Period,
    /// A claim that nobody renewed for that long belongs to a dead processor.
    pub claim_lease: Period,
}

impl Default for HBaseOptions {
    fn default() -> Self {
        Self {
            thrift: "127.0.0.1:9090".into(),
            table_prefix: String::new(),
            connections: 8,
            connect_timeout: Period::from_secs(5),
            socket_timeout: Period::from_secs(20),
            idle_limit: Period::from_secs(45),
            claim_lease: Period::from_secs(60),
        }
    }
}

/// The spool as the collector writes and the mover drains it.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Saves to the first tree that takes a crash; walks all.
    pub storage: Arc<dyn CrashStorage>,
    /// The trees, the primary first.
    pub trees: Vec<Arc<Tree>>,
}

impl Spool {
    /// The spool of this configuration; nothing is touched yet.
    pub fn new(settings: &Settings) -> Self {
        let SpoolOptions {
            primary,
            fallback,
            allow_network_fs,
        } = &settings.spool;
        let tree = |root: &PathBuf| {
            Arc::new(Tree::new(TreeOptions {
                root: root.clone(),
                dated: true,
                host: settings.storage.host(),
                allow_network_fs: *allow_network_fs,
            }))
        };
        let primary = tree(primary);
        if fallback.as_os_str().is_empty() {
            return Self {
                storage: primary.clone(),
                trees: vec![primary],
            };
        }
        let fallback = tree(fallback);
        let storage = FallbackCrashStorage::new(primary.clone(), fallback.clone());
        Self {
            storage: Arc::new(storage),
            trees: vec![primary, fallback],
        }
    }

    /// Sets a waiting crash aside in its tree, with the reason. [`StorageError::NotFound`] if it
    /// waits in none.
    pub async fn set_aside(&self, id: &CrashId, reason: &str) -> Result<()> {
        for tree in &self.trees {
            match tree.set_aside(id, reason).await {
                Err(error) if error.is_not_found() => {}
                done => return done,
            }
        }
        Err(StorageError::not_found(id, "waiting crash"))
    }

    /// A file in the staging of the first tree that takes one, for a dump that is too large for
    /// memory.
    pub fn spill(&self) -> Result<Spilled> {
        let mut errors = Vec::new();
        for tree in &self.trees {
            match tree.spill() {
                Ok(spilled) => return Ok(spilled),
                Err(error) => errors.push(error),
            }
        }
        Err(StorageError::All(errors))
    }
}

/// The primary storage with its queue.
#[derive(Debug, Clone)]
pub struct PrimaryStorage {
    /// The crashes.
    pub storage: Arc<dyn CrashStorage>,
    /// Those that wait.
    pub queue: Arc<dyn CrashQueue>,
    /// The storage if it is HBase, which has counts to be kept.
    pub hbase: Option<Arc<HBaseCrashStorage>>,
}

impl PrimaryStorage {
    /// The primary storage of this configuration; nothing is touched yet.
    pub fn new(settings: &Settings) -> Self {
        match settings.storage.class {
            StorageClass::FileSystemCrashStorage => Self::of(Arc::new(file_system(settings))),
            StorageClass::HBaseCrashStorage => {
                let host = settings.storage.host();
                let hbase = Arc::new(HBaseCrashStorage::new(&settings.hbase, &host));
                Self {
                    hbase: Some(hbase.clone()),
                    ..Self::of(hbase)
                }
            }
        }
    }

    fn of(both: Arc<impl CrashStorage + CrashQueue>) -> Self {
        Self {
            storage: both.clone(),
            queue: both,
            hbase: None,
        }
    }
}

/// The primary storage on the file system, as the type that it is; nothing is touched yet.
pub fn file_system(settings: &Settings) -> FileSystemCrashStorage {
    let FileSystemOptions {
        standard,
        deferred,
        processed,
        allow_network_fs,
    } = settings.filesystem.clone();
    let roots = Roots {
        standard,
        deferred,
        processed,
    };
    FileSystemCrashStorage::new(roots, &settings.storage.host(), allow_network_fs)
}
