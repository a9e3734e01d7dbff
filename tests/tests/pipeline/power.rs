//! The power fails under a collector and a mover: what was acknowledged is there after the restart.
//!
//! The spool is a small file system in a file, mounted where only the test sees it: each test runs
//! itself again under `unshare --mount`, so that the mounts go with the process however it ends.
//! `SOCORRO_POWER_CUTS` says how often each test cuts the power.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

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
fn a_power_cut_under_a_collector_and_a_mover_on_ext4_loses_no_acknowledged_crash() {
    with_own_mounts(
        "a_power_cut_under_a_collector_and_a_mover_on_ext4_loses_no_acknowledged_crash",
        || cut_again_and_again("ext4", true),
    );
}

#[test]
fn a_power_cut_under_a_collector_and_a_mover_on_xfs_loses_no_acknowledged_crash() {
    with_own_mounts(
        "a_power_cut_under_a_collector_and_a_mover_on_xfs_loses_no_acknowledged_crash",
        || cut_again_and_again("xfs", true),
    );
}

fn cut_again_and_again(kind: &str, moving: bool) {
    let site = Site::on_files();
    let disk = Disk::new(&site, kind);
    let ledger = Arc::new(Ledger::default());
    for _ in 0..times("SOCORRO_POWER_CUTS", 2) {
        disk.mount();
        let (collector, address) = site.collector();
        let mover = moving.then(|| site.start("crashmover", &["--watch"]));
        let load = Load::start(CLIENTS, &address, &ledger);
        load.wait_for_more(BEFORE_A_CUT);
        random_moment(LONGEST);
        disk.cut_power();
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

/// The file system of a site's spool.
struct Disk {
    image: PathBuf,
    dir: PathBuf,
}

impl Disk {
    /// Makes one of that kind in a file.
    fn new(site: &Site, kind: &str) -> Self {
        let disk = Self {
            image: site.path("image"),
            dir: site.spool(),
        };
        let file = std::fs::File::create(&disk.image).unwrap();
        // The least that mkfs.xfs takes is 300 MiB.
        file.set_len(1 << 30).unwrap();
        std::fs::create_dir(&disk.dir).unwrap();
        run(Command::new(format!("mkfs.{kind}"))
            .arg("-q")
            .arg(&disk.image));
        disk
    }

    fn mount(&self) {
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "loop"]).arg(&self.image).arg(&self.dir));
    }

    fn unmount(&self) {
        run(Command::new("umount").arg(&self.dir));
    }

    /// Nothing more reaches the disk, not even the log of the file system.
    fn cut_power(&self) {
        let mut shutdown = Command::new("xfs_io");
        run(shutdown.args(["-x", "-c", "shutdown"]).arg(&self.dir));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}

/// Runs a test in a process whose mounts nobody else sees.
fn with_own_mounts(name: &str, test: impl FnOnce()) {
    if std::env::var_os(PRIVATE).is_some() {
        return test();
    }
    if let Some(missing) = missing() {
        let message = format!("power cuts need {missing}");
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{message}"
        );
        eprintln!("not tested: {message}");
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

/// What this machine lacks for these tests, and how to get it.
fn missing() -> Option<&'static str> {
    let has = |program| Command::new(program).arg("-V").output().is_ok();
    if !has("mkfs.ext4") {
        return Some("mkfs.ext4: install e2fsprogs");
    }
    if !has("mkfs.xfs") || !has("xfs_io") {
        return Some("mkfs.xfs and xfs_io: install xfsprogs");
    }
    let mut free_loop = Command::new("unshare");
    free_loop.args(["--mount", "losetup", "--find"]);
    let allowed = free_loop
        .output()
        .is_ok_and(|output| output.status.success());
    (!allowed).then_some("root, unshare and loop devices: install util-linux, run as root")
}
