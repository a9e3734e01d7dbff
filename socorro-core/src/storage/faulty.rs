//! [`FaultyCrashStorage`]: a storage whose operations fail now and then, for tests.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::civil::Date;

use super::{Blame, CrashIds, CrashStorage, Result, StorageError};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;

/// Fails two of three calls: one before it is carried out, one after. The third goes through, so
/// that whoever tries again comes to an end.
#[derive(Debug)]
pub struct FaultyCrashStorage {
    inner: Arc<dyn CrashStorage>,
    calls: AtomicUsize,
}

impl FaultyCrashStorage {
    /// That storage, with faults.
    pub fn new(inner: Arc<dyn CrashStorage>) -> Self {
        Self {
            inner,
            calls: AtomicUsize::new(0),
        }
    }

    async fn with_faults<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let fault = |when: &str| StorageError::Unavailable {
            store: "faulty storage",
            operation: "a call".into(),
            source: format!("fault {when} it was carried out").into(),
        };
        match self.calls.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Err(fault("before")),
            1 => {
                // The caller never learns what came of it.
                drop(call.await);
                Err(fault("after"))
            }
            _ => call.await,
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for FaultyCrashStorage {
    fn name(&self) -> &'static str {
        "faulty storage"
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        self.with_faults(self.inner.save_raw_crash(id, raw, dumps))
            .await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        self.with_faults(self.inner.save_processed(id, processed))
            .await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        self.with_faults(self.inner.get_raw_crash(id)).await
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        self.with_faults(self.inner.get_dumps(id)).await
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        self.with_faults(self.inner.get_dump(id, name)).await
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        self.with_faults(self.inner.get_processed(id)).await
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        self.with_faults(self.inner.remove(id)).await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        self.inner.new_crashes()
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        self.inner.crashes(days)
    }
}

/// Tries each call of a storage again until it does not fail for the moment, as the crash mover and
/// the processors do.
#[derive(Debug)]
pub struct PersistentCrashStorage(pub Arc<dyn CrashStorage>);

/// The answer of the first try that does not fail for the moment.
macro_rules! until_it_answers {
    ($self:ident.$operation:ident($($argument:expr),*)) => {
        loop {
            match $self.0.$operation($($argument),*).await {
                Err(error) if error.blame() == Blame::Moment => {}
                answer => break answer,
            }
        }
    };
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for PersistentCrashStorage {
    fn name(&self) -> &'static str {
        "persistent storage"
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        until_it_answers!(self.save_raw_crash(id, raw, dumps))
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        until_it_answers!(self.save_processed(id, processed))
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        until_it_answers!(self.get_raw_crash(id))
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        until_it_answers!(self.get_dumps(id))
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        until_it_answers!(self.get_dump(id, name))
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        until_it_answers!(self.get_processed(id))
    }

    /// Not there any more after a try whose outcome was open: that try has removed it.
    async fn remove(&self, id: &CrashId) -> Result<()> {
        let was_there = until_it_answers!(self.get_raw_crash(id)).is_ok()
            || until_it_answers!(self.get_processed(id)).is_ok();
        match until_it_answers!(self.remove(id)) {
            Err(error) if error.is_not_found() && was_there => Ok(()),
            answer => answer,
        }
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        self.0.new_crashes()
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        self.0.crashes(days)
    }
}
