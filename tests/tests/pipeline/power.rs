//! The power fails under a collector and a mover: what was acknowledged is there after the restart.
//!
//! The spool is a small file system in a file, mounted where only the test sees it: each test runs
//! itself again under `unshare --mount`, so that the mounts go with the process however it ends.
//! `SOCORRO_POWER_CUTS` says how often each test cuts the power.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use socorro_core::testing::disk::{self, Disk};
use socorro_tests::site::Site;

use crate::load::{Ledger, Load, random_moment, times};

const CLIENTS: usize = 16;
/// Acknowledged before a cut at least, so that there is something to lose.
const BEFORE_A_CUT: usize = 20;
/// How long after that the power fails at the latest.
const LONGEST: Duration = Duration::from_millis(1_500);
/// Set in the process that has mounts of its own.
const PRIVATE: &str = "SOCORRO_TEST_HAS_OWN_MOUNTS";

#[test]
fn a_power_cut_under_a_collector_on_ext4_loses_no_acknowledged_crash() {
    with_own_mounts(
        "a_power_cut_under_a_collector_on_ext4_loses_no_acknowledged_crash",
        || {
            cut_again_and_again("ext4", false);
        },
    );
}

#[test]
fn a_power_cut_under_a_collector_on_xfs_loses_no_acknowledged_crash() {
    with_own_mounts(
        "a_power_cut_under_a_collector_on_xfs_loses_no_acknowledged_crash",
        || {
            cut_again_and_again("xfs", false);
        },
    );
}

#[test]
fn a_power_cut_under_a_collector_and_a_mover_that_prunes_on_ext4_loses_no_acknowledged_crash() {
    with_own_mounts(
        "a_power_cut_under_a_collector_and_a_mover_that_prunes_on_ext4_loses_no_acknowledged_crash",
        || cut_again_and_again("ext4", true),
    );
}

#[test]
fn a_power_cut_under_a_collector_and_a_mover_that_prunes_on_xfs_loses_no_acknowledged_crash() {
    with_own_mounts(
        "a_power_cut_under_a_collector_and_a_mover_that_prunes_on_xfs_loses_no_acknowledged_crash",
        || cut_again_and_again("xfs", true),
    );
}

fn cut_again_and_again(kind: &str, moving: bool) {
    let site = Site::on_files();
    let disk = Disk::new(kind, 1 << 10, site.spool());
    // What is of past days is pruned by the mover while the collector writes there.
    let ledger = Arc::new(match moving {
        true => Ledger::of_past_days(&site.accept_submitted_ids()),
        false => Ledger::default(),
    });
    for _ in 0..times("SOCORRO_POWER_CUTS", 2) {
        disk.mount();
        let (collector, address) = site.collector();
        let mover = moving.then(|| site.start("crashmover", &["--watch"]));
        let load = Load::start(CLIENTS, &address, &ledger);
        load.wait_for_more(BEFORE_A_CUT);
        random_moment(LONGEST);
        disk.die();
        load.ends();
        collector.kill();
        if let Some(mover) = mover {
            mover.kill();
        }
        load.join();
        disk.unmount();

        disk.mount();
        // What is visible is whole: the mover sets aside what it can't read.
        let line = site.run_mover();
        assert!(!line.contains("set aside"), "{line}");
        let rejected = site.spool().join("rejected");
        assert!(!rejected.exists(), "half a crash was visible");
        ledger.verify(&site);
        disk.unmount();
    }
    println!("{} acknowledged, none lost", ledger.acknowledged());
}

/// Runs a test in a process whose mounts nobody else sees.
fn with_own_mounts(name: &str, test: impl FnOnce()) {
    if std::env::var_os(PRIVATE).is_some() {
        return test();
    }
    if !disk::can_be_mounted() {
        return;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args([&format!("power::{name}"), "--exact", "--nocapture"])
        .env(PRIVATE, "yes")
        .status();
    assert!(status.unwrap().success());
}
