//! Walks the date branch of a tree: the ids of waiting crashes, oldest first.
//!
//! Nothing is removed that a crash needs: an id is told, and the crash stays until
//! [`super::tree::Tree`] is asked to remove it. The walk finishes what was cut short, prunes
//! directories of past days that are empty, and mends what a later removal needs: where Socorro 2.x
//! or a kill left a whole crash without its name link, or with one to nowhere, it makes the link.
//! All else is left alone.

use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::ToSpan;
use jiff::civil::Date;
use tracing::{info, warn};
use walkdir::WalkDir;

use super::branch::{Branch, Emptied};
use super::files::{days, is_past, remove_file, remove_files};
use super::layout::{Layout, Place, REJECTED, REMOVED, owner};
use super::left_alone::{Notes, Round, Why};
use super::links::{is_there, make_name_link};
use super::rejected;
use crate::crash_id::CrashId;
use crate::storage::Result;
use crate::storage::error::{AtPath, FsError};

/// After that long a crash without a name link counts as whole: Socorro 2.x made that link last. And
/// a date link without a crash counts as dangling.
pub(super) const SETTLED: Duration = Duration::from_secs(3600);

/// The ids of the tree's waiting crashes: day by day, minute by minute.
pub(super) fn new_crashes(layout: &Layout, notes: &Notes) -> Waiting {
    let mut round = notes.begin();
    let (days, failed) = match days(&layout.root) {
        Ok(days) => (days, None),
        Err(error) => {
            round.leave(Why::Unreadable, &error.path, &error.source);
            (Vec::new(), Some(error))
        }
    };
    Waiting {
        layout: layout.clone(),
        days: days.into_iter(),
        day: None,
        round,
        failed,
    }
}

/// A walk of waiting crashes.
#[derive(Debug)]
pub(super) struct Waiting {
    layout: Layout,
    days: std::vec::IntoIter<(String, Date)>,
    day: Option<Day>,
    round: Round,
    failed: Option<FsError>,
}

#[derive(Debug)]
struct Day {
    place_of: PathBuf,
    is_past: bool,
    branch: Branch,
}

impl Day {
    fn end(self) {
        let date_branch = self.place_of.join("date");
        if self.is_past && !is_there(&date_branch) {
            // Nothing waits any more.
            prune_emptied(&self.place_of);
        }
    }
}

impl Iterator for Waiting {
    type Item = Result<CrashId>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error.into()));
        }
        loop {
            let Some(day) = &mut self.day else {
                let Some((name, date)) = self.days.next() else {
                    self.round.end();
                    return None;
                };
                let place_of = self.layout.root.join(name);
                let date_branch = place_of.join("date");
                // A day without a date branch was pruned when the branch went.
                let is_past = is_past(date) && is_there(&date_branch);
                let emptied = match is_past {
                    true => Emptied::Prune,
                    false => Emptied::Renew,
                };
                self.day = Some(Day {
                    branch: Branch::walk(date_branch, emptied),
                    place_of,
                    is_past,
                });
                continue;
            };
            match day.branch.next() {
                None => {
                    if let Some(day) = self.day.take() {
                        day.end();
                    }
                }
                Some(Ok(link)) => {
                    if let Some(id) = ready(&day.place_of, &link, &mut self.round) {
                        return Some(Ok(id));
                    }
                }
                Some(Err(error)) => {
                    self.round
                        .leave(Why::Unreadable, &error.path, &error.source);
                    return Some(Err(error.into()));
                }
            }
        }
    }
}

/// The id of a date link whose crash is whole.
fn ready(day: &Path, link: &Path, round: &mut Round) -> Option<CrashId> {
    let name = link.file_name()?.to_str().unwrap_or_default();
    let Some(id) = owner(link) else {
        round.leave(Why::Foreign, link, "not a crash");
        return None;
    };
    let place = Place::new(day.to_owned(), &id);
    match &name[CrashId::LEN..] {
        "" => {}
        REMOVED => {
            warn_of(&id, finish_removal(&place, link));
            return None;
        }
        REJECTED => {
            warn_of(&id, rejected::finish(&place, link));
            return None;
        }
        _ => {
            round.leave(Why::Foreign, link, "not a crash");
            return None;
        }
    }
    let json = place.raw_crash();
    match fs::metadata(&json) {
        Ok(meta) if meta.is_file() => match settle(&place, link, &meta) {
            Ok(Settled::Ready) => return Some(id),
            Ok(Settled::Later) => round.leave(Why::Unfinished, link, "has no name link yet"),
            Ok(Settled::Gone) => {}
            Err(error) => round.leave(Why::Unreadable, &error.path, &error.source),
        },
        Ok(_) => round.leave(Why::Unreadable, &json, "not a file"),
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::symlink_metadata(link) {
            Ok(meta) if meta.modified().is_ok_and(is_settled) => {
                round.leave(
                    Why::Dangling,
                    link,
                    "there is no whole crash behind the link",
                );
            }
            Ok(_) => round.leave(
                Why::Unfinished,
                link,
                "has a date link but is not whole yet",
            ),
            // Somebody else has moved it.
            Err(_) => {}
        },
        Err(error) => round.leave(Why::Unreadable, &json, error),
    }
    None
}

