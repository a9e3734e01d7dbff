//! What every storage keeps: one suite, run by each of them.
//!
//! A storage may be of a kind that keeps only a part ([`Keeps`]); what it keeps, it keeps as
//! [`CrashStorage`] says. Crashes that the suite makes are new each time, so that it can run on a
//! storage that others use.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{Blame, CrashIds, CrashStorage, StorageError, blocking};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::{RawCrash, ThrottleResult, field, format_timestamp};

/// What a storage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    /// Accepted crashes read back.
    pub accepted: bool,
    /// Deferred crashes read back.
    pub deferred: bool,
    /// Processed crashes read back.
    pub processed: bool,
    /// Which crashes a walk of those that wait meets.
    pub walk: Walk,
}

/// Which crashes a walk meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// There is no walk, or it meets none.
    None,
    /// Those that throttling accepted.
    Accepted,
    /// All.
    All,
}

impl Keeps {
    /// A complete storage that can be walked.
    pub const ALL: Self = Self {
        accepted: true,
        deferred: true,
        processed: true,
        walk: Walk::Accepted,
    };
    /// A storage that forgets.
    pub const NOTHING: Self = Self {
        accepted: false,
        deferred: false,
        processed: false,
        walk: Walk::None,
    };
}

/// A crash to store.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its id.
    pub id: CrashId,
    /// Its annotations.
    pub raw: RawCrash,
    /// Its dumps.
    pub dumps: Dumps,
}

impl Sample {
    /// A crash received now, with two dumps, one of them empty, and text that is easily spoiled.
    pub fn new(throttle: ThrottleResult) -> Self {
        let now = Timestamp::now();
        let id = CrashId::new(now.to_zoned(TimeZone::UTC).date());
        let mut raw = RawCrash::default();
        raw.set("ProductName", "Arena");
        raw.set("Comments", "Zażółć \"gęślą\" \\ jaźń\n\t\u{1f980}");
        raw.set(
            "Nested",
            json!({ "list": [1, 2.5, null, true], "empty": {} }),
        );
        raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(now));
        raw.set(field::LEGACY_PROCESSING, throttle as i64);
        let all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let dumps = [
            (DumpName::main(), Dump::Bytes(all_bytes.into())),
            (
                DumpName::clean("upload_file_minidump_flash1"),
                Dump::Bytes(Bytes::new()),
            ),
        ];
        Self {
            id,
            raw,
            dumps: dumps.into(),
        }
    }
}

fn processed(signature: &str) -> ProcessedCrash {
    let mut processed = ProcessedCrash::default();
    processed.set("signature", signature);
    processed.set("success", true);
    processed.set("completed_datetime", format_timestamp(Timestamp::now()));
    processed
}

/// Runs the whole suite.
///
/// # Panics
/// If the storage breaks the contract.
pub async fn check(storage: &dyn CrashStorage, keeps: Keeps) {
    nothing_is_found_of_a_crash_that_is_not_there(storage).await;
    for (throttle, kept) in [
        (ThrottleResult::Accept, keeps.accepted),
        (ThrottleResult::Defer, keeps.deferred),
    ] {
        let sample = Sample::new(throttle);
        save(storage, &sample).await;
        if kept {
            reads_back(storage, &sample).await;
            // A repetition, after an error that left the outcome open, say.
            save(storage, &sample).await;
            reads_back(storage, &sample).await;
        }
        let walked = match keeps.walk {
            Walk::None => false,
            Walk::Accepted => throttle == ThrottleResult::Accept,
            Walk::All => true,
        };
        walks(storage, &sample, walked).await;
        lists_by_day(storage, &sample, kept).await;
        if keeps.processed {
            a_processed_crash_is_replaced_by_a_later_one(storage, &sample).await;
            save(storage, &sample).await;
            let kept = storage.get_processed(&sample.id).await.unwrap();
            assert_eq!(
                kept.signature(),
                Some("second"),
                "a repeated save undoes nothing"
            );
        }
        if kept || keeps.processed {
            a_removed_crash_is_gone(storage, &sample).await;
        }
        if kept {
            a_removed_crash_saved_again_is_back_or_refused(storage, &sample).await;
        }
    }
    if keeps.accepted {
        a_crash_without_dumps_has_none(storage).await;
        many_at_once_and_one_many_times(storage).await;
    }
}

async fn save(storage: &dyn CrashStorage, Sample { id, raw, dumps }: &Sample) {
    storage.save_raw_crash(id, raw, dumps).await.unwrap();
}

/// That there is nothing, or that the storage can't be asked at all.
fn absent<T: std::fmt::Debug>(answer: Result<T, StorageError>) {
    let error = answer.unwrap_err();
    assert!(
        error.is_not_found() || matches!(error, StorageError::Unsupported { .. }),
        "{error}"
    );
}

async fn nothing_is_found_of_a_crash_that_is_not_there(storage: &dyn CrashStorage) {
    let Sample { id, .. } = Sample::new(ThrottleResult::Accept);
    absent(storage.get_raw_crash(&id).await);
    absent(storage.get_dumps(&id).await);
    absent(storage.get_dump(&id, &DumpName::main()).await);
    absent(storage.get_processed(&id).await);
    let error = storage.remove(&id).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.blame(), Blame::Crash);
}

