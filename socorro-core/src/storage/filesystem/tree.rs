//! [`Tree`]: crashes as files in one tree (see [`super::layout`] for the paths).
//!
//! **Saving**, in the order that survives power cuts: all files are written in staging; commit;
//! dumps are renamed into place, the links are made, `<id>.json` is renamed last; commit. The json
//! is the mark of a whole crash, so a crash is never visible before all of it is on disk, and a
//! save of a crash that is there has nothing to do but to commit.
//!
//! **Removing** is in [`super::files`], the walk in [`super::walk`].

use std::fs;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use tracing::warn;

use super::commit::Failures;
use super::files::{self, files_of};
use super::layout::{Layout, Place};
use super::left_alone::{LeftAlone, Notes};
use super::links::link;
use super::rejected::{self, Rejected};
use super::spilled::Spilled;
use super::staging::{StagedFile, Staging, place};
use super::walk;
use super::writer::{Staged, Writer};
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
    /// Opened at the first save, and again after a failed one: a disk may go and come back.
    writer: Mutex<Option<Arc<Writer>>>,
    /// The file system of the first writer; no other is used as long as this lives.
    device: OnceLock<u64>,
    failures: Failures,
    notes: Notes,
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
            device: OnceLock::new(),
            failures: Failures::default(),
            notes: Notes::default(),
        }
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// The file system that it is on, as `st_dev` has it; `None` until it has been opened for writing.
    pub fn device(&self) -> Option<u64> {
        self.device.get().copied()
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
        blocking(move || {
            let place = files::find(&layout, &id)?.unwrap_or_else(|| layout.home(&id));
            rejected::set_aside(&place, &reason)
        })
        .await
    }

    /// The crashes that were set aside here. The iterator blocks while it reads.
    pub fn rejected(&self) -> impl Iterator<Item = Result<Rejected>> + Send + use<> {
        rejected::list(&self.options.root)
    }

    /// Puts a crash that was set aside back to those that wait. [`StorageError::NotFound`] if it was
    /// not set aside here. Killed in between, a repetition does the rest.
    pub async fn put_back(&self, id: &CrashId) -> Result<()> {
        let (layout, id, host) = (self.layout.clone(), *id, self.options.host.clone());
        blocking(move || rejected::put_back(&layout, &id, &host)).await
    }

    /// What the last walk of waiting crashes that came to its end has left alone.
    pub fn left_alone(&self) -> LeftAlone {
        self.notes.last()
    }

    /// Opens the tree anew at the next save: its disk may have gone and come back.
    fn forget(&self, writer: &Arc<Writer>) {
        let mut current = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|open| Arc::ptr_eq(open, writer));
    }

    pub(super) fn host(&self) -> &str {
        &self.options.host
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a raw crash with that id is there, whole.
    pub(super) fn has_raw_crash(&self, id: &CrashId) -> Result<bool, FsError> {
        files::find(&self.layout, id).map(|place| place.is_some())
    }

    /// After so many more syncs of what is written one fails.
    #[cfg(test)]
    pub(super) fn fail_sync_after(&self, syncs: u32) {
        self.writer().unwrap().committer.fail_after(syncs);
    }

    fn writer(&self) -> Result<Arc<Writer>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*writer {
            return Ok(Arc::clone(open));
        }
        let open = Writer::open(&self.options, self.device(), &self.failures)?;
        self.device.get_or_init(|| open.device);
        Ok(Arc::clone(writer.insert(Arc::new(open))))
    }

    /// See [`Writer::save`].
    async fn save(
        &self,
        stage: impl FnOnce(&Staging) -> Result<Vec<Staged>, FsError> + Send + 'static,
        place: impl FnOnce(Vec<Staged>) -> Result<(), FsError> + Send + 'static,
        take_back: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let writer = self.writer()?;
        let saved = writer.save(stage, place, take_back).await;
        // An error elsewhere, in a dump's source, says nothing about this tree.
        if saved
            .as_ref()
            .is_err_and(|error| error.path.starts_with(&self.options.root))
        {
            self.forget(&writer);
        }
        Ok(saved?)
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
        let home = self.layout.home(&id);
        let (json, dumps) = (raw.to_json(), dumps.clone());
        let stage = move |staging: &Staging| {
            let whole = home.raw_crash();
            if files::is_whole(&home)? {
                return Ok(Vec::new());
            }
            let mut staged = Vec::with_capacity(dumps.len() + 1);
            for (name, dump) in &dumps {
                staged.push((staging.write_dump(dump)?, home.dump(name)));
            }
            staged.push((StagedFile::Own(staging.write(&[&json])?), whole));
            Ok(staged)
        };
        let home = self.layout.home(&id);
        let slot = self
            .options
            .dated
            .then(|| home.slot(raw.submitted(&id), &self.options.host));
        let (failed, failed_slot) = (home.clone(), slot.clone());
        let placing = move |staged| place_crash(&home, slot.as_deref(), staged);
        let take_back = move || {
            if let Err(error) = unplace(&failed, failed_slot.as_deref()) {
                warn!(%id, path = %error.path.display(), error = %error.source, "a crash whose sync failed can't be taken back; it may come twice");
            }
        };
        self.save(stage, placing, take_back).await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        let target = self.layout.home(id).processed();
        let json = processed.to_json();
        let stage = move |staging: &Staging| {
            let file = staging.write(&[gzip(&json)])?;
            Ok(vec![(StagedFile::Own(file), target)])
        };
        let placing = |staged: Vec<Staged>| {
            staged
                .into_iter()
                .try_for_each(|(file, target)| place(file, &target))
        };
        // A repetition writes it anew, be there one or not.
        self.save(stage, placing, || {}).await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        let (id, layout) = (*id, self.layout.clone());
        blocking(move || {
            let path = whole(&layout, &id)?.raw_crash();
            let json = read(&id, &path, "raw crash")?;
            RawCrash::from_json(&json).map_err(|error| unreadable(&id, &path, &error))
        })
        .await
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        let (id, layout) = (*id, self.layout.clone());
        blocking(move || {
            let place = whole(&layout, &id)?;
            let mut dumps = Dumps::new();
            for file in files_of(&place)? {
                let name = file.file_name().and_then(|name| name.to_str());
                if let Some(name) = name.and_then(|name| place.dump_name(name)) {
                    dumps.insert(name, Dump::File(file));
                }
            }
            // Removed while we looked: some of its dumps may be gone.
            match files::is_whole(&place)? {
                true => Ok(dumps),
                false => Err(StorageError::not_found(&id, "raw crash")),
            }
        })
        .await
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        let (layout, id, name) = (self.layout.clone(), *id, name.clone());
        blocking(move || {
            let path = files::find(&layout, &id)?.map(|place| place.dump(&name));
            path.filter(|path| path.exists())
                .map(Dump::File)
                .ok_or_else(|| StorageError::not_found(&id, format!("dump {name}")))
        })
        .await
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        let (id, path) = (*id, self.layout.home(id).processed());
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
        blocking(move || files::remove(&layout, &id)).await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        if !self.options.dated {
            return Err(StorageError::Unsupported {
                store: "a tree without a date branch",
                operation: "walk its crashes",
            });
        }
        Ok(Box::new(walk::new_crashes(&self.layout, &self.notes)))
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        Ok(Box::new(walk::crashes(self.layout.clone(), days)?))
    }
}

/// Gives staged files their names, the json, which comes last, at the very end.
fn place_crash(home: &Place, slot: Option<&Path>, mut staged: Vec<Staged>) -> Result<(), FsError> {
    // Unwrap safety: the json was pushed last.
    let json = staged.pop().unwrap();
    for (file, target) in staged {
        place(file, &target)?;
    }
    if let Some(slot) = slot {
        link(home, slot)?;
    }
    place(json.0, &json.1)
}

/// Takes back what [`place_crash`] did, the place in the queue first.
fn unplace(home: &Place, slot: Option<&Path>) -> Result<(), FsError> {
    if let Some(slot) = slot {
        let link = slot.join(home.id().as_str());
        files::remove_file(&link).at("remove", &link)?;
    }
    files::remove_files(home).map(drop)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Unwrap safety: writing to a vector can't fail.
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn whole(layout: &Layout, id: &CrashId) -> Result<Place> {
    files::find(layout, id)?.ok_or_else(|| StorageError::not_found(id, "raw crash"))
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
