//! The files of a crash: finding and removing them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::layout::{Layout, Place, REMOVED, owner};
use super::links::date_link;
use crate::crash_id::CrashId;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Result, StorageError};

/// Where the raw crash is, whole: in the day of its id or, as Socorro 2.x may have put it, in
/// another. An error is not an absence: a crash that can't be looked for may be there.
pub(super) fn find(layout: &Layout, id: &CrashId) -> Result<Option<Place>, FsError> {
    let home = layout.home(id);
    if is_whole(&home)? {
        return Ok(Some(home));
    }
    for (day, _) in days(&layout.root)? {
        let place = Place::new(layout.root.join(day), id);
        if is_whole(&place)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Whether the raw crash is there.
pub(super) fn is_whole(place: &Place) -> Result<bool, FsError> {
    let json = place.raw_crash();
    json.try_exists().at("look for", &json)
}

/// The day directories below a root, oldest first. A root that does not exist yet has none.
pub(super) fn days(root: &Path) -> Result<Vec<(String, Date)>, FsError> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", root)?,
    };
    let mut days = Vec::new();
    for entry in entries {
        let name = entry.at("list", root)?.file_name();
        if let Ok(name) = name.into_string()
            && let Some(date) = Layout::day_of(&name)
        {
            days.push((name, date));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// Whether no collector writes into that day any more: it is before yesterday.
pub(super) fn is_past(date: Date) -> bool {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    today.checked_sub(2.days()).is_ok_and(|limit| date <= limit)
}

/// Removes all that a tree has of a crash. The date link is renamed first, which takes the crash off
/// the walk, and goes last, so that the next walk finishes a removal that was cut short.
pub(super) fn remove(layout: &Layout, id: &CrashId) -> Result<()> {
    let place = find(layout, id)?.unwrap_or_else(|| layout.home(id));
    let mut found = false;
    let marker = match date_link(&place) {
        Some(link) => {
            let marker = link.with_file_name(format!("{id}{REMOVED}"));
            found |= rename_if_there(&link, &marker).at("rename", &link)?;
            Some(marker)
        }
        None => None,
    };
    found |= remove_files(&place)?;
    if let Some(marker) = &marker {
        found |= remove_file(marker).at("remove", marker)?;
    }
    if !found {
        return Err(StorageError::not_found(id, "crash"));
    }
    let slot = marker.as_deref().and_then(Path::parent);
    prune(&place, slot);
    Ok(())
}

/// Removes a crash's files and its name link, the json first; says whether there were any.
pub(super) fn remove_files(place: &Place) -> Result<bool, FsError> {
    let json = place.raw_crash();
    let mut found = remove_file(&json).at("remove", &json)?;
    let name_link = place.name_link();
    for path in files_of(place)? {
        if path != name_link {
            found |= remove_file(&path).at("remove", &path)?;
        }
    }
    // Last: a repetition finds the date link through it.
    found |= remove_file(&name_link).at("remove", &name_link)?;
    Ok(found)
}

/// Removes the directories that a crash of a past day leaves empty. Collectors may still write into
/// today and yesterday. The date branch itself is left to the walk, which then clears the whole day.
fn prune(place: &Place, slot: Option<&Path>) {
    let date = place.day().file_name().and_then(|name| name.to_str());
    if !date.and_then(Layout::day_of).is_some_and(is_past) {
        return;
    }
    // Unwrap safety: a day is a directory below a root.
    prune_up(&place.name_dir(), place.day().parent().unwrap());
    if let Some(slot) = slot {
        prune_up(slot, &place.day().join("date"));
    }
}

/// Removes empty directories from `dir` upwards, as long as they are below `top`.
fn prune_up(dir: &Path, top: &Path) {
    dir.ancestors()
        .take_while(|dir| *dir != top && dir.starts_with(top))
        .take_while(|dir| fs::remove_dir(dir).is_ok())
        .for_each(drop);
}

/// All that lies in a crash's directory under its id.
pub(super) fn files_of(place: &Place) -> Result<Vec<PathBuf>, FsError> {
    let dir = place.name_dir();
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", &dir)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.at("list", &dir)?.path();
        if owner(&path).as_ref() == Some(place.id()) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether it was there; that it was not is no error. A file system that has become read-only says
/// so even of names that are not there, hence the look before.
pub(super) fn remove_file(path: &Path) -> std::io::Result<bool> {
    match fs::symlink_metadata(path).and_then(|_| fs::remove_file(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true),
    }
}

pub(super) fn rename_if_there(from: &Path, to: &Path) -> std::io::Result<bool> {
    match fs::symlink_metadata(from).and_then(|_| fs::rename(from, to)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true),
    }
}
