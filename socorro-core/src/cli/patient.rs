//! [`PatientCrashStorage`]: a storage for commands that work long, and must not end for an outage.

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;

use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::RawCrash;
use crate::retry::TransactionExecutor;
use crate::storage::{CrashIds, CrashStorage, Result};

/// A storage, each operation of which is a transaction: tried again, with a message, while the
/// storage does not answer. (Its walks wait by themselves.)
#[derive(Debug)]
pub(super) struct PatientCrashStorage {
    pub(super) storage: Arc<dyn CrashStorage>,
    pub(super) transactions: TransactionExecutor,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CrashStorage for PatientCrashStorage {
    fn name(&self) -> &'static str {
        self.storage.name()
    }

    async fn save_raw_crash(&self, id: &CrashId, raw: &RawCrash, dumps: &Dumps) -> Result<()> {
        let save = || self.storage.save_raw_crash(id, raw, dumps);
        self.transactions.run("save a crash", save).await
    }

    async fn save_processed(&self, id: &CrashId, processed: &ProcessedCrash) -> Result<()> {
        let save = || self.storage.save_processed(id, processed);
        self.transactions.run("save a processed crash", save).await
    }

    async fn get_raw_crash(&self, id: &CrashId) -> Result<RawCrash> {
        let get = || self.storage.get_raw_crash(id);
        self.transactions.run("read a crash", get).await
    }

    async fn get_dumps(&self, id: &CrashId) -> Result<Dumps> {
        let get = || self.storage.get_dumps(id);
        self.transactions.run("read dumps", get).await
    }

    async fn get_dump(&self, id: &CrashId, name: &DumpName) -> Result<Dump> {
        let get = || self.storage.get_dump(id, name);
        self.transactions.run("read a dump", get).await
    }

    async fn get_processed(&self, id: &CrashId) -> Result<ProcessedCrash> {
        let get = || self.storage.get_processed(id);
        self.transactions.run("read a processed crash", get).await
    }

    async fn remove(&self, id: &CrashId) -> Result<()> {
        let remove = || self.storage.remove(id);
        self.transactions.run("remove a crash", remove).await
    }

    fn new_crashes(&self) -> Result<CrashIds> {
        self.storage.new_crashes()
    }

    fn crashes(&self, days: RangeInclusive<Date>) -> Result<CrashIds> {
        self.storage.crashes(days)
    }
}
