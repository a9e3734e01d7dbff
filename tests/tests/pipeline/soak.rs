//! Everything at once, for a while: clients of all kinds, garbage, stalls, a collector that is killed,
//! a mover from cron, an HBase that goes away. What was acknowledged is there in the end, once, byte
//! for byte, and counted.
//!
//! `SOCORRO_SOAK_SECONDS` says for how long, the restarts of HBase not counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socorro_core::crash_id::CrashId;
use socorro_core::storage::CrashStorage;
use socorro_core::storage::hbase::HBaseCrashStorage;
use socorro_core::testing::{Fault, Wire};
use socorro_tests::client::{FORMS, Form, Submission, acknowledged};
use socorro_tests::hbase::OwnHBase;
use socorro_tests::http::try_send;
use socorro_tests::site::Site;
use socorro_tests::{PATIENCE, fixtures};

const CLIENTS: u64 = 6;
/// What each client rests after a submission, so that ten minutes fill no disk.
const REST: Duration = Duration::from_millis(100);
/// Crashes compared at a time.
const READERS: usize = 8;
/// The annotation that tells one submission from all others.
const SEED: &str = "SoakSeed";
/// Between kills of the collector, and between runs of the mover.
const KILL_EVERY: Duration = Duration::from_secs(20);
const MOVE_EVERY: Duration = Duration::from_secs(15);

/// What the clients know.
#[derive(Debug, Default)]
struct Ledger {
    address: Mutex<String>,
    next_seed: AtomicU64,
    /// The seed of each crash that was acknowledged.
    acknowledged: Mutex<BTreeMap<CrashId, u64>>,
    /// The seeds of those for which no answer came: they may be stored or not.
    unanswered: Mutex<Vec<u64>>,
    refused: AtomicU64,
    over: AtomicBool,
}

#[test]
fn what_was_acknowledged_is_there_once_and_counted_whatever_happened_meanwhile() {
    let Some(hbase) = OwnHBase::start() else {
        return;
    };
    let wire = Wire::to(&hbase.address);
    let site = Site::at_hbase(&wire.address);
    let ledger = Arc::new(Ledger::default());
    let lasts = Duration::from_secs(seconds());
    let started = Instant::now();
    std::thread::scope(|scope| {
        let (mut collector, address) = site.collector();
        *ledger.address.lock().unwrap() = address;
        for client in 0..CLIENTS {
            let ledger = &ledger;
            scope.spawn(move || submit_until_over(ledger, client));
        }
        scope.spawn(|| move_until_over(&site, &ledger));
        let disturbing = scope.spawn(|| disturb(&wire, &hbase, lasts));
        while !disturbing.is_finished() {
            std::thread::sleep(KILL_EVERY.min(lasts / 4));
            collector.kill();
            let (again, address) = site.collector();
            collector = again;
            *ledger.address.lock().unwrap() = address;
        }
        ledger.over.store(true, Ordering::Relaxed);
        assert!(collector.stop().success());
    });
    while !site
        .command("crashmover", &[])
        .output()
        .unwrap()
        .status
        .success()
    {
        assert!(started.elapsed() < lasts + 3 * PATIENCE);
    }
    verify(&site, &ledger);
}

fn seconds() -> u64 {
    let set = std::env::var("SOCORRO_SOAK_SECONDS").ok();
    set.map_or(20, |text| text.parse().expect("SOCORRO_SOAK_SECONDS"))
}

/// The crash of that seed: all about it follows from the seed.
fn crash(seed: u64) -> (Form, Submission) {
    let mut annotations = fixtures::annotations();
    annotations.insert(SEED.into(), seed.to_string().into());
    let size = match seed % 50 {
        0 => 4 << 20,
        n => 2_000 * n as usize,
    };
    let form = FORMS[seed as usize % FORMS.len()];
    (
        form,
        Submission::new(annotations, fixtures::noise(size, seed)),
    )
}

fn submit_until_over(ledger: &Ledger, client: u64) {
    let mut round = client;
    while !ledger.over.load(Ordering::Relaxed) {
        round += 1;
        std::thread::sleep(REST);
        let address = ledger.address.lock().unwrap().clone();
        let seed = ledger.next_seed.fetch_add(1, Ordering::Relaxed);
        let (form, crash) = crash(seed);
        let mut request = crash.request(form, &address);
        if round % 100 == 99 {
            // Garbage: a body that ends in the middle of a part.
            let head = b"POST /submit HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nConte";
            request = head.to_vec();
        }
        if round % 60 == 30 {
            stall(&address, &request);
            continue;
        }
        match try_send(&address, &request) {
            Ok(answer) => match acknowledged(&answer) {
                Some(id) => {
                    let earlier = ledger.acknowledged.lock().unwrap().insert(id, seed);
                    assert_eq!(earlier, None, "two crashes got the id {id}");
                }
                None => {
                    ledger.refused.fetch_add(1, Ordering::Relaxed);
                }
            },
            // The collector was killed.
            Err(_) => ledger.unanswered.lock().unwrap().push(seed),
        }
    }
}

