//! Crashes that the primary storage refuses for what they are: set aside in the spool with the
//! reason, so that they block nobody and nobody loses them.
//!
//! ```text
//! root/rejected/YYYYMMDD/<id>.json, <id>.dump, <id>.<dumpname>.dump, <id>.reason
//! ```
//!
//! The reason is written first; then the date link is renamed to `<id>.rejected`, which takes the
//! crash off the walk; then the files move, and the renamed link goes last, so that the next walk
//! finishes what was cut short. To have a crash tried again, move its files back, the json last.

use std::fs;
use std::path::{Path, PathBuf};

use super::layout::{Layout, REJECTED};
use super::tree::{date_link, files_of, remove_file, rename_if_there};
use crate::crash_id::CrashId;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Result, StorageError};

fn directory(layout: &Layout, id: &CrashId) -> PathBuf {
    let day = id.date().strftime("%Y%m%d").to_string();
    layout.root.join("rejected").join(day)
}

/// Sets a crash aside. Not found if it does not wait in this tree.
pub(super) fn set_aside(layout: &Layout, id: &CrashId, reason: &str) -> Result<()> {
    let waiting = date_link(layout, id).filter(|link| link.symlink_metadata().is_ok());
    let link = waiting.ok_or_else(|| StorageError::not_found(id, "waiting crash"))?;
    let directory = directory(layout, id);
    fs::create_dir_all(&directory).at("make the directory", &directory)?;
    let note = directory.join(format!("{id}.reason"));
    fs::write(&note, format!("{reason}\n")).at("write", &note)?;
    let marker = link.with_file_name(format!("{id}{REJECTED}"));
    rename_if_there(&link, &marker).at("rename", &link)?;
    Ok(finish(layout, id, &marker)?)
}

/// Moves what is still in the crash's place, and then removes the marker.
pub(super) fn finish(layout: &Layout, id: &CrashId, marker: &Path) -> Result<(), FsError> {
    let directory = directory(layout, id);
    // The json first: without it nobody takes the rest for a crash.
    let json = layout.raw_crash(id);
    let name_link = layout.name_link(id);
    for file in [json].into_iter().chain(files_of(layout, id)?) {
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
