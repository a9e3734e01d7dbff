//! [`PolyCrashStorage`]: the same crash into several storages.

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use super::{CrashIds, CrashStorage, Result, StorageError};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;

const STORE: &str = "poly storage";

/// Saves to all its storages and removes from all. Each is tried, whatever became of the others,
/// and the error tells every failure. It can't be read: ask one of the storages.
#[derive(Debug)]
pub struct PolyCrashStorage(Vec<Arc<dyn CrashStorage>>);

impl PolyCrashStorage {
    /// A storage over these.
    pub fn new(storages: Vec<Arc<dyn CrashStorage>>) -> Self {
        Self(storages)
    }
}

/// Every failure, if there was one.
fn gather(failures: Vec<StorageError>) -> Result<()> {
    match failures.is_empty() {
        true => Ok(()),
        false => Err(StorageError::All(failures)),
    }
}

fn unsupported<T>(operation: &'static str) -> Result<T> {
    Err(StorageError::Unsupported {
        store: STORE,
        operation,
    })
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for PolyCrashStorage {
    fn name(&self) -> &'static str {
        STORE
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        let mut failures = Vec::new();
        for storage in &self.0 {
            failures.extend(storage.save_raw_crash(id, raw, dumps).await.err());
        }
        gather(failures)
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        let mut failures = Vec::new();
        for storage in &self.0 {
            failures.extend(storage.save_processed(id, processed).await.err());
        }
        gather(failures)
    }

    async fn get_raw_crash(&self, _: &CrashId) -> Result<RawCrash> {
        unsupported("read a raw crash")
    }

    async fn get_dumps(&self, _: &CrashId) -> Result<Dumps> {
        unsupported("read dumps")
    }

    async fn get_dump(&self, _: &CrashId, _: &DumpName) -> Result<Dump> {
        unsupported("read a dump")
    }

    async fn get_processed(&self, _: &CrashId) -> Result<ProcessedCrash> {
        unsupported("read a processed crash")
    }

    /// Not found only if none of the storages has it.
    async fn remove(&self, id: &CrashId) -> Result<()> {
        let (mut found, mut failures) = (false, Vec::new());
        for storage in &self.0 {
            match storage.remove(id).await {
                Ok(()) => found = true,
                Err(error) => failures.push(error),
            }
        }
        if found {
            failures.retain(|error| !error.is_not_found());
        }
        gather(failures)
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        unsupported("walk its crashes")
    }

    fn crashes(&self, _: RangeInclusive<Date>) -> Result<CrashIds> {
        unsupported("walk its crashes")
    }
}
