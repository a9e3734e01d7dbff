//! The queue of a file-system primary storage.
//!
//! * A crash waits while its date link in the standard tree exists.
//! * `<root>/.queue/priority/<id>` is a request for that crash, be it stored already or not.
//! * `<root>/.queue/claims/<id>` is locked (`flock`) by the process that works on the crash and
//!   holds the number of the attempt. The kernel drops the lock of a dead process, so its crash
//!   can be taken over at once. Claims are thus good for the processors of one host.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tracing::{info, warn};

use super::FileSystemCrashStorage;
use super::tree::date_link;
use crate::crash_id::CrashId;
use crate::processed_crash::ProcessedCrash;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{Claim, CrashIds, CrashQueue, CrashStorage, Finish, Result, blocking};

const PRIORITY: &str = ".queue/priority";
const CLAIMS: &str = ".queue/claims";

/// Where the queue keeps its marks, and how far this process has walked.
#[derive(Debug)]
pub(super) struct QueueState {
    priority: PathBuf,
    claims: PathBuf,
    walk: Mutex<Option<Walk>>,
}

/// A walk of the waiting crashes that goes on from claim to claim.
struct Walk(CrashIds);

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Walk")
    }
}

impl QueueState {
    pub(super) fn below(root: &Path) -> Self {
        Self {
            priority: root.join(PRIORITY),
            claims: root.join(CLAIMS),
            walk: Mutex::new(None),
        }
    }
}

#[async_trait]
impl CrashQueue for FileSystemCrashStorage {
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>> {
        let store = self.clone();
        let held = blocking(move || store.claim_next()).await?;
        Ok(held.map(|held| {
            Box::new(FileClaim {
                store: self.clone(),
                held,
            }) as Box<dyn Claim>
        }))
    }

    async fn request(&self, id: &CrashId) -> Result<()> {
        let dir = self.queue.priority.clone();
        let path = dir.join(id.as_str());
        blocking(move || {
            fs::create_dir_all(&dir).at("make the directory", &dir)?;
            // A new file each time: a claim that is being finished forgets only what it has seen.
            let file = tempfile::NamedTempFile::new_in(&dir).at("make a file in", &dir)?;
            file.as_file().sync_all().at("sync", file.path())?;
            file.persist(&path)
                .map_err(|failed| failed.error)
                .at("make the request", &path)?;
            File::open(&dir)
                .and_then(|dir| dir.sync_all())
                .at("sync", &dir)?;
            Ok(())
        })
        .await
    }

    async fn is_requested(&self, id: &CrashId) -> Result<bool> {
        let path = self.queue.priority.join(id.as_str());
        blocking(move || Ok(path.try_exists().at("look for", &path)?)).await
    }

    fn requested(&self) -> Result<CrashIds> {
        let dir = &self.queue.priority;
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Box::new(std::iter::empty()));
            }
            other => other.at("list", dir)?,
        };
        let id = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(Box::new(entries.flatten().filter_map(id).map(Ok)))
    }

    fn waiting(&self) -> Result<CrashIds> {
        self.new_crashes()
    }
}

impl FileSystemCrashStorage {
    fn claim_next(&self) -> Result<Option<Held>> {
        if let Some(held) = self.claim_requested()? {
            return Ok(Some(held));
        }
        let mut walk = self
            .queue
            .walk
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A walk may have begun before the newest crashes came, so an end is believed only of a
        // new one.
        for _ in 0..2 {
            let ids = match &mut *walk {
                Some(ids) => ids,
                None => walk.insert(Walk(self.new_crashes()?)),
            };
            for id in &mut ids.0 {
                match id {
                    Ok(id) => {
                        if let Some(held) = self.try_claim(&id, None)? {
                            return Ok(Some(held));
                        }
                    }
                    Err(error) => warn!(%error, "can't walk a part of the queue"),
                }
            }
            *walk = None;
        }
        Ok(None)
    }

