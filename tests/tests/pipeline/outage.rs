//! HBase goes away in the middle, and comes back.

use rustix::process::Signal;
use socorro_tests::client::{Form, Submission};
use socorro_tests::hbase::OwnHBase;
use socorro_tests::program::Program;
use socorro_tests::site::Site;
use socorro_tests::{fixtures, wait_for};

use crate::{fill_spool, noise_of};

#[test]
fn hbase_killed_in_the_middle_of_a_move_and_started_again_loses_and_doubles_nothing() {
    let Some(hbase) = OwnHBase::start() else {
        return;
    };
    let site = Site::at_hbase(&hbase.address);
    let ids = fill_spool(&site, 400, 50_000);
    let before = site.spooled().len();
    let endless = [
        "--set",
        "crashmover.workers=2",
        "--set",
        "transactions.backoff=endless",
        "--set",
        "hbase.socket_timeout=5s",
    ];
    let mut mover = site.start("crashmover", &endless);
    wait_for("some crashes to be moved", || {
        (site.spooled().len() < before).then_some(())
    });
    hbase.kill();
    mover.wait_for_log("will try again");
    assert!(!mover.has_ended(), "the mover waits");
    let waiting = site.spooled().len();
    assert!(waiting > 0, "crashes that are not confirmed stay");
    hbase.start_again();
    assert!(mover.wait().success(), "{}", mover.log());
    assert_eq!(
        site.spooled(),
        Vec::<std::path::PathBuf>::new(),
        "the source is empty"
    );
    for (place, id) in ids.iter().enumerate() {
        assert_eq!(
            site.dump(id, "upload_file_minidump"),
            noise_of(place, 50_000)
        );
    }

    // Once: each is claimed, processed and taken off the queue one time.
    let args = ["run", "--set", "log.level=info"];
    let processor = site.start("processor", &args);
    for id in &ids {
        site.processed(id);
    }
    let done = |line: &&str| line.contains(" processed ") && line.contains("attempt=1");
    wait_for("every result to be logged", || {
        (processor.log().lines().filter(done).count() >= ids.len()).then_some(())
    });
    assert_eq!(processor.log().lines().filter(done).count(), ids.len());
    assert!(processor.stop().success());
}

#[test]
fn hbase_killed_in_the_middle_of_processing_costs_no_crash_an_attempt() {
    let Some(hbase) = OwnHBase::start() else {
        return;
    };
    let site = Site::at_hbase(&hbase.address);
    let ids = fill_spool(&site, 400, 1_000);
    site.run_mover();
    // Results are given up at once, so that crashes must be put back while nobody answers.
    let args = [
        "run",
        "--set=hbase.socket_timeout=5s",
        "--set=transactions.backoff=once",
    ];
    // Two, so that each sees claims of the other that nobody can renew.
    let mut processors = [(); 2].map(|()| site.start("processor", &args));
    for processor in &mut processors {
        processor.wait_for_log(" processed ");
    }
    hbase.kill();
    for processor in &mut processors {
        processor.wait_for_log("can't ");
    }
    hbase.start_again();
    for id in &ids {
        site.processed(id);
    }
    for processor in processors {
        let log = processor.log();
        let attempts = log.split_whitespace().filter(|w| w.starts_with("attempt="));
        assert_eq!(attempts.clone().find(|word| *word != "attempt=1"), None);
        assert!(attempts.count() > 0);
        assert!(processor.stop().success());
    }
}

#[test]
fn a_long_copy_waits_for_an_hbase_killed_in_the_middle_and_copies_all() {
    let Some(hbase) = OwnHBase::start() else {
        return;
    };
    let site = Site::at_hbase(&hbase.address);
    let ids = fill_spool(&site, 400, 20_000);
    site.run_mover();
    let mut copy = site.start(
        "socorro",
        &[
            "copy",
            "--from=hbase",
            "--to=filesystem",
            "--set=transactions.backoff=endless",
        ],
    );
    let target = site.spool().with_file_name("std");
    wait_for("the copy to begin", || target.exists().then_some(()));
    hbase.kill();
    copy.wait_for_log("will try again");
    hbase.start_again();
    assert!(copy.wait().success(), "{}", copy.log());
    let files = "--set=storage.class=FileSystemCrashStorage";
    for (place, id) in ids.iter().enumerate() {
        let dump = site.run("socorro", &["get_dump", id.as_str(), files]);
        assert!(dump.stdout == noise_of(place, 20_000), "{id}");
    }
}

/// With the thrift crate's own buffered reading, a read that a signal interrupts delivers old bytes
/// again.
#[test]
fn a_large_read_that_signals_interrupt_is_right() {
    let Some(site) = Site::on_hbase() else { return };
    let large = fixtures::noise(20 << 20, 3);
    let (collector, address) = site.collector();
    let sent = Submission::new(fixtures::annotations(), large.clone());
    let id = sent.accepted(Form::BreakpadUpload, &address);
    assert!(collector.stop().success());
    site.run_mover();
    let output = site.spool().with_file_name("read-back");
    let path = output.to_str().unwrap();
    for _ in 0..3 {
        let mut reader =
            Program::start(site.command("socorro", &["get_dump", id.as_str(), "--output", path]));
        while !reader.has_ended() {
            reader.signal(Signal::STOP);
            reader.signal(Signal::CONT);
            std::thread::yield_now();
        }
        assert!(reader.wait().success(), "{}", reader.log());
        assert!(
            std::fs::read(&output).unwrap() == large,
            "other bytes came back"
        );
    }
}
