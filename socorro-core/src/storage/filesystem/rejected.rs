//! Crashes that the primary storage refuses for what they are: set aside in the spool with the
//! reason, so that they block nobody and nobody loses them.
//!
//! ```text
//! root/rejected/YYYYMMDD/<id>.json, <id>.dump, <id>.<dumpname>.dump, <id>.reason
//! ```
//!
//! The reason is written first; then the date link is renamed to `<id>.rejected`, which takes the
//! crash off the walk; then the files move, and the renamed link goes last, so that the next walk
//! finishes what was cut short. Putting a crash back moves its files, makes its links, and moves the
//! json last; it can be repeated until the reason, which goes at the end, is gone.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::branch::{Branch, Emptied};
use super::files::{files_of, remove_file, rename_if_there};
use super::layout::{Layout, Place, REJECTED, owner};
use super::links::{date_link, is_there, link};
use super::staging::{PRUNE_RACES, make_parent};
use crate::crash_id::CrashId;
use crate::raw_crash::RawCrash;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Result, StorageError};

const DIRECTORY: &str = "rejected";
const REASON: &str = "reason";

/// A crash that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its id.
    pub id: CrashId,
    /// The directory of its files.
    pub path: PathBuf,
    /// Why the primary storage refused it.
    pub reason: String,
    /// When it was set aside.
    pub since: Option<SystemTime>,
    /// Size of its files.
    pub bytes: u64,
}

fn directory(root: &Path, id: &CrashId) -> PathBuf {
    let day = id.date().strftime("%Y%m%d").to_string();
    root.join(DIRECTORY).join(day)
}

/// Sets a crash aside. Not found if it does not wait in this tree.
pub(super) fn set_aside(place: &Place, reason: &str) -> Result<()> {
    let id = place.id();
    let waiting = date_link(place).filter(|link| is_there(link));
    let link = waiting.ok_or_else(|| StorageError::not_found(id, "waiting crash"))?;
    let directory = directory(root_of(place), id);
    fs::create_dir_all(&directory).at("make the directory", &directory)?;
    let note = directory.join(format!("{id}.{REASON}"));
    fs::write(&note, format!("{reason}\n")).at("write", &note)?;
    let marker = link.with_file_name(format!("{id}{REJECTED}"));
    rename_if_there(&link, &marker).at("rename", &link)?;
    Ok(finish(place, &marker)?)
}

fn root_of(place: &Place) -> &Path {
    // Unwrap safety: a day is a directory below a root.
    place.day().parent().unwrap()
}

/// Moves what is still in the crash's place, and then removes the marker.
pub(super) fn finish(place: &Place, marker: &Path) -> Result<(), FsError> {
    let directory = directory(root_of(place), place.id());
    // The json first: without it nobody takes the rest for a crash.
    let json = place.raw_crash();
    let name_link = place.name_link();
    for file in [json].into_iter().chain(files_of(place)?) {
        if file != name_link
            && let Some(name) = file.file_name()
        {
            rename_if_there(&file, &directory.join(name)).at("set aside", &file)?;
        }
    }
    remove_file(&name_link).at("remove", &name_link)?;
    remove_file(marker).at("remove", marker)?;
    Ok(())
}

/// The crashes that were set aside, oldest day first.
pub(super) fn list(root: &Path) -> impl Iterator<Item = Result<Rejected>> + Send + use<> {
    let files = Branch::walk(root.join(DIRECTORY), Emptied::Keep);
    files.filter_map(|file| match file {
        Ok(file) if file.extension().is_some_and(|end| end == REASON) => {
            owner(&file).map(|id| Ok(describe(id, &file)?))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error.into())),
    })
}

fn describe(id: CrashId, note: &Path) -> Result<Rejected, FsError> {
    let reason = fs::read_to_string(note).at("read", note)?;
    let since = fs::metadata(note).and_then(|meta| meta.modified()).ok();
    let mut bytes = 0;
    for file in siblings(note, &id)? {
        // Put back meanwhile: it counts no more.
        bytes += fs::symlink_metadata(file).map_or(0, |meta| meta.len());
    }
    // Unwrap safety: it is a file in a directory.
    let path = note.parent().unwrap().to_owned();
    Ok(Rejected {
        id,
        path,
        reason: reason.trim_end().to_owned(),
        since,
        bytes,
    })
}

/// The files of a crash that was set aside, but for the reason.
fn siblings(note: &Path, id: &CrashId) -> Result<Vec<PathBuf>, FsError> {
    // Unwrap safety: it is a file in a directory.
    let dir = note.parent().unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).at("list", dir)? {
        let path = entry.at("list", dir)?.path();
        if owner(&path).as_ref() == Some(id) && path != note {
            files.push(path);
        }
    }
    Ok(files)
}

/// Puts a crash that was set aside back to those that wait. Not found if it was not set aside.
pub(super) fn put_back(layout: &Layout, id: &CrashId, host: &str) -> Result<()> {
    let directory = directory(&layout.root, id);
    let note = directory.join(format!("{id}.{REASON}"));
    if !is_there(&note) {
        return Err(StorageError::not_found(id, "rejected crash"));
    }
    let place = layout.home(id);
    let json = directory.join(format!("{id}.json"));
    for file in siblings(&note, id)? {
        if file != json
            && let Some(name) = file.file_name()
        {
            move_to(&file, &place.name_dir().join(name))?;
        }
    }
    if is_there(&json) {
        link(&place, &slot_for(&place, &json, host))?;
        move_to(&json, &place.raw_crash())?;
    }
    remove_file(&note).at("remove", &note)?;
    Ok(())
}

/// The slot for a crash that has lost its own, by what its json says of the time of receipt.
pub(super) fn slot_for(place: &Place, json: &Path, host: &str) -> PathBuf {
    let raw = fs::read(json)
        .ok()
        .and_then(|text| RawCrash::from_json(&text).ok());
    let received = raw.unwrap_or_default().submitted(place.id());
    place.slot(received, host)
}

fn move_to(file: &Path, target: &Path) -> Result<(), FsError> {
    for _ in 0..PRUNE_RACES {
        make_parent(target)?;
        match fs::rename(file, target) {
            // The directory was pruned meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && is_there(file) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => return other.at("put back", file),
        }
    }
    fs::rename(file, target).at("put back", file)
}
