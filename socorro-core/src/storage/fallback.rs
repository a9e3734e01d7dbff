//! [`FallbackCrashStorage`]: a second storage for when the first fails.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use tracing::warn;

use super::{CrashIds, CrashStorage, Result, StorageError};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;

/// Saves to the primary storage, or else to the fallback; reads from, walks and removes from both.
/// When both fail, the error tells both failures.
#[derive(Debug)]
pub struct FallbackCrashStorage {
    primary: Arc<dyn CrashStorage>,
    fallback: Arc<dyn CrashStorage>,
}

impl FallbackCrashStorage {
    /// A storage over these two.
    pub fn new(primary: Arc<dyn CrashStorage>, fallback: Arc<dyn CrashStorage>) -> Self {
        Self { primary, fallback }
    }
}

/// The primary's answer, or else the fallback's, or else both errors.
macro_rules! either {
    ($self:ident.$operation:ident($($argument:expr),*)) => {
        match $self.primary.$operation($($argument),*).await {
            Ok(answer) => Ok(answer),
            Err(first) => match $self.fallback.$operation($($argument),*).await {
                Ok(answer) => {
                    if !first.is_not_found() {
                        warn!(error = %first, operation = stringify!($operation), "primary failed, the fallback did it");
                    }
                    Ok(answer)
                }
                Err(second) => Err(StorageError::All(vec![first, second])),
            },
        }
    };
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for FallbackCrashStorage {
    fn name(&self) -> &'static str {
        "fallback storage"
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        either!(self.save_raw_crash(id, raw, dumps))
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        either!(self.save_processed(id, processed))
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        either!(self.get_raw_crash(id))
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        either!(self.get_dumps(id))
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        either!(self.get_dump(id, name))
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        either!(self.get_processed(id))
    }

    /// A save whose outcome was open may have left the crash in both, so both are asked.
    async fn remove(&self, id: &CrashId) -> Result<()> {
        match (
            self.primary.remove(id).await,
            self.fallback.remove(id).await,
        ) {
            (Ok(()), Ok(())) => Ok(()),
            (Ok(()), Err(other)) | (Err(other), Ok(())) if other.is_not_found() => Ok(()),
            (Ok(()), Err(error)) | (Err(error), Ok(())) => Err(error),
            (Err(first), Err(second)) => Err(StorageError::All(vec![first, second])),
        }
    }

    /// The fallback's crashes first: they came while the primary was unwell, and are few. A crash
    /// that is in both, as a save that failed late leaves it, is met once.
    fn new_crashes(&self) -> Result<CrashIds> {
        both(self.fallback.new_crashes(), self.primary.new_crashes())
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        both(
            self.fallback.crashes(days.clone()),
            self.primary.crashes(days),
        )
    }
}

/// So many crashes of the first walk are remembered. Beyond that one may be met twice, which costs
/// work and harms nothing.
const MAX_REMEMBERED: usize = 10_000;

/// One walk after the other, each crash once. While one storage is away, the other is walked all the
/// same, and the walk tells the error.
fn both(first: Result<CrashIds>, second: Result<CrashIds>) -> Result<CrashIds> {
    match (first, second) {
        (Err(first), Err(second)) => Err(StorageError::All(vec![first, second])),
        (first, second) => {
            let walk = |ids: Result<CrashIds>| -> CrashIds {
                ids.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
            };
            let places = [(0, first), (1, second)];
            let ids = places
                .into_iter()
                .flat_map(move |(place, ids)| walk(ids).map(move |id| (place, id)));
            let mut seen = HashSet::new();
            Ok(Box::new(ids.filter_map(move |(place, id)| {
                match &id {
                    Ok(id) if place == 0 && seen.len() < MAX_REMEMBERED => {
                        seen.insert(*id);
                    }
                    Ok(id) if place == 1 && seen.contains(id) => return None,
                    Ok(_) | Err(_) => {}
                }
                Some(id)
            })))
        }
    }
}
