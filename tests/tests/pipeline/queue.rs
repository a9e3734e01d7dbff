//! Several processors on one queue.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use socorro_core::crash_id::CrashId;
use socorro_tests::client::Form;
use socorro_tests::program::Program;
use socorro_tests::site::Site;
use socorro_tests::{http, wait_for};

use crate::containers::{DEFERS_NIGHTLY, nightly};
use crate::null_write;

crate::on_each_storage! {
    two_processors_on_one_queue_process_each_crash_once
    the_crashes_of_a_killed_processor_are_processed_by_another
    a_deferred_crash_is_processed_when_the_page_the_api_or_the_command_asks_for_it
    a_crash_that_is_asked_for_is_processed_while_all_workers_are_busy
    a_crash_processed_again_keeps_the_earlier_notes
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

/// Puts deferred crashes into the storage.
fn store_deferred<const N: usize>(site: &Site) -> [CrashId; N] {
    site.configure(DEFERS_NIGHTLY);
    let (collector, address) = site.collector();
    let ids = [(); N].map(|()| nightly().accepted(Form::Chromium, &address));
    assert!(collector.stop().success());
    site.run_mover();
    ids
}

/// Starts a processor; returns it with the address of its metrics.
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

fn a_deferred_crash_is_processed_when_the_page_the_api_or_the_command_asks_for_it(site: &Site) {
    let [by_page, by_api, by_command, left] = store_deferred(site);
    let (processor, _) = start(site);
    let (_web, web) = site.serve("processor", &["web"]);
    let token = format!("Authorization: Bearer {}", site.token());
    let status =
        |path: &str, id: &CrashId| http::get(&web, &format!("{path}/{id}"), &[&token]).status;
    assert_eq!(status("/report/index", &by_page), 202);
    assert_eq!(status("/crash_data/datatype/processed/uuid", &by_api), 408);
    site.run("socorro", &["request-priority", by_command.as_str()]);
    for id in [by_page, by_api, by_command] {
        assert_eq!(site.processed(&id)["success"], true);
        assert_eq!(status("/report/index", &id), 200);
    }
    let output = site
        .command("socorro", &["get_report", left.as_str()])
        .output();
    assert_eq!(
        output.unwrap().status.code(),
        Some(75),
        "nobody asked for it"
    );
    assert!(processor.stop().success());
}

fn a_crash_that_is_asked_for_is_processed_while_all_workers_are_busy(site: &Site) {
    let [asked] = store_deferred(site);
    site.set_more("processor", "workers = 1");
    let first = fill_queue(site, 1);
    let (processor, _) = start(site);
    site.processed(&first[0]);
    // It has a worker now, in which the next crash hangs.
    let [worker] = processor.children()[..] else {
        panic!("{:?}", processor.children());
    };
    kill_process(worker, Signal::STOP).unwrap();
    let stuck = fill_queue(site, 1);
    wait_for("the crash to be claimed", || {
        (is_claimed(site, &stuck[0])).then_some(())
    });
    site.run("socorro", &["request-priority", asked.as_str()]);
    assert_eq!(site.processed(&asked)["success"], true);
    assert!(is_claimed(site, &stuck[0]), "the only worker is busy still");
    kill_process(worker, Signal::CONT).unwrap();
    assert_eq!(site.processed(&stuck[0])["success"], true);
    assert!(processor.stop().success());
}

/// Whether a processor works on it.
fn is_claimed(site: &Site, id: &CrashId) -> bool {
    if site.path("std").exists() {
        return site.path("std/.queue/claims").join(id.as_str()).exists();
    }
    let state = site.run("socorro", &["get_report_processing_state", id.as_str()]);
    let state = String::from_utf8(state.stdout).unwrap();
    !state.contains("flags:claim: free")
}

fn a_crash_processed_again_keeps_the_earlier_notes(site: &Site) {
    let id = fill_queue(site, 1)[0];
    let (processor, _) = start(site);
    let first = site.processed(&id);
    assert!(first.get("processor_history").is_none());
    assert!(processor.stop().success());
    let mut expected = Vec::new();
    let mut earlier = first;
    for _ in 0..2 {
        let time = earlier["completed_datetime"].as_str().unwrap();
        let notes = earlier["processor_notes"].as_str().unwrap();
        expected.insert(0, format!("{time}: {notes}"));
        site.run("socorro", &["reprocess", id.as_str()]);
        let (processor, metrics) = start(site);
        wait_for("it to be processed again", || {
            (count(&metrics, "socorro_processor_processed_total") == 1).then_some(())
        });
        earlier = site.processed(&id);
        assert_eq!(earlier["processor_history"], serde_json::json!(expected));
        assert!(processor.stop().success());
    }
    let (_web, web) = site.serve("processor", &["web"]);
    let token = format!("Authorization: Bearer {}", site.token());
    let page = http::get(&web, &format!("/report/index/{id}"), &[&token]).text();
    assert!(page.contains("Of earlier times <small>2</small>"));
}

#[test]
fn workers_end_when_their_processor_is_killed_whatever_they_do() {
    let site = Site::on_files();
    let ids = fill_queue(&site, 20);
    let (processor, _) = start(&site);
    for id in &ids {
        site.processed(id);
    }
    let workers = processor.children();
    assert!(!workers.is_empty());
    // One that does not come to look at its socket.
    kill_process(workers[0], Signal::STOP).unwrap();
    processor.kill();
    let runs = |pid: &Pid| test_kill_process(*pid).is_ok() && !is_zombie(*pid);
    wait_for("the workers to end", || {
        (!workers.iter().any(runs)).then_some(())
    });
}

/// Whether it has ended and nobody has asked how.
fn is_zombie(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("State:\tZ")
}
