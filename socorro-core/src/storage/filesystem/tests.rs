//! What trees and the file-system queue promise, on real directories.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::raw_crash::{ThrottleResult, field, format_timestamp};
use crate::storage::{Claim, CrashQueue, Finish};

fn dated(root: &Path) -> Tree {
    Tree::new(TreeOptions {
        root: root.to_owned(),
        dated: true,
        host: "web1".into(),
        allow_network_fs: false,
    })
}

fn primary(root: &Path) -> FileSystemCrashStorage {
    let [standard, deferred, processed] = ["std", "def", "pro"].map(|name| root.join(name));
    FileSystemCrashStorage::new(
        Roots {
            standard,
            deferred,
            processed,
        },
        "web1",
        false,
    )
}

/// A crash received at that time (RFC 3339).
fn crash_at(time: &str, throttle: ThrottleResult) -> (CrashId, RawCrash, Dumps) {
    let received: Timestamp = time.parse().unwrap();
    let id = CrashId::new(received.to_zoned(jiff::tz::TimeZone::UTC).date());
    let mut raw = RawCrash::default();
    raw.set("ProductName", "Arena");
    raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(received));
    raw.set(field::LEGACY_PROCESSING, throttle as i64);
    let dumps = [
        (
            DumpName::main(),
            Dump::Bytes(Bytes::from_static(b"MDMP main")),
        ),
        (
            DumpName::parse("flash1").unwrap(),
            Dump::Bytes(Bytes::from_static(b"MDMP flash")),
        ),
    ];
    (id, raw, dumps.into())
}

fn crash() -> (CrashId, RawCrash, Dumps) {
    crash_at("2026-11-03T13:05:59.5Z", ThrottleResult::Accept)
}

fn ids(storage: &dyn CrashStorage) -> Vec<CrashId> {
    storage
        .new_crashes()
        .unwrap()
        .map(|id| id.unwrap())
        .collect()
}

/// All files and links below a root, but for staging and empty directories.
fn files(root: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(root).into_iter().flatten();
    walk.filter(|e| !e.file_type().is_dir())
        .map(|e| e.into_path())
        .collect()
}

