//! `kill -9` at random moments while load goes on. `SOCORRO_KILLS` says how often.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use socorro_tests::site::Site;

use crate::load::{Ledger, Load, random_moment, times};

const LONGEST: Duration = Duration::from_millis(400);

fn kills() -> usize {
    times("SOCORRO_KILLS", 10)
}

/// The directories in which collectors of this spool stage crashes.
fn staging(site: &Site) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(site.spool().join(".staging")).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn a_collector_killed_again_and_again_loses_nothing_and_leaves_its_neighbour_in_peace() {
    let site = Site::on_files();
    let ledger = Arc::new(Ledger::default());
    let (neighbour, address) = site.collector();
    let of_neighbour = staging(&site);
    assert_eq!(of_neighbour.len(), 1);
    let steady = Load::start(2, &address, &ledger);
    let (mut collector, address) = site.collector();
    let load = Load::start(6, &address, &ledger);
    for _ in 0..kills() {
        load.wait_for_more(1);
        random_moment(LONGEST);
        let killed = staging(&site);
        collector.kill();
        let (again, address) = site.collector();
        collector = again;
        load.moves_to(&address);
        let now = staging(&site);
        assert!(now.is_superset(&of_neighbour), "the neighbour's is gone");
        let left: Vec<_> = now.intersection(&killed).collect();
        assert_eq!(left.len(), 1, "what the dead left stays: {left:?}");
    }
    load.join();
    assert_eq!(steady.join(), 0, "submissions to the neighbour failed");
    assert!(collector.stop().success());
    assert!(neighbour.stop().success());
    site.run_mover();
    ledger.verify(&site);
}

#[test]
fn a_mover_killed_again_and_again_beside_a_collector_loses_nothing() {
    let site = Site::on_files();
    let ledger = Arc::new(Ledger::default());
    let (collector, address) = site.collector();
    let load = Load::start(4, &address, &ledger);
    for _ in 0..kills() {
        let mover = site.start("crashmover", &["--watch", "--set", "crashmover.workers=4"]);
        load.wait_for_more(1);
        random_moment(LONGEST);
        mover.kill();
    }
    assert_eq!(load.join(), 0, "submissions failed");
    assert!(collector.stop().success());
    site.run_mover();
    ledger.verify(&site);
}
