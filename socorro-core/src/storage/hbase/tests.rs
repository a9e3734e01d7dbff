//! What the storage in HBase promises, on a real HBase.

mod counts;
mod wire;

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::claim::ClaimCell;
use super::client::put;
use super::schema::Table;
use super::*;
use crate::config::Period;
use crate::raw_crash::{ThrottleResult, field, format_timestamp};
use crate::storage::{Blame, Claim, CrashQueue, Finish};
use crate::testing;

/// Lease of claims in these tests.
const LEASE: Duration = Duration::from_millis(500);

fn options(address: &str, prefix: &str) -> HBaseOptions {
    HBaseOptions {
        thrift: address.into(),
        table_prefix: prefix.into(),
        claim_lease: Period::from(LEASE),
        ..HBaseOptions::default()
    }
}

/// A store with tables of its own, made once a run for those tests that share them. Shared tables
/// have one queue: tests of the queue take tables of their own.
async fn shared() -> Option<HBaseCrashStorage> {
    static MADE: OnceCell<String> = OnceCell::const_new();
    let address = testing::hbase()?;
    let make = || async { fresh(&address).await.1 };
    let prefix = MADE.get_or_init(make).await;
    Some(HBaseCrashStorage::new(&options(&address, prefix), "web1"))
}

async fn fresh(address: &str) -> (HBaseCrashStorage, String) {
    let prefix = format!("u{:08x}_", fastrand::u32(..));
    let store = HBaseCrashStorage::new(&options(address, &prefix), "web1");
    store.create_tables().await.unwrap();
    (store, prefix)
}

async fn own() -> Option<HBaseCrashStorage> {
    Some(fresh(&testing::hbase()?).await.0)
}

fn crash(throttle: ThrottleResult) -> (CrashId, RawCrash, Dumps) {
    let now = Timestamp::now();
    let id = CrashId::new(now.to_zoned(jiff::tz::TimeZone::UTC).date());
    let mut raw = RawCrash::default();
    raw.set("ProductName", "Arena");
    raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(now));
    raw.set(field::LEGACY_PROCESSING, throttle as i64);
    let dumps = [
        (
            DumpName::main(),
            Dump::Bytes(Bytes::from_static(b"MDMP\0main")),
        ),
        (
            DumpName::parse("flash1").unwrap(),
            Dump::Bytes(Bytes::from_static(b"MDMP flash")),
        ),
    ];
    (id, raw, dumps.into())
}

fn processed(signature: &str) -> ProcessedCrash {
    let mut processed = ProcessedCrash::default();
    processed.set("signature", signature);
    processed.set("completed_datetime", "2026-11-23T00:00:00.000000+00:00");
    processed
}

async fn cells(store: &HBaseCrashStorage, table: &'static Table, key: Vec<u8>) -> Option<Row> {
    let families: Vec<_> = table.families.iter().map(|(name, _)| *name).collect();
    store
        .pool
        .run(move |c| c.get(table, key.clone(), &families))
        .await
        .map_err(show)
        .unwrap()
}

fn show(error: CallError) -> String {
    StorageError::from(error).to_string()
}

async fn has_row(store: &HBaseCrashStorage, table: &'static Table, key: Vec<u8>) -> bool {
    cells(store, table, key).await.is_some()
}

async fn claim(store: &HBaseCrashStorage) -> Option<Box<dyn Claim>> {
    store.claim().await.unwrap()
}

#[tokio::test]
async fn a_crash_reads_back_as_it_was_saved() {
    let Some(store) = shared().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(store.get_raw_crash(&id).await.unwrap(), raw);
    assert_eq!(store.get_dumps(&id).await.unwrap(), dumps);
    let flash = DumpName::parse("flash1").unwrap();
    assert_eq!(store.get_dump(&id, &flash).await.unwrap(), dumps[&flash]);
    store.save_processed(&id, &processed("f")).await.unwrap();
    assert_eq!(store.get_processed(&id).await.unwrap(), processed("f"));
}