async fn contents(storage: &dyn CrashStorage, id: &CrashId) -> Vec<(String, Bytes)> {
    let dumps = storage.get_dumps(id).await.unwrap();
    dumps
        .iter()
        .map(|(name, dump)| (name.to_string(), dump.read().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_saved_crash_reads_back_and_is_walked() {
    let root = TempDir::new().unwrap();
    let (id, raw, dumps) = crash();
    let tree = dated(root.path());
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    assert_eq!(tree.get_raw_crash(&id).await.unwrap(), raw);
    let expected = [
        ("flash1", &b"MDMP flash"[..]),
        ("upload_file_minidump", b"MDMP main"),
    ];
    assert_eq!(
        contents(&tree, &id).await,
        expected.map(|(name, bytes)| (name.to_owned(), Bytes::from_static(bytes)))
    );
    assert_eq!(ids(&tree), [id]);

    let day = root.path().join("20261103");
    let date_link = day.join("date/13/05/web1_0").join(id.as_str());
    assert!(
        date_link.join(format!("{id}.json")).exists(),
        "the date link leads to the files"
    );
    let (a, b) = (&id.as_str()[..2], &id.as_str()[2..4]);
    let name_link = day.join("name").join(a).join(b).join(id.as_str());
    assert!(
        name_link.join(id.as_str()).symlink_metadata().is_ok(),
        "the name link leads back"
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let root = TempDir::new().unwrap();
    let (id, ..) = crash();
    let tree = dated(root.path());
    assert!(tree.get_raw_crash(&id).await.unwrap_err().is_not_found());
    assert!(tree.get_dumps(&id).await.unwrap_err().is_not_found());
    assert!(
        tree.get_dump(&id, &DumpName::main())
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(tree.get_processed(&id).await.unwrap_err().is_not_found());
    assert!(tree.remove(&id).await.unwrap_err().is_not_found());
    assert!(ids(&tree).is_empty());
}

#[tokio::test]
async fn a_walk_is_oldest_first_over_days_and_minutes() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let mut expected = Vec::new();
    for time in [
        "2026-11-02T23:59:00Z",
        "2026-11-03T00:00:00Z",
        "2026-11-03T13:04:00Z",
    ] {
        let (id, raw, dumps) = crash_at(time, ThrottleResult::Accept);
        expected.push((id, raw, dumps));
    }
    for (id, raw, dumps) in expected.iter().rev() {
        tree.save_raw_crash(id, raw, dumps).await.unwrap();
    }
    assert_eq!(
        ids(&tree),
        expected.iter().map(|(id, ..)| *id).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn half_crashes_foreign_files_and_dangling_links_are_left_alone() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (half, raw, dumps) = crash();
    tree.save_raw_crash(&half, &raw, &dumps).await.unwrap();
    fs::remove_file(tree.layout().raw_crash(&half)).unwrap();
    let (fresh_2x, raw, dumps) = crash();
    tree.save_raw_crash(&fresh_2x, &raw, &dumps).await.unwrap();
    fs::remove_file(tree.layout().name_link(&fresh_2x)).unwrap();
    fs::write(root.path().join("README"), "").unwrap();
    let slot = root.path().join("20261103/date/13/05/web1_0");
    fs::write(slot.join("notes.txt"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", slot.join("dangling")).unwrap();
    let (whole, raw, dumps) = crash();
    tree.save_raw_crash(&whole, &raw, &dumps).await.unwrap();

    let before: BTreeSet<_> = files(root.path()).into_iter().collect();
    assert_eq!(ids(&tree), [whole]);
    assert_eq!(
        files(root.path()).into_iter().collect::<BTreeSet<_>>(),
        before
    );
}

#[tokio::test]
async fn a_removed_crash_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    tree.remove(&id).await.unwrap();
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_removal_cut_short_anywhere_is_finished_by_the_next_walk() {
    // The steps of a removal behind the first, in their order.
    for done in 0..=4 {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, raw, dumps) = crash();
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        let link = tree::date_link(tree.layout(), &id).unwrap();
        fs::rename(&link, link.with_file_name(format!("{id}.removed"))).unwrap();
        let steps = [
            tree.layout().raw_crash(&id),
            tree.layout().dump(&id, &DumpName::main()),
            tree.layout().dump(&id, &DumpName::parse("flash1").unwrap()),
            tree.layout().name_link(&id),
        ];
        for path in &steps[..done] {
            fs::remove_file(path).unwrap();
        }
        assert!(ids(&tree).is_empty());
        assert_eq!(
            files(root.path()),
            Vec::<PathBuf>::new(),
            "after {done} steps"
        );
    }
}

#[tokio::test]
async fn a_crash_set_aside_is_whole_with_its_reason_and_off_the_walk_also_when_cut_short() {
    for cut_short in [false, true] {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, raw, dumps) = crash();
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        let link = tree::date_link(tree.layout(), &id).unwrap();
        tree.set_aside(&id, "too large").await.unwrap();
        let aside = root.path().join("rejected/20261103");
        if cut_short {
            // As it is found after a kill between the marker and the moving of the dumps.
            fs::write(link.with_file_name(format!("{id}.rejected")), "").unwrap();
            fs::rename(
                aside.join(format!("{id}.dump")),
                tree.layout().dump(&id, &DumpName::main()),
            )
            .unwrap();
        }
        assert!(ids(&tree).is_empty());
        let names = ["dump", "flash1.dump", "json", "reason"].map(|end| format!("{id}.{end}"));
        let expected: BTreeSet<_> = names.iter().map(|name| aside.join(name)).collect();
        assert_eq!(
            files(root.path()).into_iter().collect::<BTreeSet<_>>(),
            expected
        );
        assert_eq!(
            fs::read_to_string(aside.join(&names[3])).unwrap(),
            "too large\n"
        );
        assert!(
            tree.set_aside(&id, "again")
                .await
                .unwrap_err()
                .is_not_found()
        );
    }
}

#[tokio::test]
async fn a_save_killed_before_the_json_is_invisible_and_can_be_repeated() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    fs::remove_file(tree.layout().raw_crash(&id)).unwrap();
    assert!(ids(&tree).is_empty());
    assert!(tree.get_dumps(&id).await.unwrap_err().is_not_found());

    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(ids(&tree), [id]);
    tree.remove(&id).await.unwrap();
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn empty_directories_of_past_days_are_pruned_and_those_of_today_are_not() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let now = Timestamp::now().to_string();
    for time in ["2020-01-01T00:00:00Z", &now] {
        let (id, raw, dumps) = crash_at(time, ThrottleResult::Accept);
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        tree.remove(&id).await.unwrap();
    }
    assert!(ids(&tree).is_empty());
    assert!(!root.path().join("20200101").exists());
    let days = fs::read_dir(root.path()).unwrap().flatten();
    assert_eq!(days.filter(|e| e.file_name() != ".staging").count(), 1);
}

#[tokio::test]
async fn a_vanished_directory_is_made_again() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    for _ in 0..2 {
        let (id, raw, dumps) = crash();
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        fs::remove_dir_all(root.path().join("20261103")).unwrap();
    }
}

#[tokio::test]
async fn a_root_that_vanished_is_an_error_once_and_then_made_again() {
    let parent = TempDir::new().unwrap();
    let root = parent.path().join("spool");
    let tree = dated(&root);
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    fs::remove_dir_all(&root).unwrap();
    let error = tree.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert!(error.to_string().contains("spool"), "{error}");
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(ids(&tree), [id]);
}

#[tokio::test]
async fn a_raw_crash_that_is_no_json_is_refused_and_named() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    fs::write(tree.layout().raw_crash(&id), "{").unwrap();
    let error = tree.get_raw_crash(&id).await.unwrap_err();
    assert_eq!(error.blame(), crate::storage::Blame::Crash);
    assert!(error.to_string().contains(".json"), "{error}");
}

async fn claim(store: &FileSystemCrashStorage) -> Option<Box<dyn Claim>> {
    store.claim().await.unwrap()
}

#[tokio::test]
async fn an_accepted_crash_is_queued_until_its_processed_crash_is_stored() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    let mut mine = claim(&store).await.expect("a crash waits");
    assert_eq!((mine.id(), mine.attempt()), (id, 1));
    assert!(claim(&store).await.is_none(), "one owner at a time");
    let mut processed = ProcessedCrash::default();
    processed.set("signature", "arena::draw");
    assert_eq!(mine.finish(&processed).await.unwrap(), Finish::Stored);
    drop(mine);

    assert_eq!(store.get_processed(&id).await.unwrap(), processed);
    assert!(claim(&store).await.is_none());
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert!(
        claim(&store).await.is_none(),
        "a repeated save does not queue it again"
    );
}

#[tokio::test]
async fn the_crash_of_a_dead_processor_is_taken_over_and_the_attempts_are_counted() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    drop(claim(&store).await.unwrap());
    let mut second = claim(&store).await.unwrap();
    assert_eq!(second.attempt(), 2);
    second.release().await.unwrap();
    drop(second);
    assert_eq!(
        claim(&store).await.unwrap().attempt(),
        2,
        "a release does not count"
    );
}

