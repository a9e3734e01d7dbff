//! Makes storages of their names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::deferred::DeferringCrashStorage;
use super::deferring_primary::DeferringPrimaryStorage;
use super::fallback::FallbackCrashStorage;
use super::filesystem::{FileSystemCrashStorage, Roots, Tree, TreeOptions};
use super::hbase::HBaseCrashStorage;
use super::named::NamedStorage;
use super::null::NullCrashStorage;
use super::open::FileSystemOptions;
use super::poly::PolyCrashStorage;
use super::{CrashQueue, CrashStorage};
use crate::config::Settings;

/// A tree of these settings; nothing is touched yet.
pub(super) fn tree(
    settings: &Settings,
    root: PathBuf,
    dated: bool,
    allow_network_fs: bool,
) -> Arc<Tree> {
    Arc::new(Tree::new(TreeOptions {
        root,
        dated,
        host: settings.storage.host(),
        allow_network_fs,
    }))
}

/// A storage as it was made, with what it has besides.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) storage: Arc<dyn CrashStorage>,
    pub(super) queue: Option<Arc<dyn CrashQueue>>,
    pub(super) hbase: Option<Arc<HBaseCrashStorage>>,
}

impl Opened {
    fn plain(storage: impl CrashStorage) -> Self {
        Self {
            storage: Arc::new(storage),
            queue: None,
            hbase: None,
        }
    }

    fn queued(both: Arc<impl CrashStorage + CrashQueue>) -> Self {
        Self {
            storage: both.clone(),
            queue: Some(both),
            hbase: None,
        }
    }
}

/// Makes storages, each name once, be it used in several places.
pub(super) struct Opener<'a> {
    settings: &'a Settings,
    opened: BTreeMap<String, Opened>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            opened: BTreeMap::new(),
        }
    }

    /// The storage of that name; nothing is touched yet.
    ///
    /// # Panics
    /// If there is none, or a member of it is not there: what `check` lets pass is.
    pub(super) fn open(&mut self, name: &str) -> Opened {
        if let Some(opened) = self.opened.get(name) {
            return opened.clone();
        }
        let storage = self.settings.storage_named(name);
        let opened = self.make(storage.unwrap_or_else(|| panic!("there is no storage {name}")));
        self.opened.insert(name.to_owned(), opened.clone());
        opened
    }

    fn make(&mut self, storage: NamedStorage) -> Opened {
        let settings = self.settings;
        match storage {
            NamedStorage::FileSystemRawCrashStorage {
                root,
                date_branch,
                allow_network_fs,
            } => Opened {
                storage: tree(settings, root, date_branch, allow_network_fs),
                queue: None,
                hbase: None,
            },
            NamedStorage::FileSystemThrottledCrashStorage {
                standard,
                deferred,
                allow_network_fs,
            } => {
                let standard = tree(settings, standard, true, allow_network_fs);
                Opened::plain(DeferringCrashStorage {
                    standard: standard.clone(),
                    deferred: tree(settings, deferred, true, allow_network_fs),
                    processed: standard,
                })
            }
            NamedStorage::FileSystemCrashStorage(options) => {
                let FileSystemOptions {
                    standard,
                    deferred,
                    processed,
                    allow_network_fs,
                } = options;
                let roots = Roots {
                    standard,
                    deferred,
                    processed,
                };
                let host = settings.storage.host();
                let files = FileSystemCrashStorage::new(roots, &host, allow_network_fs);
                Opened::queued(Arc::new(files))
            }
            NamedStorage::HBaseCrashStorage(options) => {
                let hbase = HBaseCrashStorage::new(&options, &settings.storage.host())
                    .patient(&settings.transactions)
                    .restoring(settings.storage.restores);
                let hbase = Arc::new(hbase);
                Opened {
                    hbase: Some(hbase.clone()),
                    ..Opened::queued(hbase)
                }
            }
            NamedStorage::DeferringCrashStorage {
                standard,
                deferred,
                processed,
            } => {
                let standard = self.open(&standard);
                let storage = DeferringCrashStorage {
                    deferred: self.open(&deferred).storage,
                    processed: match &*processed {
                        "" => Arc::clone(&standard.storage),
                        name => self.open(name).storage,
                    },
                    standard: standard.storage,
                };
                let Some(queue) = standard.queue else {
                    return Opened::plain(storage);
                };
                let primary = DeferringPrimaryStorage::new(storage, queue);
                Opened {
                    hbase: standard.hbase,
                    ..Opened::queued(Arc::new(primary))
                }
            }
            NamedStorage::PolyCrashStorage { storages } => {
                let storages = storages.iter().map(|name| self.open(name).storage);
                Opened::plain(PolyCrashStorage::new(storages.collect()))
            }
            NamedStorage::FallbackCrashStorage { primary, fallback } => {
                let (primary, fallback) = (self.open(&primary), self.open(&fallback));
                let both = FallbackCrashStorage::new(primary.storage, fallback.storage);
                Opened::plain(both)
            }
            NamedStorage::NullCrashStorage {} => Opened::plain(NullCrashStorage),
        }
    }
}