    fn claim_requested(&self) -> Result<Option<Held>> {
        let dir = &self.queue.priority;
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.at("list", dir)?,
        };
        for entry in entries.flatten() {
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<CrashId>().ok());
            let (Some(id), Ok(meta)) = (id, entry.metadata()) else {
                continue;
            };
            // Not arrived yet: the request waits for it a day or two.
            if !self.standard.has_raw_crash(&id) && !self.deferred.has_raw_crash(&id) {
                if !id.is_recent(Timestamp::now()) {
                    remove_if_there(&entry.path())?;
                }
                continue;
            }
            if let Some(held) = self.try_claim(&id, Some(meta.ino()))? {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// Claims a crash that is in the queue and not claimed. `request` is the inode of the request
    /// that asked for it.
    fn try_claim(&self, id: &CrashId, request: Option<u64>) -> Result<Option<Held>> {
        fs::create_dir_all(&self.queue.claims).at("make the directory", &self.queue.claims)?;
        let path = self.queue.claims.join(id.as_str());
        let Some(mut file) = lock(&path)? else {
            return Ok(None);
        };
        let still_waits = match request {
            Some(inode) => inode_of(&self.queue.priority.join(id.as_str())) == Some(inode),
            None => self.standard.has_raw_crash(id) && self.date_link_exists(id),
        };
        if !still_waits {
            remove_if_there(&path)?;
            return Ok(None);
        }
        let mut text = String::new();
        file.read_to_string(&mut text).at("read", &path)?;
        let attempt = text.trim().parse::<u32>().unwrap_or(0) + 1;
        if attempt > 1 {
            info!(%id, attempt, "taking over a crash whose processor died");
        }
        write_attempt(&mut file, attempt).at("write", &path)?;
        Ok(Some(Held {
            id: *id,
            attempt,
            request,
            path,
            _file: Arc::new(file),
        }))
    }

    fn date_link_exists(&self, id: &CrashId) -> bool {
        date_link(self.standard.layout(), id).is_some_and(|link| link.symlink_metadata().is_ok())
    }

    fn dequeue(&self, held: &Held) -> Result<(), FsError> {
        if let Some(link) = date_link(self.standard.layout(), &held.id) {
            remove_if_there(&link)?;
        }
        if let Some(inode) = held.request {
            self.forget_request(&held.id, inode)?;
        }
        remove_if_there(&held.path)
    }

    /// Removes the request that was seen; one made meanwhile stays.
    fn forget_request(&self, id: &CrashId, seen: u64) -> Result<(), FsError> {
        let request = self.queue.priority.join(id.as_str());
        let taken = self.queue.claims.join(format!("{id}.request"));
        match fs::rename(&request, &taken) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.at("rename", &request)?,
        }
        if inode_of(&taken) == Some(seen) {
            remove_if_there(&taken)
        } else {
            fs::rename(&taken, &request).at("put back", &request)
        }
    }
}

/// A claim as files: the locked file of this crash.
#[derive(Debug, Clone)]
struct Held {
    id: CrashId,
    attempt: u32,
    request: Option<u64>,
    path: PathBuf,
    /// Holds the lock.
    _file: Arc<File>,
}

#[derive(Debug)]
struct FileClaim {
    store: FileSystemCrashStorage,
    held: Held,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Claim for FileClaim {
    fn id(&self) -> CrashId {
        self.held.id
    }

    fn attempt(&self) -> u32 {
        self.held.attempt
    }

    /// The lock is held as long as the process lives.
    async fn renew(&mut self) -> Result<bool> {
        Ok(true)
    }

    async fn finish(&mut self, processed: &ProcessedCrash) -> Result<Finish> {
        self.store.save_processed(&self.held.id, processed).await?;
        let (store, held) = (self.store.clone(), self.held.clone());
        blocking(move || store.dequeue(&held)).await?;
        Ok(Finish::Stored)
    }

    async fn release(&mut self) -> Result<()> {
        let path = self.held.path.clone();
        let earlier = self.held.attempt - 1;
        blocking(move || {
            if earlier == 0 {
                return Ok(remove_if_there(&path)?);
            }
            let mut file = File::options().write(true).open(&path).at("open", &path)?;
            Ok(write_attempt(&mut file, earlier).at("write", &path)?)
        })
        .await
    }
}

/// Opens and locks a file that its last holder may just be removing.
fn lock(path: &Path) -> Result<Option<File>, FsError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .at("open", path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
    }
    let ours = file.metadata().at("look at", path)?.ino();
    Ok((inode_of(path) == Some(ours)).then_some(file))
}

fn write_attempt(file: &mut File, attempt: u32) -> std::io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{attempt}")
}

fn inode_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.ino())
}

fn remove_if_there(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.at("remove", path),
    }
}
