//! [`NullCrashStorage`]: accepts everything and keeps nothing.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::civil::Date;

use super::{CrashIds, CrashStorage, Result, StorageError};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;

/// Accepts everything and keeps nothing: for deferred crashes that nobody wants. The configuration
/// refuses it where it would lose others.
#[derive(Debug, Default)]
pub struct NullCrashStorage;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for NullCrashStorage {
    fn name(&self) -> &'static str {
        "null storage"
    }

    async fn save_raw_crash(&self, _: &CrashId, _: &RawCrash, _: &Dumps) -> Result<()> {
        Ok(())
    }

    async fn save_processed(&self, _: &CrashId, _: &ProcessedCrash) -> Result<()> {
        Ok(())
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        Err(StorageError::not_found(id, "raw crash"))
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        Err(StorageError::not_found(id, "raw crash"))
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        Err(StorageError::not_found(id, format!("dump {name}")))
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        Err(StorageError::not_found(id, "processed crash"))
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        Err(StorageError::not_found(id, "crash"))
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        Ok(Box::new(std::iter::empty()))
    }

    fn crashes(&self, _: RangeInclusive<Date>) -> Result<CrashIds> {
        Ok(Box::new(std::iter::empty()))
    }
}
