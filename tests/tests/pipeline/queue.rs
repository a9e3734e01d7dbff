//! Several processors on one queue.

use socorro_core::crash_id::CrashId;
use socorro_tests::client::Form;
use socorro_tests::program::Program;
use socorro_tests::site::Site;
use socorro_tests::{http, wait_for};

use crate::null_write;

crate::on_each_storage! {
    two_processors_on_one_queue_process_each_crash_once
    the_crashes_of_a_killed_processor_are_processed_by_another
}

const CRASHES: usize = 60;

/// Puts that many crashes into the queue.
fn fill_queue(site: &Site, crashes: usize) -> Vec<CrashId> {
    let (collector, address) = site.collector();
    let ids = (0..crashes)
        .map(|_| null_write().accepted(Form::BreakpadUpload, &address))
        .collect();
    assert!(collector.stop().success());
    site.run_mover();
    ids
}

fn start(site: &Site) -> (Program, String) {
    let args = ["run", "--set", "processor.metrics_listen=127.0.0.1:0"];
    let mut processor = site.start("processor", &args);
    let line = processor.wait_for_log("metrics at");
    let address = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("address="))
        .unwrap();
    (processor, address.to_owned())
}

fn count(address: &str, name: &str) -> u64 {
    let text = http::get(address, "/metrics", &[]).text();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

fn two_processors_on_one_queue_process_each_crash_once(site: &Site) {
    let ids = fill_queue(site, CRASHES);
    let (one, one_metrics) = start(site);
    let (two, two_metrics) = start(site);
    for id in &ids {
        assert_eq!(site.processed(id)["success"], true);
    }
    let processed = |address: &str| count(address, "socorro_processor_processed_total");
    // The last results are stored before they are counted.
    wait_for("all to be counted", || {
        (processed(&one_metrics) + processed(&two_metrics) >= CRASHES as u64).then_some(())
    });
    let counts = (processed(&one_metrics), processed(&two_metrics));
    assert_eq!(counts.0 + counts.1, CRASHES as u64, "{counts:?}");
    assert!(one.stop().success());
    assert!(two.stop().success());
}

fn the_crashes_of_a_killed_processor_are_processed_by_another(site: &Site) {
    let ids = fill_queue(site, 40);
    let (dead, metrics) = start(site);
    wait_for("some to be processed", || {
        (count(&metrics, "socorro_processor_processed_total") > 0).then_some(())
    });
    dead.kill();
    let (heir, _) = start(site);
    for id in &ids {
        assert_eq!(site.processed(id)["success"], true);
    }
    assert!(heir.stop().success());
}
