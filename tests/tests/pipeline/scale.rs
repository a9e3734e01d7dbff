//! Several processors on one queue in HBase, and what becomes of it when some are killed, stopped for
//! long, or have the wrong time. `SOCORRO_SCALE` says with how many crashes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use processor::config::Options;
use rustix::process::Signal;
use socorro_core::crash_id::CrashId;
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::raw_crash::{ThrottleResult, parse_timestamp};
use socorro_core::storage::Lane;
use socorro_core::storage::hbase::FullRow;
use socorro_core::storage::open::PrimaryStorage;
use socorro_core::testing::{self, Wire};
use socorro_tests::program::Program;
use socorro_tests::site::Site;
use socorro_tests::{PATIENCE, wait_for};
use tokio::runtime::Runtime;

use crate::load::times;

/// Crashes that one processor works on at a time.
const WORKERS: usize = 2;

fn crashes() -> usize {
    times("SOCORRO_SCALE", 400)
}

/// An installation on HBase with crashes that wait.
struct Queue {
    site: Site,
    ids: BTreeSet<CrashId>,
    primary: PrimaryStorage,
    runtime: Runtime,
}

impl Queue {
    /// Puts so many crashes into a queue; `None` where tests with HBase are skipped.
    fn of(crashes: usize) -> Option<Self> {
        let site = Site::on_hbase()?;
        site.set_more("processor", &format!("workers = {WORKERS}"));
        let ids = site.store(crashes, ThrottleResult::Accept, "truncated");
        Some(Self {
            primary: site.primary(),
            runtime: Runtime::new().unwrap(),
            ids: ids.into_iter().collect(),
            site,
        })
    }

    fn start<const N: usize>(&self) -> [Program; N] {
        [(); N].map(|()| self.site.start("processor", &["run"]))
    }

