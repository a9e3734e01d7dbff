//! The queue of a file-system primary storage.
//!
//! * A crash waits while its date link in the standard tree exists.
//! * `<root>/.queue/priority/<id>` and `<root>/.queue/reprocess/<id>` are requests for that crash
//!   (see [`super::requests`]).
//! * `<root>/.queue/claims/<id>` is locked (`flock`) by the process that works on the crash and
//!   holds the number of the attempt. The kernel drops the lock of a dead process, so its crash
//!   can be taken over at once. Claims are thus good for the processors of one host.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tracing::{debug, info};

use super::FileSystemCrashStorage;
use super::claim::{FileClaim, Held, lock, write_attempt};
use super::files::{find, is_whole, remove_file};
use super::links::{date_link, is_there};
use super::requests::{self, Request, Requests};
use crate::crash_id::CrashId;
use crate::storage::error::{AtPath, FsError};
use crate::storage::{
    Claim, CrashIds, CrashQueue, CrashStorage, Lane, Result, StorageError, blocking,
};

const CLAIMS: &str = ".queue/claims";

/// Where the queue keeps its marks, and how far this process has walked.
#[derive(Debug)]
pub(super) struct QueueState {
    requests: Requests,
    again: Requests,
    /// How many claims were tried.
    tried: AtomicUsize,
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
            requests: Requests::below(root, requests::SOON),
            again: Requests::below(root, requests::AGAIN),
            tried: AtomicUsize::new(0),
            claims: root.join(CLAIMS),
            walk: Mutex::new(None),
        }
    }

    /// Where a lane is one of requests.
    fn requests_of(&self, lane: Lane) -> Option<&Requests> {
        match lane {
            Lane::Requested => Some(&self.requests),
            Lane::Reprocess => Some(&self.again),
            Lane::Waiting => None,
        }
    }
}

#[async_trait]
impl CrashQueue for FileSystemCrashStorage {
    async fn claim(&self) -> Result<Option<Box<dyn Claim>>> {
        let turn = self.queue.tried.fetch_add(1, Ordering::Relaxed);
        self.claim_from(Lane::order(turn)).await
    }

    async fn claim_requested(&self) -> Result<Option<Box<dyn Claim>>> {
        self.claim_from([Lane::Requested]).await
    }

    async fn request(&self, id: &CrashId) -> Result<()> {
        let (queue, id) = (Arc::clone(&self.queue), *id);
        blocking(move || Ok(queue.requests.make(&id)?)).await
    }

    async fn reprocess(&self, id: &CrashId) -> Result<()> {
        let (queue, id) = (Arc::clone(&self.queue), *id);
        blocking(move || Ok(queue.again.make(&id)?)).await
    }

    async fn is_requested(&self, id: &CrashId) -> Result<bool> {
        let (queue, id) = (Arc::clone(&self.queue), *id);
        blocking(move || Ok(queue.requests.is_made(&id)?)).await
    }

    fn queued(&self, lane: Lane) -> Result<CrashIds> {
        match self.queue.requests_of(lane) {
            Some(requests) => Ok(Box::new(requests.ids()?.map(Ok))),
            None => self.new_crashes(),
        }
    }
}

impl FileSystemCrashStorage {
    /// Removes the mark of a dead processor's claim on a crash that is no longer there.
    pub(super) async fn forget_claim(&self, id: &CrashId) -> Result<()> {
        let path = self.queue.claims.join(id.as_str());
        blocking(move || {
            // A living processor's mark stays, and goes with its claim.
            if is_there(&path) && lock(&path)?.is_some() {
                remove_file(&path).at("remove", &path)?;
            }
            Ok(())
        })
        .await
    }

    async fn claim_from<const N: usize>(&self, lanes: [Lane; N]) -> Result<Option<Box<dyn Claim>>> {
        let store = self.clone();
        let claim = move || {
            for lane in lanes {
                let held = match store.queue.requests_of(lane) {
                    Some(requests) => store.claim_asked(lane, requests)?,
                    None => store.claim_waiting()?,
                };
                if held.is_some() {
                    return Ok(held);
                }
            }
            Ok::<_, StorageError>(None)
        };
        let held = blocking(claim).await?;
        Ok(held.map(|held| {
            let store = self.clone();
            Box::new(FileClaim { store, held }) as Box<dyn Claim>
        }))
    }

    fn claim_waiting(&self) -> Result<Option<Held>> {
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
                    // The tree has logged it, once.
                    Err(error) => debug!(%error, "can't walk a part of the queue"),
                }
            }
            *walk = None;
        }
        Ok(None)
    }

    fn claim_asked(&self, lane: Lane, requests: &Requests) -> Result<Option<Held>> {
        for id in requests.ids()? {
            let Some(request) = requests.get(&id) else {
                continue;
            };
            if !self.has_arrived(&id)? {
                // The request waits for it a day or two.
                if !id.is_recent(Timestamp::now()) {
                    requests.forget(&id, &request)?;
                }
                continue;
            }
            if let Some(held) = self.try_claim(&id, Some((lane, request)))? {
                return Ok(Some(held));
            }
        }
        requests.tidy();
        Ok(None)
    }

    /// Whether there is such a raw crash. New ones come to the place of their id: the search of all
    /// days is for those that Socorro 2.x wrote.
    fn has_arrived(&self, id: &CrashId) -> Result<bool, FsError> {
        for tree in [&self.standard, &self.deferred] {
            let is_there = match id.is_recent(Timestamp::now()) {
                true => is_whole(&tree.layout().home(id))?,
                false => tree.has_raw_crash(id)?,
            };
            if is_there {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Claims a crash that is in the queue and not claimed. `request` is the one that asked for it.
    fn try_claim(&self, id: &CrashId, request: Option<(Lane, Request)>) -> Result<Option<Held>> {
        fs::create_dir_all(&self.queue.claims).at("make the directory", &self.queue.claims)?;
        let path = self.queue.claims.join(id.as_str());
        let Some(mut file) = lock(&path)? else {
            return Ok(None);
        };
        let still_waits = match &request {
            Some((lane, request)) => {
                let requests = self.queue.requests_of(*lane);
                requests.and_then(|requests| requests.get(id)).as_ref() == Some(request)
            }
            None => self.date_link(id)?.is_some_and(|link| is_there(&link)),
        };
        if !still_waits {
            remove_file(&path).at("remove", &path)?;
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

    fn date_link(&self, id: &CrashId) -> Result<Option<PathBuf>, FsError> {
        let place = find(self.standard.layout(), id)?;
        Ok(place.and_then(|place| date_link(&place)))
    }

    /// Takes a crash off the date branch.
    pub(super) async fn end_waiting(&self, id: &CrashId) -> Result<()> {
        let (store, id) = (self.clone(), *id);
        blocking(move || match store.date_link(&id)? {
            Some(link) => Ok(remove_file(&link).at("remove", &link).map(drop)?),
            None => Ok(()),
        })
        .await
    }

    /// What is left to be done for a crash whose result is stored. The request goes first, the mark of
    /// the claim last: a processor killed before that is asked again.
    pub(super) fn dequeue(&self, held: &Held) -> Result<(), FsError> {
        if let Some((lane, request)) = &held.request
            && let Some(requests) = self.queue.requests_of(*lane)
        {
            requests.forget(&held.id, request)?;
        }
        remove_file(&held.path).at("remove", &held.path).map(drop)
    }
}
