//! Commands that look at the trees on disk, and mend them.

use super::*;
use crate::storage::open::Spool;
use crate::testing::socorro_2x::{Spooled, age, id};

impl Site {
    fn spool(&self) -> Spool {
        Spool::new(&self.settings)
    }

    /// A waiting crash in the spool.
    async fn spooled(&self) -> CrashId {
        let id = CrashId::new(DAY);
        let dump = Dump::Bytes(Bytes::from_static(b"MDMP"));
        let dumps = [(DumpName::main(), dump)].into();
        let mut raw = RawCrash::default();
        raw.set(
            field::SUBMITTED_TIMESTAMP,
            "2026-11-22T13:05:00.000000+00:00",
        );
        self.spool()
            .storage
            .save_raw_crash(&id, &raw, &dumps)
            .await
            .unwrap();
        id
    }

    fn link(&self, id: &CrashId) -> PathBuf {
        let host = self.settings.storage.host();
        let slot = format!("spool/20261122/date/13/05/{host}_0");
        self.dir.path().join(slot).join(id.as_str())
    }

    fn waiting(&self) -> Vec<CrashId> {
        let ids = self.spool().storage.new_crashes().unwrap();
        ids.map(Result::unwrap).collect()
    }

    /// The lines of `spool ... --json`, by tree.
    async fn trees(&self, words: &[&str]) -> (serde_json::Map<String, Value>, ExitCode) {
        let (output, code) = self
            .try_run(&[words, &["--json"]].concat(), "")
            .await
            .unwrap();
        let trees = output.lines().map(|line| {
            let tree: Value = serde_json::from_str(line).unwrap();
            (tree["tree"].as_str().unwrap().to_owned(), tree)
        });
        (trees.collect(), code)
    }
}

#[tokio::test]
async fn status_counts_each_tree() {
    let mut site = Site::on_files();
    site.settings.spool.fallback = site.dir.path().join("spool.fallback");
    let rejected = site.spooled().await;
    site.spool()
        .set_aside(&rejected, "too large")
        .await
        .unwrap();
    site.spooled().await;
    fs::remove_file(site.link(&site.spooled().await)).unwrap();
    site.processed().await;
    site.accepted().await;
    site.crash(DAY, ThrottleResult::Defer, None).await;

    let (trees, code) = site.trees(&["spool", "status"]).await;
    assert_eq!(code, ExitCode::SUCCESS);
    let count = |tree: &str, what: &str| trees[tree][what]["count"].as_u64().unwrap();
    for what in ["waiting", "orphans", "rejected"] {
        assert_eq!(count("spool.primary", what), 1, "{what}");
        assert_eq!(count("spool.fallback", what), 0, "{what}");
    }
    assert!(trees["spool.primary"]["waiting"]["bytes"].as_u64().unwrap() > 4);
    assert!(trees["spool.primary"]["waiting"]["oldest_seconds"].is_u64());
    assert!(trees["spool.fallback"]["waiting"]["oldest_seconds"].is_null());
    assert_eq!(count("filesystem.standard", "waiting"), 1);
    assert_eq!(count("filesystem.deferred", "waiting"), 1);
    assert_eq!(count("filesystem.processed", "processed"), 1);
    let text = site.run(&["spool", "status"]).await;
    assert!(text.contains("orphans               1"), "{text}");
}

