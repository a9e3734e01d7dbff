//! Where storages keep their crashes, and that no two of them do so in one place.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::check::{Mistake, Result};
use super::named::NamedStorage;
use crate::config::Settings;

/// Where a storage keeps its crashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A directory, without links.
    Root(PathBuf),
    /// The Thrift server and the prefix of the tables.
    HBase(String, String),
}

/// The places of the storages that crashes of that one end up in, each with its setting.
pub(crate) fn places(settings: &Settings, name: &str) -> Vec<(String, Place)> {
    let leaves = settings.leaves(name);
    leaves
        .iter()
        .flat_map(|leaf| own_places(settings, leaf))
        .collect()
}

fn own_places(settings: &Settings, name: &str) -> Vec<(String, Place)> {
    let root = |key, root: &Path| {
        let place = Place::Root(real_path(root));
        (Settings::setting_of(name, key), place)
    };
    match settings.storage_named(name) {
        Some(NamedStorage::FileSystemRawCrashStorage { root: only, .. }) => {
            vec![root("root", &only)]
        }
        Some(NamedStorage::FileSystemThrottledCrashStorage {
            standard, deferred, ..
        }) => vec![root("standard", &standard), root("deferred", &deferred)],
        Some(NamedStorage::FileSystemCrashStorage(options)) => vec![
            root("standard", &options.standard),
            root("deferred", &options.deferred),
            root("processed", &options.processed),
        ],
        Some(NamedStorage::HBaseCrashStorage(options)) => {
            let place = Place::HBase(options.thrift, options.table_prefix);
            vec![(Settings::setting_of(name, "thrift"), place)]
        }
        _ => Vec::new(),
    }
}

/// A place must not hold two storages: a mover between them would find each crash stored already,
/// and remove it.
pub(super) fn places_are_apart(settings: &Settings) -> Result {
    let used = [
        settings.spool_name(),
        settings.primary_name(),
        settings.destination_name(),
    ];
    let named = settings.storages.keys().map(String::as_str);
    let leaves: BTreeSet<_> = used
        .into_iter()
        .chain(named)
        .flat_map(|name| settings.leaves(name))
        .collect();
    let mut places = Vec::new();
    for leaf in &leaves {
        places.extend(own_places(settings, leaf));
    }
    for (at, (one, place)) in places.iter().enumerate() {
        for (other, other_place) in &places[at + 1..] {
            let problem = match (place, other_place) {
                (Place::Root(root), Place::Root(other_root))
                    if root.starts_with(other_root) || other_root.starts_with(root) =>
                {
                    let (root, other_root) = (root.display(), other_root.display());
                    format!(
                        "{root} and {other} = {other_root} are one directory, or one lies in the \
                         other: give each a directory of its own"
                    )
                }
                (Place::HBase(..), Place::HBase(..)) if place == other_place => format!(
                    "{other} and its table_prefix are the same, so both are one storage: use one \
                     name for it"
                ),
                _ => continue,
            };
            return Err(Mistake {
                setting: one.clone(),
                other: Some(other.clone()),
                problem,
            });
        }
    }
    Ok(())
}

/// The path without links, as far as it exists already, and without `..`.
fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => real_path(parent).join(name),
        (Some(parent), Some(Component::ParentDir)) => {
            let mut real = real_path(parent);
            real.pop();
            real
        }
        _ => path.to_owned(),
    }
}
