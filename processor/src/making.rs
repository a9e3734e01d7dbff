//! From a crash in the storage to its processed crash: what is read, walked, and put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use socorro_core::crash_id::CrashId;
use socorro_core::dumps::{Dump, DumpName, Dumps, MAIN_DUMP};
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::raw_crash::RawCrash;
use socorro_core::service::Error;
use socorro_core::signature::Lists;
use socorro_core::storage::{Blame, CrashStorage, Result, StorageError};
use tracing::error;

use crate::config::Options;
use crate::metrics::Metrics;
use crate::transform::{Knowledge, transform};
use crate::walk::Walk;
use crate::workers::Pool;

/// Makes processed crashes.
#[derive(Debug, Clone)]
pub(crate) struct Maker {
    storage: Arc<dyn CrashStorage>,
    host: String,
    knowledge: Arc<Knowledge>,
    pool: Arc<Pool>,
}

impl Maker {
    /// An error if a list that the options name can't be read.
    pub(crate) fn new(
        storage: Arc<dyn CrashStorage>,
        host: String,
        options: &Options,
        lists: Lists,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let public = PublicAnnotations::load(&options.public_annotations)?;
        Ok(Self {
            storage,
            host,
            knowledge: Arc::new(Knowledge {
                lists,
                public,
                rewrites: options.rule.clone(),
            }),
            pool: Arc::new(Pool::new(
                options.walk.clone(),
                metrics.worker_deaths.clone(),
            )),
        })
    }

    /// Makes the processed crash. An error if the storage is unwell or the crash is gone; whatever
    /// is wrong with the crash itself becomes a processed crash that says so.
    pub(crate) async fn make(&self, id: &CrashId) -> Result<ProcessedCrash> {
        let read = async || {
            let raw = self.storage.get_raw_crash(id).await?;
            Ok::<_, StorageError>((raw, self.storage.get_dumps(id).await?))
        };
        match read().await {
            Ok((raw, dumps)) => {
                let walks = self.walk_all(dumps).await;
                self.transform(id, raw, walks, None).await
            }
            Err(error) if error.blame() == Blame::Crash && !error.is_not_found() => {
                let note = format!("can't be read: {error}");
                let raw = RawCrash::default();
                self.transform(id, raw, BTreeMap::new(), Some(note)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Makes what can be said without the dumps. `note` tells why they are left out.
    pub(crate) async fn without_dumps(&self, id: &CrashId, note: String) -> Result<ProcessedCrash> {
        let raw = match self.storage.get_raw_crash(id).await {
            Err(StorageError::Refused { .. }) => RawCrash::default(),
            other => other?,
        };
        self.transform(id, raw, BTreeMap::new(), Some(note)).await
    }

    async fn transform(
        &self,
        id: &CrashId,
        raw: RawCrash,
        walks: BTreeMap<DumpName, Walk>,
        note: Option<String>,
    ) -> Result<ProcessedCrash> {
        let history = self.history(id).await?;
        let (id, knowledge) = (*id, Arc::clone(&self.knowledge));
        let who = format!("{}_{}", self.host, std::process::id());
        let notes = [who, "processor".to_owned()]
            .into_iter()
            .chain(note)
            .collect();
        let rules = move || transform(id, &raw, &walks, &knowledge, notes);
        // Unwrap safety: the panic of a rule is caught and becomes a note.
        let mut processed = tokio::task::spawn_blocking(rules).await.unwrap();
        if !history.is_empty() {
            processed.set(key::PROCESSOR_HISTORY, history);
        }
        Ok(processed)
    }

    /// The notes of earlier times, where the crash was processed before.
    async fn history(&self, id: &CrashId) -> Result<Vec<Value>> {
        match self.storage.get_processed(id).await {
            Ok(earlier) => Ok(earlier.history()),
            // There is none, or none that can be read: processing it again mends that.
            Err(error) if error.blame() == Blame::Crash => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Walks each dump that is a minidump by its name, one after the other.
    async fn walk_all(&self, dumps: Dumps) -> BTreeMap<DumpName, Walk> {
        let mut walks = BTreeMap::new();
        for (name, dump) in dumps
            .into_iter()
            .filter(|(name, _)| name.as_str().starts_with(MAIN_DUMP))
        {
            walks.insert(name, self.walk(dump).await);
        }
        walks
    }

    async fn walk(&self, dump: Dump) -> Walk {
        let pool = Arc::clone(&self.pool);
        let walking = tokio::task::spawn_blocking(move || pool.walk(&dump));
        match walking.await {
            Ok(Ok(walk)) => walk,
            Ok(Err(error)) => {
                error!(%error, "can't start a worker");
                Walk::failed(
                    "NoWorker",
                    format!("the host: can't start a worker: {error}"),
                )
            }
            Err(_panic) => Walk::failed("Panic", "the answer of a worker broke the processor"),
        }
    }
}
