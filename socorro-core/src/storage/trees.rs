//! The trees of a configuration, for commands that look at files rather than at crashes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::filesystem::Tree;
use super::named::NamedStorage;
use super::opener::tree;
use crate::config::Settings;

/// What a tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A mover empties it: a crash without a date link is an orphan.
    Spool,
    /// Its date branch is the queue of the processors: a crash without a date link has been
    /// processed.
    Queue,
    /// Crashes stay in it; date links mean nothing.
    Archive,
}

/// A tree of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct ConfiguredTree {
    /// The setting that has its root, such as `spool.primary`.
    pub(crate) setting: String,
    /// The tree.
    pub(crate) tree: Arc<Tree>,
    /// What it is for.
    pub(crate) role: Role,
}

/// The trees of the spool, and those of the primary storage and the mover's destination.
pub(crate) fn trees(settings: &Settings) -> Vec<ConfiguredTree> {
    let kept = [settings.primary_name(), settings.destination_name()];
    let kept: BTreeSet<_> = kept
        .into_iter()
        .flat_map(|name| settings.leaves(name))
        .collect();
    let spool = settings.leaves(settings.spool_name());
    // The primary one first, as a spool is written.
    let spool = spool
        .iter()
        .rev()
        .flat_map(|leaf| own_trees(settings, leaf, Role::Spool));
    let kept = kept
        .iter()
        .flat_map(|leaf| own_trees(settings, leaf, Role::Archive));
    spool.chain(kept).collect()
}

fn own_trees(settings: &Settings, name: &str, role: Role) -> Vec<ConfiguredTree> {
    let own = |key, root: PathBuf, dated, allow_network_fs, role| ConfiguredTree {
        setting: Settings::setting_of(name, key),
        tree: tree(settings, root, dated, allow_network_fs),
        role,
    };
    match settings.storage_named(name) {
        Some(NamedStorage::FileSystemRawCrashStorage {
            root,
            date_branch,
            allow_network_fs,
        }) => vec![own("root", root, date_branch, allow_network_fs, role)],
        Some(NamedStorage::FileSystemThrottledCrashStorage {
            standard,
            deferred,
            allow_network_fs,
        }) => vec![
            own("standard", standard, true, allow_network_fs, role),
            own("deferred", deferred, true, allow_network_fs, role),
        ],
        Some(NamedStorage::FileSystemCrashStorage(options)) => {
            let allow = options.allow_network_fs;
            vec![
                own("standard", options.standard, true, allow, Role::Queue),
                own("deferred", options.deferred, true, allow, role),
                own("processed", options.processed, false, allow, role),
            ]
        }
        _ => Vec::new(),
    }
}