#[tokio::test]
async fn fsck_finds_orphans_dangling_links_and_half_crashes_and_mends_what_it_can() {
    let site = Site::on_files();
    let whole = site.spooled().await;
    let orphan = site.spooled().await;
    fs::remove_file(site.link(&orphan)).unwrap();
    let gone = CrashId::new(DAY);
    std::os::unix::fs::symlink("../../../../name", site.link(&gone)).unwrap();
    age(&site.link(&gone));
    // Perhaps being written.
    let young = CrashId::new(DAY);
    std::os::unix::fs::symlink("../../../../name", site.link(&young)).unwrap();

    let (trees, code) = site.trees(&["spool", "fsck"]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(trees["spool.primary"]["orphans"]["count"], 1);
    assert_eq!(trees["spool.primary"]["dangling"]["count"], 1);
    assert_eq!(site.waiting(), [whole], "nothing was changed");

    let text = site.run(&["spool", "fsck", "--repair"]).await;
    assert!(text.ends_with("2 of 2 mended\n"), "{text}");
    let mut waiting = site.waiting();
    waiting.sort_unstable();
    assert_eq!(
        waiting,
        std::collections::BTreeSet::from([whole, orphan])
            .into_iter()
            .collect::<Vec<_>>()
    );
    assert!(!site.link(&gone).is_symlink());
    assert!(site.link(&young).is_symlink());
    let text = site.run(&["spool", "fsck"]).await;
    assert!(text.ends_with("nothing is wrong\n"), "{text}");

    // A half crash is told, and stays for a person to look at.
    let half = Spooled {
        id: id(2, "261122"),
        day: "20261122",
        slot: "13/05/web1_0",
        dumps: &[".dump"],
        name_link: false,
        date_link: false,
    };
    half.write(&site.dir.path().join("spool"));
    let json = format!("{}.json", half.id);
    let directory = half.directory(&site.dir.path().join("spool"));
    fs::remove_file(directory.join(json)).unwrap();
    let (trees, code) = site.trees(&["spool", "fsck", "--repair"]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(trees["spool.primary"]["half"]["count"], 1);
    assert!(directory.join(format!("{}.dump", half.id)).exists());
}

#[tokio::test]
async fn fsck_tells_a_primary_storages_lost_crashes_from_processed_ones() {
    let site = Site::on_files();
    let done = site.processed().await;
    let lost = site.accepted().await;
    let standard = site.dir.path().join("standard");
    for entry in walkdir::WalkDir::new(&standard) {
        let path = entry.unwrap().into_path();
        let is_date_link = path.is_symlink() && path.starts_with(standard.join("20261122/date"));
        if is_date_link {
            fs::remove_file(path).unwrap();
        }
    }
    let (trees, _) = site.trees(&["spool", "fsck", "--repair"]).await;
    assert_eq!(trees["filesystem.standard"]["taken"]["count"], 1);
    let waiting = site.run(&["queue", "list"]).await;
    assert!(waiting.contains(lost.as_str()) && !waiting.contains(done.as_str()));
}

#[tokio::test]
async fn rejected_crashes_are_listed_with_reasons_and_put_back_by_id_or_all() {
    let site = Site::on_files();
    let ids = [
        site.spooled().await,
        site.spooled().await,
        site.spooled().await,
    ];
    for id in &ids {
        site.spool()
            .set_aside(id, "too large: \u{1b}[2J")
            .await
            .unwrap();
    }
    let list = site.run(&["spool", "rejected"]).await;
    assert_eq!(list.lines().count(), 3);
    assert!(
        list.contains(&format!("{} spool.primary: too large: \u{fffd}[2J", ids[0])),
        "{list}"
    );
    assert!(site.waiting().is_empty());

    let put = format!("bp-{}", ids[0]);
    assert_eq!(site.json(&["spool", "put-back", &put]).await["put_back"], 1);
    assert_eq!(site.waiting(), [ids[0]]);
    let (_, code) = site
        .try_run(&["spool", "put-back", &put], "")
        .await
        .unwrap();
    assert_eq!(code, ExitCode::FAILURE, "it is back already");
    assert_eq!(
        site.json(&["spool", "put-back", "--all"]).await["put_back"],
        2
    );
    assert_eq!(site.waiting().len(), 3);
    assert_eq!(site.run(&["spool", "rejected"]).await, "");
    assert!(site.try_run(&["spool", "put-back"], "").await.is_err());
}

#[tokio::test]
async fn a_place_that_cannot_be_read_is_an_error_and_the_other_trees_are_told() {
    let site = Site::on_files();
    site.spooled().await;
    // A file where a day should be.
    fs::write(site.dir.path().join("spool/20261101"), "").unwrap();
    site.accepted().await;
    for command in ["status", "fsck"] {
        let output = Output::default();
        let stop = CancellationToken::new();
        let words = ["spool", command, "--json"];
        let ended = site.run_with(&words, "", output.clone(), stop).await;
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("not everything was met"), "{error}");
        assert_eq!(output.text().lines().count(), 4, "{}", output.text());
    }
}