async fn reads_back(storage: &dyn CrashStorage, Sample { id, raw, dumps }: &Sample) {
    assert_eq!(storage.get_raw_crash(id).await.unwrap(), *raw);
    let names: Vec<_> = storage.get_dumps(id).await.unwrap().into_keys().collect();
    assert_eq!(names, dumps.keys().cloned().collect::<Vec<_>>());
    let all = storage.get_dumps(id).await.unwrap();
    for (name, dump) in dumps {
        let bytes = dump.read().unwrap();
        assert!(all[name].read().unwrap() == bytes, "{name} has other bytes");
        assert!(
            storage.get_dump(id, name).await.unwrap().read().unwrap() == bytes,
            "{name}"
        );
        assert_eq!(all[name].size().unwrap(), bytes.len() as u64);
    }
    absent(storage.get_dump(id, &DumpName::clean("another")).await);
}

/// How often a walk meets a crash; `None` where the storage can't be walked.
async fn met(ids: Result<CrashIds, StorageError>, id: CrashId) -> Option<usize> {
    match ids {
        // Walks block.
        Ok(ids) => Some(blocking(move || ids.flatten().filter(|met| *met == id).count()).await),
        Err(error) if error.blame() == Blame::Store => None,
        Err(error) => panic!("{error}"),
    }
}

async fn walks(storage: &dyn CrashStorage, sample: &Sample, waits: bool) {
    let found = met(storage.new_crashes(), sample.id).await;
    assert_eq!(
        found.unwrap_or(0),
        usize::from(waits),
        "among those that wait"
    );
}

async fn lists_by_day(storage: &dyn CrashStorage, sample: &Sample, kept: bool) {
    let day = sample.id.date();
    let (eve, morrow) = (day.yesterday().unwrap(), day.tomorrow().unwrap());
    for (days, expected) in [(day..=day, kept), (eve..=morrow, kept), (eve..=eve, false)] {
        let found = met(storage.crashes(days), sample.id).await;
        assert_eq!(
            found.unwrap_or(0),
            usize::from(expected),
            "among those of its day"
        );
    }
}

async fn a_processed_crash_is_replaced_by_a_later_one(storage: &dyn CrashStorage, sample: &Sample) {
    for signature in ["first", "second"] {
        let processed = processed(signature);
        storage
            .save_processed(&sample.id, &processed)
            .await
            .unwrap();
        assert_eq!(storage.get_processed(&sample.id).await.unwrap(), processed);
    }
}

async fn a_removed_crash_is_gone(storage: &dyn CrashStorage, sample: &Sample) {
    let id = &sample.id;
    storage.remove(id).await.unwrap();
    absent(storage.get_raw_crash(id).await);
    absent(storage.get_dumps(id).await);
    absent(storage.get_dump(id, &DumpName::main()).await);
    absent(storage.get_processed(id).await);
    walks(storage, sample, false).await;
    lists_by_day(storage, sample, false).await;
    assert!(storage.remove(id).await.unwrap_err().is_not_found());
}

async fn a_removed_crash_saved_again_is_back_or_refused(
    storage: &dyn CrashStorage,
    sample: &Sample,
) {
    let Sample { id, raw, dumps } = sample;
    match storage.save_raw_crash(id, raw, dumps).await {
        Ok(()) => {
            reads_back(storage, sample).await;
            storage.remove(id).await.unwrap();
        }
        Err(error) => assert_eq!(error.blame(), Blame::Crash, "{error}"),
    }
}

async fn a_crash_without_dumps_has_none(storage: &dyn CrashStorage) {
    let Sample { id, raw, .. } = Sample::new(ThrottleResult::Accept);
    storage
        .save_raw_crash(&id, &raw, &Dumps::new())
        .await
        .unwrap();
    assert_eq!(storage.get_dumps(&id).await.unwrap(), Dumps::new());
    absent(storage.get_dump(&id, &DumpName::main()).await);
    storage.remove(&id).await.unwrap();
}

async fn many_at_once_and_one_many_times(storage: &dyn CrashStorage) {
    let same = Sample::new(ThrottleResult::Accept);
    let others: Vec<_> = (0..8)
        .map(|_| Sample::new(ThrottleResult::Accept))
        .collect();
    let both = others.iter().flat_map(|other| [other, &same]);
    let saves = both.map(|Sample { id, raw, dumps }| storage.save_raw_crash(id, raw, dumps));
    for saved in join_all(saves).await {
        saved.unwrap();
    }
    for sample in others.iter().chain([&same]) {
        reads_back(storage, sample).await;
        storage.remove(&sample.id).await.unwrap();
    }
}

/// Polls all futures together until all are done.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    use std::task::Poll;
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut all_done = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(done) => *output = Some(done),
                    Poll::Pending => all_done = false,
                }
            }
        }
        match all_done {
            true => Poll::Ready(pending.iter_mut().filter_map(|(_, o)| o.take()).collect()),
            false => Poll::Pending,
        }
    })
    .await
}
