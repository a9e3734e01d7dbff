//! [`Tree`]: crashes as files in one tree (see [`super::layout`] for the paths).
//!
//! **Saving**, in the order that survives power cuts: all files are written in staging; commit;
//! dumps are renamed into place, the links are made, `<id>.json` is renamed last; commit. The json
//! is the mark of a whole crash, so a crash is never visible before all of it is on disk, and a
//! save of a crash that is there has nothing to do but to commit.
//!
//! **Removing**: the date link is renamed to `<id>.removed`, which takes the crash off the walk,
//! then go the json, the dumps and the name link, and the renamed link last, so that the next walk
//! finishes a removal that was cut short.

use std::fs;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use tempfile::TempPath;
use walkdir::WalkDir;

use super::commit::Committer;
use super::layout::{Layout, REMOVED};
use super::spilled::Spilled;
use super::staging::{PRUNE_RACES, Staging, make_parent, place};
use super::{network, rejected, walk};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{CrashIds, CrashStorage, Result, StorageError, blocking};

/// What a [`Tree`] is to be.
#[derive(Debug, Clone)]
pub struct TreeOptions {
    /// The root directory. Made at the first save.
    pub root: PathBuf,
    /// Whether to keep a date branch, which makes the tree a queue that can be walked.
    pub dated: bool,
    /// This host's name in the date branch and in staging.
    pub host: String,
    /// Whether the root may lie on a network file system.
    pub allow_network_fs: bool,
}

/// Crashes as files in one tree. With a date branch it is `FileSystemRawCrashStorage`: it takes
/// whatever comes and never asks the throttle result.
#[derive(Debug)]
pub struct Tree {
    layout: Layout,
    options: TreeOptions,
    /// Opened at the first save, and again after a failed one: a disk may come and go.
    writer: Mutex<Option<Arc<Writer>>>,
}

#[derive(Debug)]
pub(super) struct Writer {
    staging: Staging,
    pub(super) committer: Committer,
}

impl Tree {
    /// A tree; nothing is touched yet.
    pub fn new(options: TreeOptions) -> Self {
        Self {
            layout: Layout {
                root: options.root.clone(),
            },
            options,
            writer: Mutex::default(),
        }
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// Opens the tree for writing, which makes its root and checks that it can be used. The same
    /// happens at the first save; done early, an operator learns early what is wrong.
    pub fn open_for_writing(&self) -> Result<()> {
        self.writer().map(drop)
    }

    /// A new file in staging, on the tree's file system, for a dump that is too large for memory.
    pub fn spill(&self) -> Result<Spilled> {
        match self.try_spill() {
            // The staging directory may have vanished: it is made anew, once.
            Err(_) => self.try_spill(),
            spilled => spilled,
        }
    }

    fn try_spill(&self) -> Result<Spilled> {
        let writer = self.writer()?;
        let since = writer.committer.begin();
        match writer.staging.file() {
            Ok(file) => Ok(Spilled::new(file, writer, since)),
            Err(error) => {
                self.forget(&writer);
                Err(error.into())
            }
        }
    }

    /// Sets a waiting crash aside, with the reason why the primary storage refuses it:
    /// `root/rejected/YYYYMMDD/`. [`StorageError::NotFound`] if it does not wait here. Killed in
    /// between, the next walk goes on with it.
    pub async fn set_aside(&self, id: &CrashId, reason: &str) -> Result<()> {
        let (layout, id, reason) = (self.layout.clone(), *id, reason.to_owned());
        blocking(move || rejected::set_aside(&layout, &id, &reason)).await
    }

    /// Opens the tree anew at the next save: its disk may have gone and come back.
    fn forget(&self, writer: &Arc<Writer>) {
        let mut current = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|open| Arc::ptr_eq(open, writer));
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a raw crash with that id is there, whole.
    pub(super) fn has_raw_crash(&self, id: &CrashId) -> bool {
        self.layout.raw_crash(id).exists()
    }

    fn writer(&self) -> Result<Arc<Writer>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*writer {
            return Ok(Arc::clone(open));
        }
        let root = &self.options.root;
        fs::create_dir_all(root).at("make the directory", root)?;
        if !self.options.allow_network_fs {
            network::refuse(root)?;
        }
        // The committer first: it must see every error of what is written later.
        let committer = Committer::open(root)?;
        let staging = Staging::open(root, &self.options.host)?;
        Ok(Arc::clone(
            writer.insert(Arc::new(Writer { staging, committer })),
        ))
    }