#[tokio::test]
async fn a_crash_without_dumps_has_none() {
    let Some(store) = shared().await else { return };
    let (id, raw, _) = crash(ThrottleResult::Accept);
    store
        .save_raw_crash(&id, &raw, &Dumps::new())
        .await
        .unwrap();
    assert_eq!(store.get_dumps(&id).await.unwrap(), Dumps::new());
    assert!(
        store
            .get_dump(&id, &DumpName::main())
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let Some(store) = shared().await else { return };
    let (id, ..) = crash(ThrottleResult::Accept);
    assert!(store.get_raw_crash(&id).await.unwrap_err().is_not_found());
    assert!(store.get_dumps(&id).await.unwrap_err().is_not_found());
    assert!(store.get_processed(&id).await.unwrap_err().is_not_found());
    assert!(
        store
            .save_processed(&id, &processed("f"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(store.remove(&id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_save_writes_the_rows_of_the_schema() {
    let Some(store) = shared().await else { return };
    for throttle in [ThrottleResult::Accept, ThrottleResult::Defer] {
        let (id, mut raw, dumps) = crash(throttle);
        raw.set("HangID", format!("hang-{id}"));
        raw.set("ProcessType", "plugin");
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

        let row = cells(&store, &schema::CRASHES, row_key::crash(&id))
            .await
            .unwrap();
        let accepted = throttle == ThrottleResult::Accept;
        let submitted = raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap();
        assert_eq!(row.text(column::OOID), Some(id.as_str()));
        assert_eq!(row.text(column::IS_PROCESSED), Some("N"));
        assert_eq!(row.text(column::IS_ACCEPTED), accepted.then_some("Y"));
        assert_eq!(row.text(column::SUBMITTED), Some(submitted));
        assert_eq!(row.text(column::CLAIM), Some("free"));
        assert_eq!(row.value("raw_data:dump"), Some(&b"MDMP\0main"[..]));
        assert_eq!(row.value("raw_data:flash1"), Some(&b"MDMP flash"[..]));
        let eve = id.save_timestamp_millis();
        assert!(
            row.cells.values().all(|cell| cell.timestamp == eve),
            "one timestamp, the id's"
        );

        let by_time = row_key::by_time(id.as_str(), submitted);
        for (table, expected) in [
            (&schema::SUBMITTED, true),
            (&schema::UNPROCESSED, true),
            (&schema::ACCEPTED, accepted),
            (&schema::WAITING, accepted),
        ] {
            assert_eq!(
                has_row(&store, table, by_time.clone()).await,
                expected,
                "{}",
                table.name
            );
        }
        let hang = format!("hang-{id}");
        let half = cells(&store, &schema::HANG, hang.clone().into_bytes())
            .await
            .unwrap();
        assert_eq!(half.text("ids:ooid:plugin"), Some(id.as_str()));
        assert!(
            has_row(
                &store,
                &schema::HANG_SUBMITTED,
                row_key::by_time(&hang, submitted)
            )
            .await
        );
    }
}

#[tokio::test]
async fn a_save_repeated_after_processing_undoes_nothing() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let mut mine = claim(&store).await.expect("a crash waits");
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert!(mine.renew().await.unwrap(), "the claim holds");
    assert_eq!(mine.finish(&processed("f")).await.unwrap(), Finish::Stored);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    let row = cells(&store, &schema::CRASHES, row_key::crash(&id))
        .await
        .unwrap();
    assert_eq!(row.text(column::IS_PROCESSED), Some("Y"));
    let by_time = row_key::by_time(
        id.as_str(),
        raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap(),
    );
    assert!(!has_row(&store, &schema::WAITING, by_time.clone()).await);
    assert!(!has_row(&store, &schema::UNPROCESSED, by_time).await);
    assert!(claim(&store).await.is_none());
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_crash_is_claimed_once_and_taken_over_when_its_owner_is_dead() {
    let Some(one) = own().await else { return };
    let two = HBaseCrashStorage {
        pool: one.pool.clone(),
        batcher: one.batcher.clone(),
        queue: QueueState::new("web2", LEASE),
        counts: CountState::default(),
    };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    one.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    let mut dead = claim(&one).await.unwrap();
    assert_eq!((dead.id(), dead.attempt()), (id, 1));
    assert!(claim(&two).await.is_none(), "one owner at a time");
    let mut heir = loop {
        match claim(&two).await {
            Some(claim) => break claim,
            None => tokio::time::sleep(LEASE / 10).await,
        }
    };
    assert_eq!(heir.attempt(), 2);
    assert!(!dead.renew().await.unwrap(), "the old owner learns of it");
    assert_eq!(
        dead.finish(&processed("late")).await.unwrap(),
        Finish::TakenOver
    );
    assert_eq!(
        heir.finish(&processed("right")).await.unwrap(),
        Finish::Stored
    );
    assert_eq!(
        one.get_processed(&id).await.unwrap().signature(),
        Some("right")
    );
    assert!(claim(&one).await.is_none() && claim(&two).await.is_none());
    one.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_claim_that_is_renewed_is_not_taken_over() {
    let Some(one) = own().await else { return };
    let two = HBaseCrashStorage {
        pool: one.pool.clone(),
        batcher: one.batcher.clone(),
        queue: QueueState::new("web2", LEASE),
        counts: CountState::default(),
    };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    one.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let mut mine = claim(&one).await.unwrap();
    let started = std::time::Instant::now();
    while started.elapsed() < LEASE * 4 {
        assert!(claim(&two).await.is_none());
        assert!(mine.renew().await.unwrap());
    }
    mine.release().await.unwrap();
    let again = claim(&two).await.expect("released for somebody else");
    assert_eq!(again.attempt(), 1, "a release does not count");
    one.drop_tables().await.unwrap();
}

#[tokio::test]
async fn requests_come_first_and_one_made_meanwhile_survives() {
    let Some(store) = own().await else { return };
    let (waiting, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&waiting, &raw, &dumps).await.unwrap();
    let (deferred, raw, dumps) = crash(ThrottleResult::Defer);
    store.request(&deferred).await.unwrap();
    let first = claim(&store).await.unwrap();
    assert_eq!(
        first.id(),
        waiting,
        "a request waits for its crash to arrive"
    );

    store.save_raw_crash(&deferred, &raw, &dumps).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut asked = claim(&store).await.expect("it has arrived");
    assert_eq!(asked.id(), deferred);
    store.request(&deferred).await.unwrap();
    asked.finish(&processed("f")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut again = claim(&store).await.expect("asked again meanwhile");
    assert_eq!(again.id(), deferred);
    again.finish(&processed("f")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(claim(&store).await.is_none());
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn reprocessing_leaves_no_index_row_of_an_old_signature() {
    let Some(store) = shared().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let has = |signature: &'static str| {
        has_row(
            &store,
            &schema::SIGNATURES,
            row_key::by_signature(&id, signature.as_bytes()),
        )
    };
    store.save_processed(&id, &processed("old")).await.unwrap();
    assert!(has("old").await);
    // As a processor leaves it that is killed before it has deleted the row.
    let key = row_key::crash(&id);
    let stale = put(column::STALE_SIGNATURE, "older");
    let row = put(column::OOID, id.as_str());
    let older = row_key::by_signature(&id, b"older");
    store
        .pool
        .run(move |c| {
            c.put(&schema::CRASHES, key.clone(), vec![stale.clone()], None)?;
            c.put(&schema::SIGNATURES, older.clone(), vec![row.clone()], None)
        })
        .await
        .map_err(show)
        .unwrap();
    store.save_processed(&id, &processed("new")).await.unwrap();
    assert!(has("new").await);
    assert!(!has("old").await && !has("older").await);
    let row = cells(&store, &schema::CRASHES, row_key::crash(&id))
        .await
        .unwrap();
    assert_eq!(row.text(column::STALE_SIGNATURE), None);
}

#[tokio::test]
async fn what_a_processor_killed_at_the_very_end_left_is_put_right_by_the_next() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.save_processed(&id, &processed("f")).await.unwrap();
    let index_row = row_key::by_signature(&id, b"f");
    let by_time = row_key::by_time(
        id.as_str(),
        raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap(),
    );
    assert!(
        has_row(&store, &schema::WAITING, by_time.clone()).await,
        "not dequeued yet"
    );
    // As if it had been killed before the index row.
    let row = index_row.clone();
    store
        .pool
        .run(move |c| c.delete(&schema::SIGNATURES, row.clone(), None))
        .await
        .map_err(show)
        .unwrap();
    assert!(claim(&store).await.is_none());
    assert!(has_row(&store, &schema::SIGNATURES, index_row).await);
    assert!(!has_row(&store, &schema::WAITING, by_time).await);
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn claiming_a_removed_crash_of_socorro_2x_leaves_no_ghost() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    // 2.x wrote no claim, so claiming expects an absent cell, which an absent row has, too.
    let crash_row = row_key::crash(&id);
    store.remove(&id).await.unwrap();
    let cell = ClaimCell::owned("somebody", 1);
    let claimed = store.pool.run({
        let row = crash_row.clone();
        move |c| {
            c.check_and_put(
                &schema::CRASHES,
                row.clone(),
                column::CLAIM,
                vec![],
                cell.to_cell(),
            )
        }
    });
    assert!(
        claimed.await.map_err(show).unwrap(),
        "HBase takes an absent row for an absent cell"
    );
    store
        .pool
        .run({
            let row = crash_row.clone();
            move |c| c.delete_cell(&schema::CRASHES, row.clone(), column::CLAIM)
        })
        .await
        .map_err(show)
        .unwrap();
    assert!(
        !queue::exchange(&store.pool, &id, vec![], &ClaimCell::owned("me", 1))
            .await
            .map_err(show)
            .unwrap()
    );
    assert!(!has_row(&store, &schema::CRASHES, crash_row).await);
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_removed_crash_leaves_no_row() {
    let Some(store) = shared().await else { return };
    let (id, mut raw, dumps) = crash(ThrottleResult::Accept);
    let hang = format!("hang-{id}");
    raw.set("HangID", hang.as_str());
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.save_processed(&id, &processed("f")).await.unwrap();
    store.request(&id).await.unwrap();
    store.remove(&id).await.unwrap();
    let submitted = raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap();
    let by_time = row_key::by_time(id.as_str(), submitted);
    for (table, key) in [
        (&schema::CRASHES, row_key::crash(&id)),
        (&schema::SUBMITTED, by_time.clone()),
        (&schema::ACCEPTED, by_time.clone()),
        (&schema::UNPROCESSED, by_time.clone()),
        (&schema::WAITING, by_time.clone()),
        (&schema::REQUESTED, row_key::crash(&id)),
        (&schema::HANG, hang.clone().into_bytes()),
        (&schema::HANG_SUBMITTED, row_key::by_time(&hang, submitted)),
        (&schema::SIGNATURES, row_key::by_signature(&id, b"f")),
    ] {
        assert!(!has_row(&store, table, key).await, "{}", table.name);
    }
}

#[tokio::test]
async fn a_crash_too_large_for_the_server_is_its_own_fault() {
    let Some(store) = shared().await else { return };
    let (id, raw, _) = crash(ThrottleResult::Accept);
    let huge = Dump::Bytes(Bytes::from(vec![7; 65 << 20]));
    let error = store
        .save_raw_crash(&id, &raw, &[(DumpName::main(), huge)].into())
        .await
        .unwrap_err();
    assert_eq!(error.blame(), Blame::Crash, "{error}");
    assert!(
        error.to_string().len() < 600,
        "no Java stack trace: {error}"
    );
}

#[tokio::test]
async fn a_missing_table_is_the_stores_fault_and_the_message_says_how_to_mend_it() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let store = HBaseCrashStorage::new(&options(&address, "nowhere_"), "web1");
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    let error = store.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Store, "{error}");
    assert!(
        error.to_string().contains("socorro schema create"),
        "{error}"
    );
    assert_eq!(
        store.missing_tables().await.unwrap().len(),
        schema::ALL.len()
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_a_matter_of_the_moment() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let store = HBaseCrashStorage::new(&options(&free, ""), "web1");
    let (id, ..) = crash(ThrottleResult::Accept);
    let error = store.get_raw_crash(&id).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Moment, "{error}");
    assert!(error.to_string().contains(&free), "{error}");
}
