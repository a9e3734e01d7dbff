//! The crash mover: what it moves, what it says, and what a kill leaves.

use std::path::PathBuf;
use std::process::Command;

use socorro_core::testing::socorro_2x;
use socorro_tests::client::Form;
use socorro_tests::site::Site;
use socorro_tests::wait_for;

use crate::{fill_spool, noise_of, null_write};

crate::on_each_storage! {
    a_spool_of_socorro_2x_is_moved_to_the_last_file
    a_mover_killed_in_the_middle_and_run_again_moves_everything
    a_mover_that_watches_moves_crashes_as_they_arrive
}

fn a_mover_killed_in_the_middle_and_run_again_moves_everything(site: &Site) {
    let ids = fill_spool(site, 150, 30_000);
    let all = site.spooled().len();
    let mut kills = 0;
    // Each run is killed as soon as it has moved something.
    for _ in 0..5 {
        let before = site.spooled().len();
        let mut mover = site.start("crashmover", &["--set", "crashmover.workers=1"]);
        wait_for("some crashes to be moved", || {
            (mover.has_ended() || site.spooled().len() < before).then_some(())
        });
        if !mover.has_ended() {
            kills += 1;
        }
        mover.kill();
    }
    assert!(kills > 0, "no run lived long enough to be killed");
    assert!(all > site.spooled().len());

    site.run_mover();
    assert_eq!(site.spooled(), Vec::<PathBuf>::new(), "the source is empty");
    for (place, id) in ids.iter().enumerate() {
        assert_eq!(
            site.dump(id, "upload_file_minidump"),
            noise_of(place, 30_000)
        );
    }
}

fn a_spool_of_socorro_2x_is_moved_to_the_last_file(site: &Site) {
    let ids = socorro_2x::mixed_spool(&site.spool());
    let line = site.run_mover();
    let expected = format!("moved {} crashes", ids.len());
    assert!(
        line.starts_with(&expected) && !line.contains("left"),
        "{line}"
    );
    assert_eq!(site.spooled(), Vec::<PathBuf>::new());
    for id in &ids {
        assert_eq!(site.raw_crash(id)["ProductName"], "Arena", "{id}");
    }
}

fn a_mover_that_watches_moves_crashes_as_they_arrive(site: &Site) {
    let (_collector, address) = site.collector();
    null_write().accepted(Form::Firefox, &address);
    let mover = site.start("crashmover", &["--watch"]);
    site.wait_until_spool_is_empty();
    let id = null_write().accepted(Form::Chromium, &address);
    site.wait_until_spool_is_empty();
    assert_eq!(site.raw_crash(&id)["ProductName"], "Arena");
    assert!(mover.stop().success());
}

#[test]
fn a_run_says_in_one_line_what_it_did() {
    let site = Site::on_files();
    fill_spool(&site, 3, 1_000);
    let line = site.run_mover();
    assert!(
        line.starts_with("moved 3 crashes") && !line.contains('\n'),
        "{line}"
    );
    assert_eq!(site.run_mover(), "the spool is empty, nothing to move");
}

#[test]
fn two_movers_never_work_on_one_spool() {
    let site = Site::on_files();
    fill_spool(&site, 1, 1_000);
    let watching = site.start("crashmover", &["--watch"]);
    site.wait_until_spool_is_empty();
    let line = site.run_mover();
    assert!(line.contains("another crash mover is at work"), "{line}");
    assert!(watching.stop().success());
}

#[test]
fn crashes_that_remain_are_told_by_exit_code_75() {
    let site = Site::on_files();
    fill_spool(&site, 2, 1_000);
    let nowhere = [
        "--set",
        "storage.class=HBaseCrashStorage",
        "--set",
        "hbase.thrift=127.0.0.1:1",
        "--set",
        "transactions.backoff=once",
    ];
    let output = site.command("crashmover", &nowhere).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(75),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(site.run_mover().starts_with("moved 2 crashes"));
}

