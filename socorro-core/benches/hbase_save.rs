//! How fast crashes go into HBase, index rows included, compared in the same run with a bare loop
//! that sends the same dumps with `mutateRow` and nothing else on as many connections.
//!
//! ```sh
//! SOCORRO_TEST_HBASE=host:port cargo bench -p socorro-core --features testing --bench hbase_save
//! ```
//!
//! Rounds of both are interleaved, for machines and HBase's compactions are noisy: the ratios count.
//! Writes about 4 GB into tables of its own, and drops them; HBase needs twice that for a while.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::time::{ClockId, clock_gettime};
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
        compare(&store, "500 kB", 500_000, 800).await;
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
    let (mut bare_seconds, mut full_seconds) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let bare = || measure(store, &dumps, crashes, CONNECTIONS, false);
        let full = || measure(store, &dumps, crashes, WORKERS, true);
        // Each goes first as often: the first of a round may meet what the last one left to flush.
        let (bare, full) = match round % 2 {
            0 => {
                let bare = bare().await;
                (bare, full().await)
            }
            _ => {
                let full = full().await;
                (bare().await, full)
            }
        };
        let ratio = full.rate / bare.rate;
        println!("{name}, round {round}: bare {bare}; saved {full}; ratio {ratio:.2}");
        ratios.push(ratio);
        bare_seconds += bare.rate.recip();
        full_seconds += full.rate.recip();
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{name}: median ratio {:.2}, over all rounds {:.2}",
        ratios[ratios.len() / 2],
        bare_seconds / full_seconds
    );
}

/// Saves under way at a time, as in the crash mover.
const WORKERS: usize = 200;

/// What one loop over some crashes reached and used.
struct Measure {
    rate: f64,
    calls: f64,
    bytes: f64,
    cpu_ms: f64,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s ({:.2} calls, {:.1} kB, {:.2} ms of CPU a crash)",
            self.rate,
            self.calls,
            self.bytes / 1e3,
            self.cpu_ms
        )
    }
}

/// The CPU time that this process has used.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // A clock that starts at zero has no negative times.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

async fn measure(
    store: &Arc<HBaseCrashStorage>,
    dumps: &Arc<Dumps>,
    crashes: usize,
    workers: usize,
    full: bool,
) -> Measure {
    let next = Arc::new(AtomicUsize::new(0));
    let (started, used, before) = (Instant::now(), cpu(), store.traffic());
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
    let (elapsed, used, after) = (started.elapsed(), cpu() - used, store.traffic());
    let crashes = crashes as f64;
    Measure {
        rate: crashes / elapsed.as_secs_f64(),
        calls: (after.calls - before.calls) as f64 / crashes,
        bytes: (after.sent - before.sent) as f64 / crashes,
        cpu_ms: used.as_secs_f64() * 1e3 / crashes,
    }
}
