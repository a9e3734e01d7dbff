//! [`DeferringCrashStorage`]: three storages in one, chosen by what a crash is.

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use super::{CrashIds, CrashStorage, Result, StorageError};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::{RawCrash, ThrottleResult};

/// Keeps accepted raw crashes in the standard storage, all other raw crashes in the deferred one,
/// and processed crashes in the third. Reads of raw crashes try standard, then deferred. Of the
/// crashes that wait, a walk meets those of the standard storage. Standard and deferred must be apart;
/// the processed one may be the standard one.
#[derive(Debug)]
pub struct DeferringCrashStorage {
    /// For crashes that throttling accepted.
    pub standard: Arc<dyn CrashStorage>,
    /// For crashes that wait until somebody asks.
    pub deferred: Arc<dyn CrashStorage>,
    /// For processed crashes.
    pub processed: Arc<dyn CrashStorage>,
}

/// The standard storage's answer, or the deferred one's where the standard has no such crash.
macro_rules! raw {
    ($self:ident.$operation:ident($($argument:expr),*)) => {
        match $self.standard.$operation($($argument),*).await {
            Err(error) if error.is_not_found() => $self.deferred.$operation($($argument),*).await,
            answer => answer,
        }
    };
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for DeferringCrashStorage {
    fn name(&self) -> &'static str {
        "standard, deferred and processed storages"
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        let storage = match raw.throttle_result() {
            ThrottleResult::Accept => &self.standard,
            ThrottleResult::Defer | ThrottleResult::Discard | ThrottleResult::Ignore => {
                &self.deferred
            }
        };
        storage.save_raw_crash(id, raw, dumps).await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        self.processed.save_processed(id, processed).await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        raw!(self.get_raw_crash(id))
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        raw!(self.get_dumps(id))
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        raw!(self.get_dump(id, name))
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        self.processed.get_processed(id).await
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        let mut found = false;
        for storage in [&self.processed, &self.standard, &self.deferred] {
            match storage.remove(id).await {
                Ok(()) => found = true,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        if found {
            Ok(())
        } else {
            Err(StorageError::not_found(id, "crash"))
        }
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        self.standard.new_crashes()
    }

    /// Standard, then deferred: a processed crash without its raw crash is not met.
    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        Ok(Box::new(
            self.standard
                .crashes(days.clone())?
                .chain(self.deferred.crashes(days)?),
        ))
    }
}