    /// Stages files on a blocking thread, commits, places them there, and commits again.
    async fn save<S, P>(&self, stage: S, place: P) -> Result<()>
    where
        S: FnOnce(&Staging) -> Result<Vec<(TempPath, PathBuf)>, FsError> + Send + 'static,
        P: FnOnce(Vec<(TempPath, PathBuf)>) -> Result<(), FsError> + Send + 'static,
    {
        let writer = self.writer()?;
        let saved = Self::save_with(&writer, stage, place).await;
        // An error elsewhere, in a dump's source, says nothing about this tree.
        if saved
            .as_ref()
            .is_err_and(|error| error.path.starts_with(&self.options.root))
        {
            self.forget(&writer);
        }
        Ok(saved?)
    }

    async fn save_with<S, P>(writer: &Arc<Writer>, stage: S, place: P) -> Result<(), FsError>
    where
        S: FnOnce(&Staging) -> Result<Vec<(TempPath, PathBuf)>, FsError> + Send + 'static,
        P: FnOnce(Vec<(TempPath, PathBuf)>) -> Result<(), FsError> + Send + 'static,
    {
        let since = writer.committer.begin();
        let stager = Arc::clone(writer);
        let staged = blocking(move || stage(&stager.staging)).await?;
        if !staged.is_empty() {
            writer.committer.commit(since).await?;
            blocking(move || place(staged)).await?;
        }
        writer.committer.commit(since).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for Tree {
    fn name(&self) -> &'static str {
        "file system"
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        let id = *id;
        let layout = self.layout.clone();
        let (json, dumps) = (raw.to_json(), dumps.clone());
        let stage = move |staging: &Staging| {
            let whole = layout.raw_crash(&id);
            if whole.exists() {
                return Ok(Vec::new());
            }
            let mut staged = Vec::with_capacity(dumps.len() + 1);
            for (name, dump) in &dumps {
                staged.push((staging.write_dump(dump)?, layout.dump(&id, name)));
            }
            staged.push((staging.write(&json)?, whole));
            Ok(staged)
        };
        let layout = self.layout.clone();
        let slot = self
            .options
            .dated
            .then(|| layout.slot(&id, raw.submitted(&id), &self.options.host));
        let placing = move |staged: Vec<(TempPath, PathBuf)>| {
            place_crash(&layout, &id, slot, staged).inspect_err(|_| {
                // A full disk must not keep parts of crashes that nobody will finish.
                if !layout.raw_crash(&id).exists() {
                    let _ = remove(&layout, &id);
                }
            })
        };
        self.save(stage, placing).await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        let target = self.layout.processed(id);
        let json = processed.to_json();
        let stage = move |staging: &Staging| {
            let file = staging.write(&gzip(&json))?;
            Ok(vec![(file, target)])
        };
        let placing = |staged: Vec<(TempPath, PathBuf)>| {
            staged
                .into_iter()
                .try_for_each(|(file, target)| place(file, &target))
        };
        self.save(stage, placing).await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        let (id, path) = (*id, self.layout.raw_crash(id));
        blocking(move || {
            let json = read(&id, &path, "raw crash")?;
            RawCrash::from_json(&json).map_err(|error| unreadable(&id, &path, &error))
        })
        .await
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        let (id, layout) = (*id, self.layout.clone());
        blocking(move || {
            if !layout.raw_crash(&id).exists() {
                return Err(StorageError::not_found(&id, "raw crash"));
            }
            let dir = layout.name_dir(&id);
            let mut dumps = Dumps::new();
            for entry in fs::read_dir(&dir).at("list", &dir)? {
                let entry = entry.at("list", &dir)?;
                if let Some(name) = entry
                    .file_name()
                    .to_str()
                    .and_then(|f| Layout::dump_name(&id, f))
                {
                    dumps.insert(name, Dump::File(entry.path()));
                }
            }
            // Removed while we looked: some of its dumps may be gone.
            if !layout.raw_crash(&id).exists() {
                return Err(StorageError::not_found(&id, "raw crash"));
            }
            Ok(dumps)
        })
        .await
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        let path = self.layout.dump(id, name);
        match self.has_raw_crash(id) && path.exists() {
            true => Ok(Dump::File(path)),
            false => Err(StorageError::not_found(id, format!("dump {name}"))),
        }
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        let (id, path) = (*id, self.layout.processed(id));
        blocking(move || {
            let zipped = read(&id, &path, "processed crash")?;
            let mut json = Vec::new();
            GzDecoder::new(zipped.as_slice())
                .read_to_end(&mut json)
                .map_err(|error| unreadable(&id, &path, &error))?;
            ProcessedCrash::from_json(&json).map_err(|error| unreadable(&id, &path, &error))
        })
        .await
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        let (id, layout) = (*id, self.layout.clone());
        blocking(move || remove(&layout, &id)).await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        if !self.options.dated {
            return Err(StorageError::Unsupported {
                store: "a tree without a date branch",
                operation: "walk its crashes",
            });
        }
        Ok(Box::new(walk::new_crashes(self.layout.clone())?))
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        Ok(Box::new(walk::crashes(self.layout.clone(), days)?))
    }
}

/// Gives staged files their names, the json, which comes last, at the very end.
fn place_crash(
    layout: &Layout,
    id: &CrashId,
    slot: Option<PathBuf>,
    mut staged: Vec<(TempPath, PathBuf)>,
) -> Result<(), FsError> {
    // Unwrap safety: the json was pushed last.
    let json = staged.pop().unwrap();
    for (file, target) in staged {
        place(file, &target)?;
    }
    if let Some(slot) = slot {
        link(layout, id, &slot)?;
    }
    place(json.0, &json.1)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Unwrap safety: writing to a vector can't fail.
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn read(id: &CrashId, path: &Path, what: &str) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StorageError::not_found(id, what)),
        other => Ok(other.at("read", path)?),
    }
}

