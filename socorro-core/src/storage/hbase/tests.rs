//! What the storage in HBase promises, on a real HBase.

mod claims;
mod counts;
mod lanes;
mod restores;
mod saves;
mod set_up;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::batch::RowPut;
use super::claim::ClaimCell;
use super::client::Connection;
use super::client::put;
use super::error::CallError;
use super::schema::Table;
use super::*;
use crate::config::Period;
use crate::raw_crash::{ThrottleResult, field, format_timestamp};
use crate::storage::{Blame, Claim, CrashQueue, Finish, Lane, blocking};
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

/// Another process on the same tables.
fn beside(store: &HBaseCrashStorage) -> HBaseCrashStorage {
    HBaseCrashStorage {
        pool: store.pool.clone(),
        batcher: store.batcher.clone(),
        ..HBaseCrashStorage::new(&options("", &store.table_prefix), "web2")
    }
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
