//! How fast crashes go into HBase, index rows included, compared in the same run with a bare loop
//! that sends the same dumps with `mutateRow` and nothing else on as many connections.
//!
//! ```sh
//! SOCORRO_TEST_HBASE=host:port cargo bench -p socorro-core --features testing --bench hbase_save
//! ```
//!
//! Rounds of both are interleaved, for machines and HBase's compactions are noisy: the ratios count.
//! Writes about 1.5 GB into tables of its own, and drops them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use socorro_core::crash_id::CrashId;
use socorro_core::dumps::{Dump, DumpName, Dumps};
use socorro_core::raw_crash::{RawCrash, field, format_timestamp};
use socorro_core::storage::CrashStorage;
use socorro_core::storage::hbase::HBaseCrashStorage;
use socorro_core::storage::open::HBaseOptions;
use socorro_core::testing;

const CONNECTIONS: usize = 4;
const ROUNDS: usize = 5;

fn main() {
    let Some(thrift) = testing::hbase() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let table_prefix = format!("bench{}_", std::process::id());
        let options = HBaseOptions {
            thrift,
            table_prefix,
            connections: CONNECTIONS,
            ..HBaseOptions::default()
        };
        let store = Arc::new(HBaseCrashStorage::new(&options, "bench"));
        store.create_tables().await.unwrap();
        println!("{CONNECTIONS} connections, {ROUNDS} rounds");
        compare(&store, "500 kB", 500_000, 250).await;
        compare(&store, "1 kB", 1_000, 4_000).await;
        store.drop_tables().await.unwrap();
    });
}

/// Bytes that don't compress, so that no layer gets them cheaper than a real dump.
fn dump(bytes: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..bytes.div_ceil(8))
        .flat_map(|_| next().to_le_bytes())
        .take(bytes)
        .collect()
}

async fn compare(store: &Arc<HBaseCrashStorage>, name: &str, bytes: usize, crashes: usize) {
    let dumps: Arc<Dumps> = Arc::new([(DumpName::main(), Dump::Bytes(dump(bytes)))].into());
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let bare = rate(store, &dumps, crashes, CONNECTIONS, false).await;
        let full = rate(store, &dumps, crashes, WORKERS, true).await;
        println!(
            "{name}, round {round}: bare {bare:.0}/s, saved {full:.0}/s, ratio {:.2}",
            full / bare
        );
        ratios.push(full / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("{name}: median ratio {:.2}", ratios[ratios.len() / 2]);
}

/// Saves under way at a time, as in the crash mover.
const WORKERS: usize = 200;

async fn rate(
    store: &Arc<HBaseCrashStorage>,
    dumps: &Arc<Dumps>,
    crashes: usize,
    workers: usize,
    full: bool,
) -> f64 {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let workers = (0..workers).map(|_| {
        let (store, dumps, next) = (store.clone(), dumps.clone(), next.clone());
        tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < crashes {
                let now = Timestamp::now();
                let id = CrashId::new(now.to_zoned(TimeZone::UTC).date());
                match full {
                    false => store.save_dumps_only(&id, &dumps).await.unwrap(),
                    true => {
                        let mut raw = RawCrash::default();
                        raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(now));
                        raw.set("ProductName", "Arena");
                        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
                    }
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    crashes as f64 / started.elapsed().as_secs_f64()
}
