//! From configuration to storages: the sections `[spool]`, `[storage]`, `[filesystem]`, `[hbase]`,
//! and the storages that they and `[storages]` set up.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fallback::FallbackCrashStorage;
use super::filesystem::{LeftAlone, Tree};
use super::hbase::HBaseCrashStorage;
use super::named::NamedStorage;
use super::opener::{Opened, Opener, tree};
use super::spool_file::SpoolFile;
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
    /// The spool by its name in `[storages]`, in place of the above: a `FileSystemRawCrashStorage`,
    /// or a `FallbackCrashStorage` of such. Empty: the above.
    pub r#use: String,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            primary: "/var/spool/socorro/primary".into(),
            fallback: PathBuf::new(),
            allow_network_fs: false,
            r#use: String::new(),
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
    /// The primary storage by its name in `[storages]`, in place of `class`. Empty: `class`.
    pub r#use: String,
    /// The storage into which the crash mover brings crashes, by its name in `[storages]`; for when
    /// that is more than the primary storage. Empty: the primary storage.
    pub destination: String,
    /// This host's name in file names and claims. Empty: what the system says.
    pub host: String,
    /// Saves bring removed crashes back. No setting: the commands that restore choose it.
    #[serde(skip)]
    pub restores: bool,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            class: StorageClass::FileSystemCrashStorage,
            r#use: String::new(),
            destination: String::new(),
            host: String::new(),
            restores: false,
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
    ///
    /// # Panics
    /// If the spool is none: what [`crate::config::load`] accepts is one.
    pub fn new(settings: &Settings) -> Self {
        let mut trees = Vec::new();
        let storage = Self::open(settings, settings.spool_name(), &mut trees);
        Self { storage, trees }
    }

    fn open(settings: &Settings, name: &str, trees: &mut Vec<Arc<Tree>>) -> Arc<dyn CrashStorage> {
        match settings.storage_named(name) {
            Some(NamedStorage::FileSystemRawCrashStorage {
                root,
                date_branch,
                allow_network_fs,
            }) => {
                let tree = tree(settings, root, date_branch, allow_network_fs);
                trees.push(Arc::clone(&tree));
                tree
            }
            Some(NamedStorage::FallbackCrashStorage { primary, fallback }) => {
                let primary = Self::open(settings, &primary, trees);
                let fallback = Self::open(settings, &fallback, trees);
                Arc::new(FallbackCrashStorage::new(primary, fallback))
            }
            _ => panic!("{name} can't be a spool"),
        }
    }

    /// Sets a waiting crash aside in each tree that has it, with the reason.
    /// [`StorageError::NotFound`] if it waits in none.
    pub async fn set_aside(&self, id: &CrashId, reason: &str) -> Result<()> {
        let mut found = false;
        for tree in &self.trees {
            match tree.set_aside(id, reason).await {
                Ok(()) => found = true,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        match found {
            true => Ok(()),
            false => Err(StorageError::not_found(id, "waiting crash")),
        }
    }

    /// What the last walk of each tree has left alone, in all.
    pub fn left_alone(&self) -> LeftAlone {
        let mut sum = LeftAlone::default();
        for tree in &self.trees {
            sum += tree.left_alone();
        }
        sum
    }

    /// A file for a dump that is too large for memory; nothing is touched yet.
    pub fn file(&self) -> SpoolFile {
        SpoolFile::new(&self.trees)
    }
}

/// The primary storage with its queue.
#[derive(Debug, Clone)]
pub struct PrimaryStorage {
    /// The crashes.
    pub storage: Arc<dyn CrashStorage>,
    /// Those that wait.
    pub queue: Arc<dyn CrashQueue>,
    /// The HBase that has the queue, with its indices, and counts to be kept; if one has.
    pub hbase: Option<Arc<HBaseCrashStorage>>,
}

impl PrimaryStorage {
    /// The primary storage of this configuration; nothing is touched yet.
    ///
    /// # Panics
    /// If it has no queue: what [`crate::config::load`] accepts has one.
    pub fn new(settings: &Settings) -> Self {
        let name = settings.primary_name();
        let Opened {
            storage,
            queue,
            hbase,
        } = Opener::new(settings).open(name);
        let queue = queue.unwrap_or_else(|| panic!("{name} has no queue"));
        Self {
            storage,
            queue,
            hbase,
        }
    }
}

/// The storage into which the crash mover brings crashes; nothing is touched yet.
///
/// # Panics
/// If a name stands for no storage: what [`crate::config::load`] accepts does.
pub fn destination(settings: &Settings) -> Arc<dyn CrashStorage> {
    storage_named(settings, settings.destination_name())
}

/// The storage of that name; nothing is touched yet. Panics as [`destination`].
pub(crate) fn storage_named(settings: &Settings, name: &str) -> Arc<dyn CrashStorage> {
    Opener::new(settings).open(name).storage
}
