//! Storages named in the configuration, and containers of them, the whole way.

use std::path::Path;

use serde_json::json;
use socorro_core::crash_id::CrashId;
use socorro_tests::client::{Form, Submission};
use socorro_tests::site::Site;
use socorro_tests::{fixtures, http, wait_for};

use crate::null_write;

pub(crate) const DEFERS_NIGHTLY: &str = r#"
    [[collector.throttle]]
    name = "nightly_waits"
    when = [{ annotation = "ReleaseChannel", equals = "nightly" }]
    percentage = 100
    result = "defer"
"#;

const BY_THROTTLING: &str = r#"
    [storages.by_throttling]
    class = "DeferringCrashStorage"
    standard = "hbase"
    deferred = "later"
    [storages.later]
    class = "FileSystemRawCrashStorage"
    root = "DIR/later"
    [storages.with_archive]
    class = "PolyCrashStorage"
    storages = ["by_throttling", "archive"]
    [storages.archive]
    class = "FileSystemRawCrashStorage"
    root = "DIR/archive"
    date_branch = false
"#;

/// A crash that is deferred.
pub(crate) fn nightly() -> Submission {
    let mut annotations = fixtures::annotations();
    annotations.insert("ReleaseChannel".into(), json!("nightly"));
    Submission::new(annotations, fixtures::dump("null-write"))
}

/// Whether a tree has the crash.
fn is_in(site: &Site, root: &str, id: &CrashId) -> bool {
    let day = id.date().strftime("%Y%m%d").to_string();
    let (aa, bb) = (&id.as_str()[..2], &id.as_str()[2..4]);
    let dir = Path::new(&day).join("name").join(aa).join(bb);
    let tree = site.path(root);
    tree.join(dir).join(format!("{id}.json")).exists()
}

#[test]
fn accepted_crashes_go_to_hbase_deferred_ones_to_a_tree_until_asked_for_and_all_to_an_archive() {
    let Some(site) = Site::on_hbase() else { return };
    site.set_more(
        "storage",
        "use = \"by_throttling\"\ndestination = \"with_archive\"",
    );
    site.configure(&format!("{BY_THROTTLING}{DEFERS_NIGHTLY}"));
    let (collector, address) = site.collector();
    let accepted = null_write().accepted(Form::Firefox, &address);
    let asked_on_page = nightly().accepted(Form::Chromium, &address);
    let asked_by_command = nightly().accepted(Form::Chromium, &address);
    let left = nightly().accepted(Form::BreakpadUpload, &address);
    assert!(collector.stop().success());
    assert!(site.run_mover().starts_with("moved 4 crashes"));
    assert_eq!(site.spooled(), Vec::<std::path::PathBuf>::new());
    for id in [&accepted, &asked_on_page, &asked_by_command, &left] {
        assert!(is_in(&site, "archive", id));
        assert_eq!(is_in(&site, "later", id), *id != accepted);
        // Wherever it is.
        assert_eq!(site.dump(id, "upload_file_minidump"), nightly().dumps[0].1);
    }

    let processor = site.start("processor", &["run"]);
    assert_eq!(site.processed(&accepted)["success"], true);
    let (_web, web) = site.serve("processor", &["web"]);
    let token = format!("Authorization: Bearer {}", site.token());
    let look = |id: &CrashId| {
        let path = format!("/crash_data/datatype/processed/uuid/{id}");
        http::get(&web, &path, &[&token]).status
    };
    assert_eq!(look(&asked_on_page), 408, "that is a request");
    wait_for("the crash to be processed", || {
        (look(&asked_on_page) == 200).then_some(())
    });
    let page = http::get(&web, &format!("/report/index/{asked_on_page}"), &[&token]);
    assert!(page.text().contains("DrawSprite"));
    site.run("socorro", &["request-priority", asked_by_command.as_str()]);
    assert_eq!(site.processed(&asked_by_command)["success"], true);
    assert!(!is_in(&site, "later", &asked_by_command), "it moved");
    assert!(is_in(&site, "later", &left));
    assert!(processor.stop().success());

    // What only the tree has is listed and removed as what HBase has.
    let state = site.run("socorro", &["get_report_processing_state", left.as_str()]);
    assert!(
        String::from_utf8(state.stdout)
            .unwrap()
            .contains("flags:processed: N")
    );
    for id in [&accepted, &asked_on_page, &left] {
        site.run("socorro", &["remove", id.as_str()]);
        let gone = site.command("socorro", &["get_json", id.as_str()]).output();
        assert_eq!(gone.unwrap().status.code(), Some(1));
        assert!(!is_in(&site, "later", id));
        assert!(is_in(&site, "archive", id), "that is another storage");
    }
    // Between any two storages: back from the archive to a tree.
    site.configure("[storages.back]\nclass = \"FileSystemRawCrashStorage\"\nroot = \"DIR/back\"");
    let copied = site.run("socorro", &["copy", "--from", "archive", "--to", "back"]);
    assert!(
        String::from_utf8(copied.stdout)
            .unwrap()
            .starts_with("4 copied")
    );
    assert!(is_in(&site, "back", &left));
}

#[test]
fn a_spool_of_named_trees_is_filled_and_drained() {
    let site = Site::on_files();
    site.set_more("spool", "use = \"two_disks\"");
    site.configure(
        r#"
        [storages.two_disks]
        class = "FallbackCrashStorage"
        primary = "disk1"
        fallback = "disk2"
        [storages.disk1]
        class = "FileSystemRawCrashStorage"
        root = "DIR/disk1"
        [storages.disk2]
        class = "FileSystemRawCrashStorage"
        root = "DIR/disk2"
        "#,
    );
    let (collector, address) = site.collector();
    let first = null_write().accepted(Form::Firefox, &address);
    assert!(is_in(&site, "disk1", &first));
    // The first disk is lost.
    let mounted = site.path("disk1");
    std::fs::rename(&mounted, site.path("away")).unwrap();
    std::fs::write(&mounted, "").unwrap();
    let second = null_write().accepted(Form::Firefox, &address);
    assert!(is_in(&site, "disk2", &second));
    assert!(collector.stop().success());
    std::fs::remove_file(&mounted).unwrap();
    std::fs::rename(site.path("away"), &mounted).unwrap();
    assert!(site.run_mover().starts_with("moved 2 crashes"));
    for id in [&first, &second] {
        assert_eq!(
            site.dump(id, "upload_file_minidump"),
            null_write().dumps[0].1
        );
    }
    assert!(!is_in(&site, "disk1", &first) && !is_in(&site, "disk2", &second));
}

#[test]
fn every_program_refuses_storages_that_make_no_sense_before_it_does_anything() {
    let site = Site::on_files();
    site.configure(&BY_THROTTLING.replace("\"later\"", "\"latr\""));
    let programs: [(&str, &[&str]); 6] = [
        ("collector", &[]),
        ("crashmover", &[]),
        ("processor", &["run"]),
        ("processor", &["web"]),
        ("socorro", &["queue", "list"]),
        ("collector", &["--print-config"]),
    ];
    for (program, args) in programs {
        let output = site.command(program, args).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{program}: {error}");
        for part in [
            "socorro.toml",
            "storages.by_throttling.deferred",
            "\"latr\"",
            "[storages.NAME]",
        ] {
            assert!(error.contains(part), "{program}: {error} has {part}");
        }
        assert!(output.stdout.is_empty());
    }
}
