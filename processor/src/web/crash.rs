//! How far has a crash come? And the wish that it goes on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::http::request::Parts;
use jiff::Timestamp;
use socorro_core::crash_id::CrashId;
use socorro_core::processed_crash::ProcessedCrash;
use socorro_core::raw_crash::ThrottleResult;
use socorro_core::storage::StorageError;
use tracing::{info, warn};

use super::Web;
use super::access::Visitor;
use super::problem::Problem;

/// A crash as far as it has come.
#[derive(Debug)]
pub(super) enum Crash {
    /// A processor is through with it.
    Processed(ProcessedCrash),
    /// No processor is, yet.
    Pending(Pending),
}

/// A crash that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// Whether it is in the storage; else it may be on its way from the collector.
    pub(super) arrived: bool,
    /// Whether throttling has set it aside until somebody asks.
    pub(super) deferred: bool,
    /// Whether this visitor has now asked for it.
    pub(super) requested: bool,
}

/// What visitors asked for lately. A program that polls asks once, and not each time: a request
/// made while the crash is being processed would have it processed again.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<HashMap<CrashId, Instant>>);

impl Asked {
    /// After that time a request may be lost, and is made again.
    const LATELY: Duration = Duration::from_secs(60);

    fn lately(&self, id: &CrashId) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| at.elapsed() < Self::LATELY);
        asked.contains_key(id)
    }

    fn remember(&self, id: &CrashId) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(*id, Instant::now());
    }
}

/// Whether a request may have a crash processed. Reading the head of a page is no wish, nor is
/// what another site sends a browser to.
pub(super) fn is_wish(head: &Parts, visitor: &Visitor) -> bool {
    visitor.act && visitor.deliberate && head.method == Method::GET
}

impl Web {
    /// Looks for a crash, and asks for it to be processed if that is wished and to be done.
    pub(super) async fn find(
        &self,
        id: &CrashId,
        visitor: &Visitor,
        wished: bool,
    ) -> Result<Crash, Problem> {
        let storage = &self.primary.storage;
        match storage.get_processed(id).await {
            Ok(processed) => return Ok(Crash::Processed(processed)),
            Err(error) if error.is_not_found() => {}
            // Processing it again mends that.
            Err(error @ StorageError::Refused { .. }) => {
                warn!(%id, %error, "can't read a processed crash");
            }
            Err(error) => return Err(error.into()),
        }
        let (arrived, deferred) = match storage.get_raw_crash(id).await {
            Ok(raw) => (true, raw.throttle_result() != ThrottleResult::Accept),
            Err(StorageError::Refused { .. }) => (true, false),
            Err(error) if error.is_not_found() => match id.is_recent(Timestamp::now()) {
                true => (false, false),
                false => return Err(Problem::NotFound(format!("There is no crash {id}."))),
            },
            Err(error) => return Err(error.into()),
        };
        if wished && !self.asked.lately(id) {
            self.primary.queue.request(id).await?;
            self.asked.remember(id);
            self.metrics.asked.inc();
            info!(%id, visitor = visitor.name, arrived, "processing was asked for");
        }
        Ok(Crash::Pending(Pending {
            arrived,
            deferred,
            requested: wished,
        }))
    }

    /// Why a part of a crash is not there: the crash may be on its way.
    pub(super) fn missing(id: &CrashId, arrived: bool, error: StorageError) -> Problem {
        if !arrived && error.is_not_found() && id.is_recent(Timestamp::now()) {
            return Problem::Pending(format!("The crash {id} has not arrived yet."));
        }
        error.into()
    }
}
