//! The queue in HBase: what a claim costs, how many crashes processors get through, and how long somebody
//! waits for a report while others wait.
//!
//! ```sh
//! cargo build --release --bins && cargo bench -p socorro-tests --bench queue [-- claims throughput on-demand]
//! ```
//!
//! Runs on an HBase of its own, which shares the machine's cores with the processors and with this.

use std::time::{Duration, Instant};

use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::raw_crash::ThrottleResult;
use socorro_core::storage::{CrashQueue, Lane};
use socorro_tests::hbase::OwnHBase;
use socorro_tests::http;
use socorro_tests::site::Site;
use tokio::runtime::Runtime;

fn main() {
    let named: Vec<_> = std::env::args().skip(1).collect();
    // Cargo adds `--bench`.
    let all = named.iter().all(|word| word.starts_with("--"));
    let is_wanted = |part: &str| all || named.iter().any(|word| word == part);
    let hbase = OwnHBase::new();
    if is_wanted("claims") {
        claims(&hbase.address);
    }
    if is_wanted("throughput") {
        throughput(&hbase.address);
    }
    if is_wanted("on-demand") {
        on_demand(&hbase.address);
    }
}

/// Claims cost the same however many crashes were processed before, be there many that wait or one at a
/// time. The rows of what was processed are scanned over until HBase flushes, which it does not here.
fn claims(hbase: &str) {
    const ROUNDS: usize = 6;
    const MANY: usize = 2_000;
    const ONE_BY_ONE: usize = 20;
    let site = Site::at_hbase(hbase);
    let runtime = Runtime::new().unwrap();
    let hbase = site.primary().hbase.unwrap();
    let measure = |crashes: usize| {
        let (mut calls, mut time) = (0, Duration::ZERO);
        for _ in 0..crashes {
            let (before, started) = (hbase.traffic().calls, Instant::now());
            let claim = runtime.block_on(hbase.claim()).unwrap();
            time += started.elapsed();
            calls += hbase.traffic().calls - before;
            let finish = async { claim.unwrap().finish(&result()).await };
            runtime.block_on(finish).unwrap();
        }
        let per_claim = |sum: f64| sum / crashes as f64;
        (per_claim(time.as_secs_f64() * 1e3), per_claim(calls as f64))
    };
    let mut found = Vec::new();
    for round in 0..ROUNDS {
        site.store(MANY, ThrottleResult::Accept, "empty");
        let (many, calls) = measure(MANY);
        let one_by_one = |_| {
            site.store(1, ThrottleResult::Accept, "empty");
            measure(1).0
        };
        let one = (0..ONE_BY_ONE).map(one_by_one).sum::<f64>() / ONE_BY_ONE as f64;
        let before = round * (MANY + ONE_BY_ONE);
        println!(
            "claim, {before:>6} processed before: {many:.2} ms and {calls:.2} calls of many; {one:.2} ms alone"
        );
        found.push((many, one));
    }
    let (first, last) = (found[0], found[ROUNDS - 1]);
    tell(
        "claim of many: time of the last round by the first",
        "1",
        last.0 / first.0,
    );
    tell(
        "claim alone: time of the last round by the first",
        "1",
        last.1 / first.1,
    );
}

fn result() -> ProcessedCrash {
    let mut processed = ProcessedCrash::default();
    processed.set(key::SIGNATURE, "arena::Texture::Touch");
    processed
}

/// More processors get through more crashes, until the cores are full.
fn throughput(hbase: &str) {
    const CRASHES: usize = 2_000;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut first = None;
    for processors in [1, 2, 4] {
        let site = Site::at_hbase(hbase);
        site.set_more("processor", "workers = 1");
        site.store(CRASHES, ThrottleResult::Accept, "null-write");
        let (started, idle) = (Instant::now(), idle_time());
        let start = |_| site.start("processor", &["run"]);
        let running: Vec<_> = (0..processors).map(start).collect();
        while waiting(&site) > 0 {
            std::thread::sleep(Duration::from_millis(200));
        }
        let seconds = started.elapsed().as_secs_f64();
        let busy = cores as f64 - (idle_time() - idle) / seconds;
        for processor in running {
            assert!(processor.stop().success());
        }
        let rate = CRASHES as f64 / seconds;
        println!(
            "{processors} processors: {rate:.0} crashes a second, {busy:.1} of {cores} cores busy"
        );
        let first = *first.get_or_insert(rate);
        let what = format!("{processors} processors: times the rate of one");
        tell(&what, "rising", rate / first);
    }
}

fn waiting(site: &Site) -> usize {
    let runtime = Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    site.primary().queue.queued(Lane::Waiting).unwrap().count()
}

/// The seconds that all cores together have been idle since the machine's start.
fn idle_time() -> f64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let idle = uptime.split_whitespace().nth(1).unwrap();
    idle.parse().unwrap()
}

/// From the request for a stored crash to its report, while many wait and all workers are busy.
fn on_demand(hbase: &str) {
    const WAITING: usize = 10_000;
    const REQUESTS: usize = 100;
    let site = Site::at_hbase(hbase);
    let asked = site.store(REQUESTS, ThrottleResult::Defer, "null-write");
    site.store(WAITING, ThrottleResult::Accept, "null-write");
    let (_web, web) = site.serve("processor", &["web"]);
    let token = format!("Authorization: Bearer {}", site.token());
    let processor = site.start("processor", &["run"]);
    let look = |page: String| http::get(&web, &page, &[&token]).status;
    let mut times: Vec<_> = asked
        .iter()
        .map(|id| {
            let started = Instant::now();
            assert_eq!(look(format!("/report/index/{id}")), 202, "that asks for it");
            while look(format!("/report/index/{id}?asked=1")) == 202 {
                std::thread::sleep(Duration::from_millis(20));
            }
            started.elapsed().as_secs_f64()
        })
        .collect();
    let left = waiting(&site);
    assert!(processor.stop().success());
    println!("{WAITING} crashes waited before the first request, {left} after the last");
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    tell("on demand: seconds to the report, p50", "", at(50));
    tell("on demand: seconds to the report, p99", "<= 2", at(99));
    tell("on demand: seconds to the report, longest", "", at(100));
}

fn tell(what: &str, wanted: &str, found: f64) {
    println!("{what:58} {wanted:>9} {found:9.2}");
}
