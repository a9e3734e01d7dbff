//! Walks the date branch of a tree: the ids of waiting crashes, oldest first.
//!
//! Nothing is removed that a crash needs: an id is told, and the crash stays until
//! [`super::tree::Tree`] is asked to remove it. The walk only finishes removals that were cut
//! short, and prunes directories of past days that are empty.

use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tracing::{debug, warn};
use walkdir::{DirEntry, WalkDir};

use super::layout::{Layout, REJECTED, REMOVED};
use super::rejected;
use super::tree::remove_files;
use crate::crash_id::CrashId;
use crate::storage::Result;
use crate::storage::error::{AtPath, FsError};

/// After that long a crash without a name link counts as whole: Socorro 2.x made that link last.
const SETTLED: Duration = Duration::from_secs(3600);

/// Depth of date links below `date`: HH/MM/host_N/id.
const LINK_DEPTH: usize = 4;

/// The ids of the tree's waiting crashes: day by day, minute by minute.
pub(super) fn new_crashes(layout: Layout) -> Result<impl Iterator<Item = Result<CrashId>> + Send> {
    let days = days(&layout.root)?;
    Ok(days
        .into_iter()
        .flat_map(move |day| walk_day(layout.clone(), day)))
}

/// The ids of all raw crashes of those days, whether they wait or not, day by day.
pub(super) fn crashes(
    layout: Layout,
    days_wanted: RangeInclusive<Date>,
) -> Result<impl Iterator<Item = Result<CrashId>> + Send> {
    let wanted = move |day: &String| Layout::day_of(day).is_some_and(|d| days_wanted.contains(&d));
    let days = days(&layout.root)?.into_iter().filter(wanted);
    let entries = days.flat_map(move |day| WalkDir::new(layout.root.join(day).join("name")));
    Ok(entries.filter_map(|entry| match entry {
        Ok(file) => file
            .file_name()
            .to_str()?
            .strip_suffix(".json")?
            .parse()
            .ok()
            .map(Ok),
        Err(error) => report(error).map(Err),
    }))
}

/// The names of the day directories, oldest first. A root that does not exist yet has none.
fn days(root: &Path) -> Result<Vec<String>, FsError> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", root)?,
    };
    let mut days: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Layout::day_of(name).is_some())
        .collect();
    days.sort_unstable();
    Ok(days)
}

fn walk_day(layout: Layout, day: String) -> impl Iterator<Item = Result<CrashId>> + Send {
    let date_branch = layout.root.join(&day).join("date");
    let walk = WalkDir::new(&date_branch)
        .min_depth(LINK_DEPTH)
        .max_depth(LINK_DEPTH)
        .sort_by_file_name()
        .into_iter();
    let prune = PruneAtEnd {
        day: layout.root.join(&day),
        date: Layout::day_of(&day),
    };
    walk.filter_map(move |entry| {
        let _at_end = &prune;
        match entry {
            Ok(link) => ready(&layout, &link).map(Ok),
            Err(error) => report(error).map(Err),
        }
    })
}

/// What vanished while we walked is no error; somebody else has moved it.
fn report(error: walkdir::Error) -> Option<crate::storage::StorageError> {
    let path = error.path().map(Path::to_owned).unwrap_or_default();
    let source = error.into_io_error()?;
    (source.kind() != ErrorKind::NotFound).then(|| {
        FsError {
            operation: "walk",
            path,
            source,
        }
        .into()
    })
}

/// The id of a date link whose crash is whole.
fn ready(layout: &Layout, link: &DirEntry) -> Option<CrashId> {
    let name = link.file_name().to_str()?;
    if let Some(removed) = name.strip_suffix(REMOVED) {
        finish_removal(layout, &removed.parse().ok()?, link.path());
        return None;
    }
    if let Some(refused) = name.strip_suffix(REJECTED) {
        let id = refused.parse().ok()?;
        warn_of(&id, rejected::finish(layout, &id, link.path()));
        return None;
    }
    let Ok(id) = name.parse::<CrashId>() else {
        debug!(path = %link.path().display(), "not a crash, left alone");
        return None;
    };
    let settled = |json: fs::Metadata| {
        layout.name_link(&id).symlink_metadata().is_ok()
            || json.modified().is_ok_and(|time| is_past(time, SETTLED))
    };
    let whole = fs::metadata(layout.raw_crash(&id)).is_ok_and(settled);
    if !whole {
        debug!(%id, "has a date link but is not whole (yet), left alone");
    }
    whole.then_some(id)
}

fn is_past(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|elapsed| elapsed >= age)
}

fn finish_removal(layout: &Layout, id: &CrashId, marker: &Path) {
    let removed = remove_files(layout, id);
    warn_of(
        id,
        removed.and_then(|_| fs::remove_file(marker).at("remove", marker)),
    );
}

fn warn_of(id: &CrashId, finished: Result<(), FsError>) {
    if let Err(error) = finished {
        warn!(%id, path = %error.path.display(), error = %error.source, "can't finish what was cut short");
    }
}

/// Prunes a day when its walk is dropped.
struct PruneAtEnd {
    day: PathBuf,
    date: Option<Date>,
}

impl Drop for PruneAtEnd {
    fn drop(&mut self) {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let past = today
            .checked_sub(2.days())
            .is_ok_and(|limit| self.date.is_some_and(|d| d <= limit));
        // Collectors may still write into today and yesterday.
        let date_branch = self.day.join("date");
        if past && date_branch.exists() {
            prune(&date_branch);
            // Nothing waits any more. The name branch is looked at this once: in a primary storage
            // it is full, and stays.
            if !date_branch.exists() {
                prune(&self.day);
            }
        }
    }
}

/// Removes the empty directories of a tree, leaves first; what is not empty stays.
fn prune(dir: &Path) {
    for entry in WalkDir::new(dir).contents_first(true).into_iter().flatten() {
        if entry.file_type().is_dir() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}