/// Sends the half of a request, and goes.
fn stall(address: &str, request: &[u8]) {
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.write_all(&request[..request.len() / 2]);
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The mover as cron starts it. It may end with crashes left: HBase is away now and then.
fn move_until_over(site: &Site, ledger: &Ledger) {
    let mut next = Instant::now();
    while !ledger.over.load(Ordering::Relaxed) {
        if Instant::now() < next {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        next += MOVE_EVERY;
        let output = site
            .command("crashmover", &["--set", "hbase.socket_timeout=3s"])
            .output()
            .unwrap();
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | 75)),
            "{code:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// HBase is stopped twice; and in between the wire delays, cuts, and swallows.
fn disturb(wire: &Wire, hbase: &OwnHBase, lasts: Duration) {
    let step = lasts / 10;
    let rest = || std::thread::sleep(step);
    let fault = |fault| {
        wire.set(fault);
        rest();
        wire.set(Fault::None);
    };
    rest();
    fault(Fault::Delay(Duration::from_millis(20)));
    hbase.kill();
    rest();
    hbase.start_again();
    fault(Fault::Cut);
    rest();
    fault(Fault::Stall);
    hbase.kill();
    rest();
    hbase.start_again();
}

fn verify(site: &Site, ledger: &Ledger) {
    let acknowledged = ledger.acknowledged.lock().unwrap();
    let unanswered = ledger.unanswered.lock().unwrap();
    assert!(acknowledged.len() > 100, "only {}", acknowledged.len());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let hbase = site.primary().hbase.unwrap();
    let days = acknowledged.keys().next().unwrap().date()
        ..=acknowledged.keys().map(CrashId::date).max().unwrap();
    let found: Vec<CrashId> = hbase
        .crashes(days.start().saturating_sub(jiff::Span::new().days(1))..=*days.end())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut seeds = Vec::new();
    let check_all = |ids: &[CrashId]| -> Vec<u64> {
        let check = |id| runtime.block_on(check(&hbase, id));
        ids.iter().map(check).collect()
    };
    let found_seeds = std::thread::scope(|scope| {
        let readers: Vec<_> = found
            .chunks(found.len().div_ceil(READERS))
            .map(|ids| scope.spawn(|| check_all(ids)))
            .collect();
        let seeds = readers.into_iter().map(|reader| reader.join().unwrap());
        seeds.flatten().collect::<Vec<_>>()
    });
    for (id, seed) in found.iter().zip(found_seeds) {
        match acknowledged.get(id) {
            Some(sent) => assert_eq!(*sent, seed, "{id} is another crash"),
            // Stored, and then the collector was killed before it could answer.
            None => assert!(unanswered.contains(&seed), "{id} was never sent"),
        }
        seeds.push(seed);
    }
    let lost: Vec<_> = acknowledged
        .keys()
        .filter(|id| !found.contains(id))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    seeds.sort_unstable();
    let all = seeds.len();
    seeds.dedup();
    assert_eq!(seeds.len(), all, "a crash is there twice");
    runtime.block_on(counted(
        &hbase,
        &days.start().strftime("%Y").to_string(),
        all,
    ));
    println!(
        "{} acknowledged, {} unanswered, {} refused; {all} in HBase",
        acknowledged.len(),
        unanswered.len(),
        ledger.refused.load(Ordering::Relaxed)
    );
}

/// Compares a stored crash with what its client sent; returns its seed.
async fn check(hbase: &HBaseCrashStorage, id: &CrashId) -> u64 {
    let raw = hbase.get_raw_crash(id).await.unwrap();
    let seed = raw.get_str(SEED).unwrap().parse().unwrap();
    let (_, sent) = crash(seed);
    for (name, value) in &sent.annotations {
        assert_eq!(raw.get_str(name), value.as_str(), "{id}: {name}");
    }
    let dumps = hbase.get_dumps(id).await.unwrap();
    let dumps: Vec<_> = dumps
        .into_iter()
        .map(|(name, dump)| (name.as_str().to_owned(), dump.read().unwrap().to_vec()))
        .collect();
    assert!(dumps == sent.dumps, "{id}: other dumps");
    seed
}

/// Waits until the counter of the year says so many.
async fn counted(hbase: &HBaseCrashStorage, year: &str, crashes: usize) {
    let started = Instant::now();
    loop {
        hbase.keep_counts().await.unwrap();
        let counts = hbase.metrics(year).await.unwrap();
        let counted = counts.get("submitted_crash_reports").copied();
        if counted == Some(crashes as i64) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{counted:?} counted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
