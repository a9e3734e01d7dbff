//! The two links of a crash: the date link, which is its place in the queue, and the name link, which
//! leads from its files to the date link.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::files::remove_file;
use super::layout::{Place, REMOVED};
use super::staging::{PRUNE_RACES, make_parent};
use crate::storage::error::{AtPath, FsError};

/// Makes both links. The date link goes last: a slot that leads to a crash without a name link was
/// written by Socorro 2.x, or its removal was cut short.
pub(super) fn link(place: &Place, slot: &Path) -> Result<(), FsError> {
    make_name_link(place, slot)?;
    make_link(
        &place.date_link_target(slot),
        &slot.join(place.id().as_str()),
    )
}

/// Makes the name link, or turns it to that slot.
pub(super) fn make_name_link(place: &Place, slot: &Path) -> Result<(), FsError> {
    make_link(&place.name_link_target(slot), &place.name_link())
}

fn make_link(target: &Path, link: &Path) -> Result<(), FsError> {
    for _ in 0..PRUNE_RACES {
        match symlink(target, link) {
            Err(error) if error.kind() == ErrorKind::NotFound => make_parent(link)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if fs::read_link(link).is_ok_and(|there| there == target) {
                    return Ok(());
                }
                // What a killed save left, with another slot.
                remove_file(link).at("replace the link", link)?;
            }
            other => return other.at("make the link", link),
        }
    }
    symlink(target, link).at("make the link", link)
}

/// Where the date link of a crash is, or was: through its name link, or else by a search of the day.
/// `None` if it has neither.
pub(super) fn date_link(place: &Place) -> Option<PathBuf> {
    let id = place.id().as_str();
    if let Ok(target) = fs::read_link(place.name_link())
        && let Some(slot) = place.slot_of_target(&target)
    {
        return Some(slot.join(id));
    }
    let removed = format!("{id}{REMOVED}");
    WalkDir::new(place.day().join("date"))
        .into_iter()
        .flatten()
        .find(|entry| entry.file_name() == id || *entry.file_name() == *removed)
        .map(|entry| entry.path().with_file_name(id))
}

/// Whether something, be it a dangling link, is there.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
