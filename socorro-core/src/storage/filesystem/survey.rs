//! Looks through a whole tree and says of each crash and each stray file what it is.
//!
//! Day by day: first the date branch, then the name branch. Memory is that of the largest directory
//! of the name branch, and of the ids that wait without a name link (Socorro 2.x left some so).

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::branch::{Branch, Emptied};
use super::files::{days, find, remove_file};
use super::layout::{Layout, Place, REJECTED, REMOVED, STAGING, owner};
use super::links::{is_there, link};
use super::rejected::{self, slot_for};
use super::staging;
use super::tree::Tree;
use super::walk::is_settled;
use crate::crash_id::CrashId;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Result, blocking};

/// What something in a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A whole raw crash with a date link.
    Waiting,
    /// A whole raw crash without a date link: in a spool an orphan, which nobody will move.
    Taken,
    /// A processed crash.
    Processed,
    /// A crash that was set aside.
    Rejected,
    /// A crash that is not whole, and younger than an hour: perhaps it is being written.
    BeingWritten,
    /// What is left of a crash that was never whole, or not wholly removed: older than an hour.
    Half,
    /// A date link older than an hour with no whole crash behind it.
    Dangling,
    /// A file of a process that is writing it.
    Staged,
    /// A file in staging that a killed process left.
    Leftover,
    /// A file or link that is none of ours.
    Foreign,
}

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub what: What,
    /// The crash that it belongs to by its name.
    pub id: Option<CrashId>,
    /// Where it is; of a crash, its directory.
    pub path: PathBuf,
    /// Its files, if it is not a crash that was set aside.
    pub files: Vec<PathBuf>,
    /// Size of its files.
    pub bytes: u64,
    /// When its newest file was written.
    pub modified: Option<SystemTime>,
}

impl Finding {
    /// Something that consists of these files.
    fn of(what: What, id: Option<CrashId>, path: &Path, files: &[PathBuf]) -> Self {
        // What is gone meanwhile counts nothing.
        let metas = || {
            files
                .iter()
                .filter_map(|file| fs::symlink_metadata(file).ok())
        };
        Self {
            what,
            id,
            path: path.to_owned(),
            files: files.to_vec(),
            bytes: metas().filter(|m| m.is_file()).map(|m| m.len()).sum(),
            modified: metas().filter_map(|m| m.modified().ok()).max(),
        }
    }

    fn at(what: What, path: PathBuf) -> Self {
        Self::of(what, owner(&path), &path, std::slice::from_ref(&path))
    }

    fn is_settled(&self) -> bool {
        self.modified.is_some_and(is_settled)
    }
}

type Findings = Box<dyn Iterator<Item = Result<Finding>> + Send>;

impl Tree {
    /// All that is in the tree, in no order that counts. The iterator blocks while it reads; an
    /// error is about one place. Nothing is changed.
    pub fn survey(&self) -> Result<Findings> {
        let layout = self.layout().clone();
        let root = layout.root.clone();
        let days = days(&root)?.into_iter();
        let of_days = days.flat_map(move |(day, _)| survey_day(layout.root.join(day)));
        let rejected = rejected::list(&root).map(|rejected| {
            rejected.map(|rejected| Finding {
                what: What::Rejected,
                id: Some(rejected.id),
                path: rejected.path,
                files: Vec::new(),
                bytes: rejected.bytes,
                modified: rejected.since,
            })
        });
        Ok(Box::new(
            of_days.chain(rejected).chain(survey_staging(&root)),
        ))
    }

    /// Gives a whole crash without a date link one again, so that it waits: [`What::Taken`] of a
    /// spool. `false` if it is gone, or waits, or is just being removed. May be repeated.
    pub async fn relink(&self, id: &CrashId) -> Result<bool> {
        let (layout, id, host) = (self.layout().clone(), *id, self.host().to_owned());
        blocking(move || Ok(relink(&layout, &id, &host)?)).await
    }

    /// Removes a date link with no whole crash behind it: [`What::Dangling`]. `false` if it is not so
    /// any more. May be repeated.
    pub async fn remove_dangling(&self, finding: &Finding) -> Result<bool> {
        let link = finding.path.clone();
        let again = blocking(move || -> Result<bool, FsError> {
            let Some((day, id)) = day_of(&link).zip(owner(&link)) else {
                return Ok(false);
            };
            let whole = Place::new(day.to_owned(), &id).raw_crash().exists();
            Ok(!whole && remove_file(&link).at("remove", &link)?)
        });
        Ok(again.await?)
    }
}

fn relink(layout: &Layout, id: &CrashId, host: &str) -> Result<bool, FsError> {
    let Some(place) = find(layout, id)? else {
        return Ok(false);
    };
    let slot = match date_link_by_name(&place) {
        Some(old_link) => {
            let ends = ["", REMOVED, REJECTED].map(|end| format!("{id}{end}"));
            if ends
                .iter()
                .any(|name| is_there(&old_link.with_file_name(name)))
            {
                return Ok(false);
            }
            old_link.parent().unwrap_or(place.day()).to_owned()
        }
        None => slot_for(&place, &place.raw_crash(), host),
    };
    // Looked at last: a removal that has just ended took the json before its marker.
    if !place.raw_crash().exists() {
        return Ok(false);
    }
    link(&place, &slot).map(|()| true)
}

