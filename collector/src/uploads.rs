//! How many uploads there may be at a time, and how much of them in memory.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use socorro_core::crash_id::CrashId;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Options;
use crate::reject::Reject;

/// The uploads of a collector.
#[derive(Debug)]
pub(crate) struct Uploads {
    /// Those that wait included: the other connections stay free for health checks.
    admitted: Semaphore,
    running: Semaphore,
    patience: Duration,
    in_flight: Gauge,
}

impl Uploads {
    pub(crate) fn new(options: &Options, in_flight: Gauge) -> Self {
        Self {
            admitted: Semaphore::new(options.connections / 4 * 3),
            running: Semaphore::new(options.uploads),
            patience: options.refuse_after.get(),
            in_flight,
        }
    }

    /// Waits, bounded, until one more upload may begin.
    pub(crate) async fn begin(&self) -> Result<Upload<'_>, Reject> {
        let admitted = self.admitted.try_acquire().map_err(|_| Reject::Busy)?;
        let running = tokio::time::timeout(self.patience, self.running.acquire()).await;
        // Unwrap safety: the semaphore is never closed.
        let running = running.map_err(|_| Reject::Busy)?.unwrap();
        self.in_flight.inc();
        Ok(Upload {
            in_flight: &self.in_flight,
            _permits: (admitted, running),
        })
    }
}

/// An upload as long as it lives: the client may go away at any time.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    in_flight: &'a Gauge,
    _permits: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

/// The crash ids of senders that are being saved. Of two uploads with one id, the first that fails
/// would take away what the other has written.
#[derive(Debug, Default)]
pub(crate) struct Saving(Mutex<HashSet<CrashId>>);

impl Saving {
    /// Keeps others from saving that id, as long as the answer lives.
    pub(crate) fn begin(&self, id: CrashId) -> Result<SavingOne<'_>, Reject> {
        match self.ids().insert(id) {
            true => Ok(SavingOne(self, id)),
            false => Err(Reject::Busy),
        }
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<CrashId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct SavingOne<'a>(&'a Saving, CrashId);

impl Drop for SavingOne<'_> {
    fn drop(&mut self) {
        self.0.ids().remove(&self.1);
    }
}

/// The memory that all uploads share.
#[derive(Debug)]
pub(crate) struct Memory {
    most: usize,
    held: AtomicUsize,
}

impl Memory {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        Arc::new(Self {
            most: options.max_bytes_in_flight,
            held: AtomicUsize::new(0),
        })
    }

    /// The share of one upload, nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            memory: Arc::clone(self),
            bytes: 0,
        }
    }
}

/// What one upload holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Share {
    /// Says how much the upload holds now; whether there is room for it.
    pub(crate) fn is_now(&mut self, bytes: usize) -> bool {
        let Memory { most, held } = &*self.memory;
        if bytes <= self.bytes {
            held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            let grown = |held: usize| held.checked_add(more).filter(|held| held <= most);
            let updated = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
            if updated.is_err() {
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