fn unreadable(id: &CrashId, path: &Path, error: &dyn std::error::Error) -> StorageError {
    StorageError::refused(id, format!("{} can't be read: {error}", path.display()))
}

/// Makes both links. The date link goes last: a slot that leads to a crash without a name link was
/// written by Socorro 2.x, or its removal was cut short.
fn link(layout: &Layout, id: &CrashId, slot: &Path) -> Result<(), FsError> {
    make_link(&layout.name_link_target(id, slot), &layout.name_link(id))?;
    make_link(&layout.date_link_target(id, slot), &slot.join(id.as_str()))
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

/// The date link of a crash: through its name link, or else by a search of the day.
pub(super) fn date_link(layout: &Layout, id: &CrashId) -> Option<PathBuf> {
    if let Ok(target) = fs::read_link(layout.name_link(id)) {
        return layout
            .slot_of_target(id, &target)
            .map(|slot| slot.join(id.as_str()));
    }
    let removed = format!("{id}{REMOVED}");
    WalkDir::new(layout.day(id.date()).join("date"))
        .into_iter()
        .flatten()
        .find(|entry| entry.file_name() == id.as_str() || *entry.file_name() == *removed)
        .map(|entry| entry.path().with_file_name(id.as_str()))
}

fn remove(layout: &Layout, id: &CrashId) -> Result<()> {
    let marker = match date_link(layout, id) {
        Some(link) => {
            let marker = link.with_file_name(format!("{id}{REMOVED}"));
            rename_if_there(&link, &marker).at("rename", &link)?;
            Some(marker)
        }
        None => None,
    };
    let mut found = remove_files(layout, id)?;
    if let Some(marker) = marker {
        found |= remove_file(&marker).at("remove", &marker)?;
    }
    if found {
        Ok(())
    } else {
        Err(StorageError::not_found(id, "crash"))
    }
}

/// Removes a crash's files and its name link, the json first; says whether there were any.
pub(super) fn remove_files(layout: &Layout, id: &CrashId) -> Result<bool, FsError> {
    let json = layout.raw_crash(id);
    let mut found = remove_file(&json).at("remove", &json)?;
    let name_link = layout.name_link(id);
    for path in files_of(layout, id)? {
        if path != name_link {
            found |= remove_file(&path).at("remove", &path)?;
        }
    }
    // Last: a repetition finds the date link through it.
    found |= remove_file(&name_link).at("remove", &name_link)?;
    Ok(found)
}

/// All that lies in a crash's directory under its id.
pub(super) fn files_of(layout: &Layout, id: &CrashId) -> Result<Vec<PathBuf>, FsError> {
    let dir = layout.name_dir(id);
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", &dir)?,
    };
    let is_ours = |name: &str| {
        name.strip_prefix(id.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.at("list", &dir)?.path();
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_ours)
        {
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