/// The day directory that a date link is below: `day/date/...`.
fn day_of(link: &Path) -> Option<&Path> {
    link.ancestors()
        .find(|dir| dir.file_name().is_some_and(|name| name == "date"))?
        .parent()
}

pub(super) fn survey_day(day: PathBuf) -> impl Iterator<Item = Result<Finding>> + Send {
    let mut without_name_link = HashSet::new();
    let mut date_links = Some(Branch::walk(day.join("date"), Emptied::Keep));
    let mut names = ByDirectory(Branch::walk(day.join("name"), Emptied::Keep).peekable());
    let mut ready: Vec<Result<Finding>> = Vec::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(finding) = ready.pop() {
                return Some(finding);
            }
            if let Some(links) = &mut date_links {
                match links.next() {
                    Some(Ok(link)) => {
                        ready.extend(survey_link(&day, link, &mut without_name_link).map(Ok));
                    }
                    Some(Err(error)) => return Some(Err(error.into())),
                    None => date_links = None,
                }
                continue;
            }
            match names.next()? {
                Err(error) => return Some(Err(error.into())),
                Ok(files) => survey_directory(&day, files, &without_name_link, &mut ready),
            }
        }
    })
}

/// Tells of a date link only where no crash is behind it; the crash is told by its name.
fn survey_link(
    day: &Path,
    link: PathBuf,
    without_name_link: &mut HashSet<CrashId>,
) -> Option<Finding> {
    let Some(id) = owner(&link) else {
        return Some(Finding::at(What::Foreign, link));
    };
    let place = Place::new(day.to_owned(), &id);
    // The markers of removals and rejections belong to whoever works on them, or to the next walk.
    if link.extension().is_some() {
        return None;
    }
    if !place.raw_crash().exists() {
        let found = Finding::at(What::Dangling, link);
        // A younger one is told, if at all, by the name branch: as being written.
        return found.is_settled().then_some(found);
    }
    let leads_here = fs::read_link(place.name_link())
        .ok()
        .and_then(|target| place.slot_of_target(&target))
        .is_some_and(|slot| Some(slot.as_path()) == link.parent());
    if !leads_here {
        without_name_link.insert(id);
    }
    None
}

fn survey_directory(
    day: &Path,
    files: Vec<PathBuf>,
    without_name_link: &HashSet<CrashId>,
    found: &mut Vec<Result<Finding>>,
) {
    let mut crashes: BTreeMap<CrashId, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let id = owner(&file)
            .filter(|id| Some(&*Place::new(day.to_owned(), id).name_dir()) == file.parent());
        match id {
            Some(id) => crashes.entry(id).or_default().push(file),
            None => found.push(Ok(Finding::at(What::Foreign, file))),
        }
    }
    for (id, files) in crashes {
        let place = Place::new(day.to_owned(), &id);
        let (processed, raw) = files
            .into_iter()
            .partition::<Vec<_>, _>(|file| *file == place.processed());
        let finding =
            |what, files: &[PathBuf]| Finding::of(what, Some(id), &place.name_dir(), files);
        if !processed.is_empty() {
            found.push(Ok(finding(What::Processed, &processed)));
        }
        if raw.is_empty() {
            continue;
        }
        let mut raw_crash = finding(What::Half, &raw);
        if raw.contains(&place.raw_crash()) {
            let waits = without_name_link.contains(&id)
                || date_link_by_name(&place).is_some_and(|link| is_there(&link));
            raw_crash.what = if waits { What::Waiting } else { What::Taken };
        } else if !raw_crash.is_settled() {
            raw_crash.what = What::BeingWritten;
        }
        found.push(Ok(raw_crash));
    }
}

fn date_link_by_name(place: &Place) -> Option<PathBuf> {
    let target = fs::read_link(place.name_link()).ok()?;
    Some(place.slot_of_target(&target)?.join(place.id().as_str()))
}

fn survey_staging(root: &Path) -> impl Iterator<Item = Result<Finding>> + Send + use<> {
    let mut held = BTreeMap::new();
    Branch::walk(root.join(STAGING), Emptied::Keep).map(move |file| {
        let file = file?;
        let dir = file.parent().unwrap_or(&file);
        let is_held = *held
            .entry(dir.to_owned())
            .or_insert_with_key(|dir| staging::is_held(dir));
        let what = if is_held {
            What::Staged
        } else {
            What::Leftover
        };
        Ok(Finding::at(what, file))
    })
}

/// The files of one directory after the other.
struct ByDirectory(Peekable<Branch>);

impl Iterator for ByDirectory {
    type Item = Result<Vec<PathBuf>, FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.0.next()? {
            Ok(first) => first,
            Err(error) => return Some(Err(error)),
        };
        let dir = first.parent().map(Path::to_owned);
        let mut files = vec![first];
        while let Some(Ok(next)) = self
            .0
            .next_if(|next| next.as_ref().is_ok_and(|n| n.parent() == dir.as_deref()))
        {
            files.push(next);
        }
        Some(Ok(files))
    }
}