#[tokio::test]
async fn deferred_crashes_wait_until_somebody_asks() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash_at("2026-11-03T13:05:59Z", ThrottleResult::Defer);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert!(claim(&store).await.is_none());

    store.request(&id).await.unwrap();
    store.request(&id).await.unwrap();
    let mut mine = claim(&store).await.unwrap();
    assert_eq!(mine.id(), id);
    mine.finish(&ProcessedCrash::default()).await.unwrap();
    drop(mine);
    assert!(claim(&store).await.is_none(), "asking twice is asking once");
}

#[tokio::test]
async fn a_request_made_while_a_crash_is_worked_on_survives() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.request(&id).await.unwrap();
    let mut mine = claim(&store).await.unwrap();
    store.request(&id).await.unwrap();
    mine.finish(&ProcessedCrash::default()).await.unwrap();
    drop(mine);
    assert_eq!(claim(&store).await.unwrap().id(), id);
}

#[tokio::test]
async fn a_request_for_a_crash_that_has_not_arrived_is_remembered() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let now = Timestamp::now().to_string();
    let (id, raw, dumps) = crash_at(&now, ThrottleResult::Defer);
    store.request(&id).await.unwrap();
    let (old, ..) = crash_at("2020-11-03T13:05:59Z", ThrottleResult::Defer);
    store.request(&old).await.unwrap();
    assert!(claim(&store).await.is_none());
    let requests = root.path().join("std/.queue/priority");
    assert!(requests.join(id.as_str()).exists());
    assert!(
        !requests.join(old.as_str()).exists(),
        "it will not arrive any more"
    );
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(claim(&store).await.unwrap().id(), id);
}

#[tokio::test]
async fn two_processors_on_one_queue_claim_each_crash_once() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    for _ in 0..40 {
        let (id, raw, dumps) = crash();
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    }
    let work = |store: FileSystemCrashStorage| async move {
        let mut done = Vec::new();
        while let Some(mut mine) = claim(&store).await {
            mine.finish(&ProcessedCrash::default()).await.unwrap();
            done.push(mine.id());
        }
        done
    };
    let (one, two) = tokio::join!(
        tokio::spawn(work(primary(root.path()))),
        tokio::spawn(work(primary(root.path())))
    );
    let all = [one.unwrap(), two.unwrap()].concat();
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
}