enum Settled {
    /// The crash is whole, and its name link leads to the link that was met.
    Ready,
    /// Socorro 2.x may be writing it.
    Later,
    /// The link that was met is no longer there.
    Gone,
}

/// Sees to it that the name link of a crash with a json leads to this date link.
fn settle(place: &Place, link: &Path, json: &fs::Metadata) -> Result<Settled, FsError> {
    let name_link = place.name_link();
    let slot = link.parent().unwrap_or(place.day());
    match fs::read_link(&name_link) {
        Ok(target) => {
            let leads_to = place.slot_of_target(&target);
            if leads_to.as_deref() == Some(slot) {
                return Ok(Settled::Ready);
            }
            let other = leads_to.map(|slot| slot.join(place.id().as_str()));
            if other.is_some_and(|other| is_there(&other)) {
                info!(path = %link.display(), "the crash has another date link, this one is removed");
                remove_file(link).at("remove", link)?;
                return Ok(Settled::Gone);
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !json.modified().is_ok_and(is_settled) {
                return Ok(Settled::Later);
            }
        }
        // Something else has its name. It is removed with the crash, which is found by a search.
        Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(Settled::Ready),
        Err(error) => return Err(error).at("read the link", &name_link),
    }
    make_name_link(place, slot)?;
    if is_there(link) {
        return Ok(Settled::Ready);
    }
    // It was removed meanwhile.
    remove_file(&name_link).at("remove", &name_link)?;
    Ok(Settled::Gone)
}

pub(super) fn is_settled(since: SystemTime) -> bool {
    since.elapsed().is_ok_and(|age| age >= SETTLED)
}

fn finish_removal(place: &Place, marker: &Path) -> Result<(), FsError> {
    remove_files(place)?;
    remove_file(marker).at("remove", marker).map(drop)
}

fn warn_of(id: &CrashId, finished: Result<(), FsError>) {
    if let Err(error) = finished {
        warn!(%id, path = %error.path.display(), error = %error.source, "can't finish what was cut short");
    }
}

/// So many files may be met below a day before it counts as one that is kept.
const KEPT_FILES: usize = 100;

/// Removes the empty directories of a day, leaves first. A day of a primary storage is full of
/// crashes that stay; the first of them end the search.
fn prune_emptied(day: &Path) {
    let mut kept = 0;
    for entry in WalkDir::new(day).contents_first(true).into_iter().flatten() {
        if entry.file_type().is_dir() {
            let _ = fs::remove_dir(entry.path());
        } else {
            kept += 1;
            if kept > KEPT_FILES {
                return;
            }
        }
    }
}

/// The ids of all crashes of those days that have their raw or their processed crash here, whether
/// they wait or not, day by day.
pub(super) fn crashes(
    layout: Layout,
    days_wanted: RangeInclusive<Date>,
) -> Result<impl Iterator<Item = Result<CrashId>> + Send> {
    let in_days = days_around(&layout, &days_wanted)?;
    let files = in_days.flat_map(|day| Branch::walk(day.join("name"), Emptied::Keep));
    Ok(files.filter_map(move |file| {
        let file = match file {
            Ok(file) => file,
            Err(error) => return Some(Err(error.into())),
        };
        let id = owner(&file).filter(|id| days_wanted.contains(&id.date()))?;
        let is_crash = match file.extension()?.to_str()? {
            "json" => true,
            // Not told twice.
            "jsonz" => !file.with_extension("json").exists(),
            _ => false,
        };
        is_crash.then_some(Ok(id))
    }))
}

/// The day directories in which crashes of those days may be: Socorro 2.x chose a crash's directory
/// and its id at different moments, perhaps around midnight.
pub(super) fn days_around(
    layout: &Layout,
    wanted: &RangeInclusive<Date>,
) -> Result<impl Iterator<Item = PathBuf> + Send + use<>, FsError> {
    let first = wanted.start().checked_sub(1.day());
    let last = wanted.end().checked_add(1.day());
    let first = first.unwrap_or(*wanted.start());
    let last = last.unwrap_or(*wanted.end());
    let root = layout.root.clone();
    let days = days(&root)?.into_iter();
    Ok(days
        .filter(move |(_, date)| (first..=last).contains(date))
        .map(move |(name, _)| root.join(name)))
}