    /// Waits until so many crashes are processed; gives up when nothing moves.
    fn wait_for_processed(&self, crashes: usize) {
        let _in_runtime = self.runtime.enter();
        let (mut least, mut since) = (usize::MAX, Instant::now());
        while least > self.ids.len() - crashes {
            let left = self.primary.queue.queued(Lane::Waiting).unwrap().count();
            if left < least {
                (least, since) = (left, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{left} are left in the queue");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn rows(&self, table: &str, columns: &[&str]) -> Vec<FullRow> {
        let columns: Vec<_> = columns.iter().map(|name| (*name).to_owned()).collect();
        let _in_runtime = self.runtime.enter();
        let hbase = self.primary.hbase.as_ref().unwrap();
        let rows = hbase.union_scan(table, "", &columns);
        rows.map(Result::unwrap).collect()
    }

    /// The crashes on which a processor works.
    fn claimed_by(&self, processor: &Program) -> Vec<CrashId> {
        let of_it = format!("-{}-", processor.id());
        let rows = self.rows("crash_reports", &["ids:ooid", "flags:claim"]);
        let its = rows
            .into_iter()
            .filter(|row| cell(row, "flags:claim").contains(&of_it));
        its.map(|row| cell(&row, "ids:ooid").parse().unwrap())
            .collect()
    }

    fn processed(&self, id: &CrashId) -> ProcessedCrash {
        let processed = self.primary.storage.get_processed(id);
        self.runtime.block_on(processed).unwrap()
    }

    /// Checks that all crashes, and nothing else, are there, processed, and off the queue. Returns how
    /// many were processed more than once.
    fn verify(&self) -> usize {
        let rows = self.rows("crash_reports", &["ids", "flags"]);
        for row in &rows {
            let key = String::from_utf8_lossy(&row.key);
            let (id, claim) = (cell(row, "ids:ooid"), cell(row, "flags:claim"));
            assert!(
                id.parse().is_ok_and(|id| self.ids.contains(&id)),
                "{key} is a ghost"
            );
            assert!(claim.starts_with("free "), "{key}: {claim}");
        }
        assert_eq!(rows.len(), self.ids.len());
        for queue in ["unprocessed_flag", "legacy_unprocessed_flag"] {
            let left = self.rows(&format!("crash_reports_index_{queue}"), &[]);
            assert_eq!(left, [], "left in {queue}");
        }
        let again = |id: &&CrashId| {
            let processed = self.processed(id);
            let status = processed.get_str("mdsw_status_string");
            assert_eq!(status, Some("MissingSystemInfo"), "{id}");
            processed.get(key::PROCESSOR_HISTORY).is_some()
        };
        self.ids.iter().filter(again).count()
    }
}

fn cell(row: &FullRow, column: &str) -> String {
    let value = row.cells.get(column).cloned().unwrap_or_default();
    String::from_utf8(value).unwrap()
}

/// The crashes that a processor says it has stored.
fn stored(processor: &Program) -> usize {
    let log = processor.log();
    log.lines()
        .filter(|line| line.contains(" processed "))
        .count()
}

#[test]
fn four_processors_process_each_of_many_crashes_once() {
    let Some(queue) = Queue::of(crashes()) else {
        return;
    };
    let processors: [_; 4] = queue.start();
    queue.wait_for_processed(crashes());
    wait_for("all to be logged", || {
        (processors.iter().map(stored).sum::<usize>() >= crashes()).then_some(())
    });
    let shares = processors.each_ref().map(stored);
    println!("{shares:?} of {} crashes", crashes());
    assert_eq!(shares.iter().sum::<usize>(), crashes());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    for processor in processors {
        assert!(processor.stop().success());
    }
    assert_eq!(queue.verify(), 0, "processed twice");
}

#[test]
fn when_two_of_four_processors_are_killed_all_crashes_are_processed_and_twice_only_what_they_held()
{
    let Some(queue) = Queue::of(crashes()) else {
        return;
    };
    let [one, two, three, four] = queue.start();
    queue.wait_for_processed(crashes() / 8);
    one.kill();
    queue.wait_for_processed(crashes() / 4);
    two.kill();
    queue.wait_for_processed(crashes());
    for processor in [three, four] {
        assert!(processor.stop().success());
    }
    let twice = queue.verify();
    assert!(twice <= 2 * WORKERS, "{twice}");
}

#[test]
fn a_processor_that_was_stopped_for_longer_than_its_claims_last_and_goes_on_does_no_harm() {
    let Some(mut queue) = Queue::of(crashes() / 2) else {
        return;
    };
    let [late, heir] = queue.start();
    queue.wait_for_processed(crashes() / 8);
    let held = wait_for("it to be stopped at work", || {
        late.signal(Signal::STOP);
        let held = queue.claimed_by(&late);
        if held.is_empty() {
            late.signal(Signal::CONT);
        }
        (!held.is_empty()).then_some(held)
    });
    queue.wait_for_processed(crashes() / 2);
    assert_eq!(queue.claimed_by(&late), [], "another has taken them over");
    // One is removed, of which a late result must leave nothing.
    queue.site.run("socorro", &["remove", held[0].as_str()]);
    queue.ids.remove(&held[0]);
    late.signal(Signal::CONT);
    wait_for("it to let go of them", || {
        let log = late.log();
        let told = |id: &CrashId| log.lines().any(|line| line.contains(id.as_str()));
        held.iter().all(told).then_some(())
    });
    for processor in [late, heir] {
        assert!(processor.stop().success());
    }
    assert_eq!(queue.verify(), 0, "processed twice");
}

/// The library that gives programs another time; `None` where it is not installed.
fn libfaketime() -> Option<PathBuf> {
    let machine = std::env::consts::ARCH;
    let path = format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1");
    let there = PathBuf::from(path);
    if there.exists() {
        return Some(there);
    }
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !ci,
        "libfaketime is not installed, and in CI nothing may be skipped"
    );
    eprintln!("skipped: libfaketime is not installed");
    None
}

#[test]
fn processors_whose_clocks_are_wrong_by_an_hour_share_and_take_over_work_like_others() {
    let Some(library) = libfaketime() else { return };
    let Some(queue) = Queue::of(crashes() / 2) else {
        return;
    };
    let start = |time: &str| {
        let mut command = queue.site.command("processor", &["run"]);
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME", time)
            .env("DONT_FAKE_MONOTONIC", "1");
        Program::start(command)
    };
    let (slow, fast) = (start("-1h"), start("+1h"));
    queue.wait_for_processed(crashes() / 4);
    assert!(stored(&slow) > 0 && stored(&fast) > 0);
    slow.kill();
    queue.wait_for_processed(crashes() / 2);
    assert!(fast.stop().success());
    let twice = queue.verify();
    assert!(twice <= WORKERS, "{twice}");
    let now = Timestamp::now();
    let hours = |id: &CrashId| {
        let processed = queue.processed(id);
        let time = processed.get_str(key::COMPLETED).and_then(parse_timestamp);
        let off = time.unwrap().duration_since(now);
        off.as_secs().signum() * i64::from(off.abs() > SignedDuration::from_mins(30))
    };
    let hours: BTreeSet<_> = queue.ids.iter().map(hours).collect();
    assert_eq!(hours, [-1, 1].into(), "both had the wrong time");
}

#[test]
fn a_processor_with_nothing_to_do_makes_few_calls() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let wire = Wire::to(&address);
    let site = Site::at_hbase(&wire.address);
    let default = Options::default().poll_interval;
    let as_it_is = format!("--set=processor.poll_interval={default}");
    let mut processor = site.start("processor", &["run", &as_it_is]);
    processor.wait_for_log("waiting for crashes");
    let (started, before) = (Instant::now(), wire.pieces());
    wait_for("it to look often", || {
        (wire.pieces() >= before + 200).then_some(())
    });
    let rate = 200.0 / started.elapsed().as_secs_f64();
    println!("{rate:.1} calls a second");
    assert!(rate <= 15.0, "{rate:.1} calls a second");
    assert!(processor.stop().success());
}