#[test]
fn a_mistake_in_the_configuration_is_exit_code_1() {
    let site = Site::on_files();
    let output = site.command("crashmover", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "there is no spool yet");
    assert!(String::from_utf8_lossy(&output.stderr).contains("spool.primary"));
    let output = site
        .command("crashmover", &["--set", "spool.primry=/x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("primry"));
}

#[test]
fn a_crash_that_cannot_be_read_is_set_aside_with_the_reason_and_blocks_no_other() {
    let site = Site::on_files();
    let ids = fill_spool(&site, 3, 1_000);
    let broken = ids[1];
    let json = site
        .spooled()
        .into_iter()
        .find(|path| path.ends_with(format!("{broken}.json")));
    std::fs::write(json.unwrap(), "{").unwrap();
    let output = site.command("crashmover", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&output.stdout).contains("moved 2 crashes"));
    let left = site.spooled();
    assert!(
        left.iter()
            .all(|path| path.starts_with(site.spool().join("rejected"))),
        "{left:?}"
    );
    let reason = left
        .iter()
        .find(|path| path.extension().is_some_and(|e| e == "reason"))
        .unwrap();
    let reason = std::fs::read_to_string(reason).unwrap();
    assert!(
        reason.contains(broken.as_str()) && reason.contains("can't be read"),
        "{reason}"
    );
    assert_eq!(site.run_mover(), "the spool is empty, nothing to move");
}

#[test]
fn a_missing_table_sets_nothing_aside() {
    let Some(site) = Site::on_hbase() else { return };
    fill_spool(&site, 5, 1_000);
    let before = site.spooled();
    let elsewhere = ["--set", "hbase.table_prefix=nowhere_"];
    let output = site.command("crashmover", &elsewhere).output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("socorro schema create"), "{log}");
    assert_eq!(site.spooled(), before);
    assert!(site.run_mover().starts_with("moved 5 crashes"));
}

#[test]
fn a_crash_that_was_removed_from_hbase_meanwhile_is_set_aside_and_not_lost() {
    let Some(site) = Site::on_hbase() else { return };
    for dump_bytes in [1_000, 100_000] {
        let id = fill_spool(&site, 1, dump_bytes)[0];
        // As if the mover had been killed before it removed the source.
        let kept = site.spool().with_file_name("kept");
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(site.spool()).arg(&kept).status();
        assert!(copied.unwrap().success());
        site.run_mover();
        site.run("socorro", &["remove", id.as_str()]);
        std::fs::remove_dir_all(site.spool()).unwrap();
        std::fs::rename(kept, site.spool()).unwrap();

        let output = site.command("crashmover", &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(75));
        let left = site.spooled();
        let in_rejected = |end: &str| {
            let name = format!("{id}.{end}");
            left.iter()
                .find(|path| path.ends_with(&name))
                .filter(|path| path.starts_with(site.spool().join("rejected")))
                .unwrap_or_else(|| panic!("no {name} set aside: {left:?}"))
        };
        in_rejected("json");
        in_rejected("dump");
        let reason = std::fs::read_to_string(in_rejected("reason")).unwrap();
        assert!(reason.contains("removed from HBase"), "{reason}");
        std::fs::remove_dir_all(site.spool().join("rejected")).unwrap();
    }
}

#[test]
fn a_crash_in_both_spools_is_moved_once_and_leaves_both() {
    let site = Site::on_files();
    let ids = fill_spool(&site, 20, 1_000);
    let fallback = site.spool().with_file_name("fallback");
    // As it is when the primary's answer came too late.
    let copied = Command::new("cp")
        .arg("-a")
        .args([site.spool(), fallback.clone()])
        .status();
    assert!(copied.unwrap().success());
    let setting = format!("spool.fallback={}", fallback.display());
    let output = site.run("crashmover", &["--set", &setting]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with("moved 20 crashes"), "{line}");
    assert_eq!(site.spooled(), Vec::<PathBuf>::new());
    let status = site.run("socorro", &["spool", "status", "--json", "--set", &setting]);
    for tree in String::from_utf8(status.stdout).unwrap().lines() {
        let tree: serde_json::Value = serde_json::from_str(tree).unwrap();
        let waiting = if tree["tree"] == "filesystem.standard" {
            ids.len()
        } else {
            0
        };
        assert_eq!(tree["waiting"]["count"], waiting, "{tree}");
    }
}

#[test]
fn what_a_run_leaves_alone_is_in_its_line_and_its_metrics() {
    let site = Site::on_files();
    fill_spool(&site, 2, 1_000);
    let day = std::fs::read_dir(site.spool()).unwrap().flatten();
    let day = day
        .map(|day| day.path())
        .find(|day| day.join("date").is_dir());
    std::fs::write(day.unwrap().join("date/notes.txt"), "").unwrap();
    let textfile = site.spool().with_file_name("crashmover.prom");
    let setting = format!("crashmover.metrics_textfile={}", textfile.display());
    let output = site.run("crashmover", &["--set", &setting]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with("moved 2 crashes"), "{line}");
    assert!(line.trim_end().ends_with("left alone: 1 foreign"), "{line}");
    let metrics = std::fs::read_to_string(textfile).unwrap();
    assert!(metrics.contains("last_run_left_alone 1"), "{metrics}");
    assert_eq!(site.run_mover(), "nothing to move, left alone: 1 foreign");
}
