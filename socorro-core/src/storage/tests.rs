//! Every storage and every container keeps the contract, alone and with faults.

mod configured;
mod mistakes;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::contract::{Keeps, Sample, Walk, check};
use super::deferred::DeferringCrashStorage;
use super::fallback::FallbackCrashStorage;
use super::faulty::{FaultyCrashStorage, PersistentCrashStorage};
use super::filesystem::{FileSystemCrashStorage, Roots, Tree, TreeOptions};
use super::hbase::HBaseCrashStorage;
use super::null::NullCrashStorage;
use super::open::HBaseOptions;
use super::poly::PolyCrashStorage;
use super::*;
use crate::raw_crash::ThrottleResult;
use crate::testing;

fn tree(root: &Path, dated: bool) -> Arc<dyn CrashStorage> {
    let (root, host) = (root.to_owned(), "web1".to_owned());
    Arc::new(Tree::new(TreeOptions {
        root,
        dated,
        host,
        allow_network_fs: false,
    }))
}

/// A tree that can't be written: its root is a file.
fn broken_tree(dir: &TempDir) -> Arc<dyn CrashStorage> {
    let root = dir.path().join("a-file");
    std::fs::write(&root, "").unwrap();
    tree(&root, true)
}

/// Checks a storage as it is, and behind faults.
async fn check_both(storage: Arc<dyn CrashStorage>, keeps: Keeps) {
    check(&*storage, keeps).await;
    let faulty = Arc::new(FaultyCrashStorage::new(storage));
    check(&PersistentCrashStorage(faulty), keeps).await;
}

#[tokio::test]
async fn a_dated_tree_keeps_the_contract() {
    let dir = TempDir::new().unwrap();
    // It never asks the throttle result, so deferred crashes wait in it like others.
    let keeps = Keeps {
        walk: Walk::All,
        ..Keeps::ALL
    };
    check_both(tree(dir.path(), true), keeps).await;
}

#[tokio::test]
async fn an_undated_tree_keeps_the_contract() {
    let dir = TempDir::new().unwrap();
    check_both(
        tree(dir.path(), false),
        Keeps {
            walk: Walk::None,
            ..Keeps::ALL
        },
    )
    .await;
}

#[tokio::test]
async fn file_system_primary_storage_keeps_the_contract() {
    let dir = TempDir::new().unwrap();
    let [standard, deferred, processed] = ["std", "def", "pro"].map(|name| dir.path().join(name));
    let roots = Roots {
        standard,
        deferred,
        processed,
    };
    check_both(
        Arc::new(FileSystemCrashStorage::new(roots, "web1", false)),
        Keeps::ALL,
    )
    .await;
}

#[tokio::test]
async fn hbase_keeps_the_contract() {
    let Some(thrift) = testing::hbase() else {
        return;
    };
    let table_prefix = format!("c{:08x}_", fastrand::u32(..));
    let options = HBaseOptions {
        thrift,
        table_prefix,
        ..HBaseOptions::default()
    };
    let keeps = Keeps {
        walk: Walk::None,
        ..Keeps::ALL
    };
    let store = HBaseCrashStorage::new(&options, "web1");
    store.create_tables().await.unwrap();
    check_both(Arc::new(store), keeps).await;
    // As `socorro copy` has it.
    let store = Arc::new(HBaseCrashStorage::new(&options, "web1").restoring(true));
    check_both(store.clone(), keeps).await;
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn null_storage_keeps_the_contract_of_one_that_forgets() {
    check_both(Arc::new(NullCrashStorage), Keeps::NOTHING).await;
}

#[tokio::test]
async fn poly_storage_keeps_the_contract_and_fills_all_its_storages() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (one, two) = (tree(one.path(), true), tree(two.path(), true));
    let poly = PolyCrashStorage::new(vec![one.clone(), two.clone()]);
    let Sample { id, raw, dumps } = Sample::new(ThrottleResult::Accept);
    poly.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(one.get_raw_crash(&id).await.unwrap(), raw);
    assert_eq!(two.get_raw_crash(&id).await.unwrap(), raw);
    check_both(Arc::new(poly), Keeps::NOTHING).await;
}

#[tokio::test]
async fn poly_storage_tries_all_and_tells_every_failure() {
    let dirs = [(); 3].map(|()| TempDir::new().unwrap());
    let good = tree(dirs[1].path(), true);
    let poly = PolyCrashStorage::new(vec![
        broken_tree(&dirs[0]),
        good.clone(),
        broken_tree(&dirs[2]),
    ]);
    let Sample { id, raw, dumps } = Sample::new(ThrottleResult::Accept);
    let error = poly.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert!(
        matches!(&error, StorageError::All(errors) if errors.len() == 2),
        "{error}"
    );
    for dir in [&dirs[0], &dirs[2]] {
        assert!(
            error
                .to_string()
                .contains(&dir.path().display().to_string()),
            "{error}"
        );
    }
    assert_eq!(good.get_raw_crash(&id).await.unwrap(), raw);
}

#[tokio::test]
async fn fallback_storage_keeps_the_contract() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let keeps = Keeps {
        walk: Walk::All,
        ..Keeps::ALL
    };
    let both_well =
        FallbackCrashStorage::new(tree(dirs[0].path(), true), tree(dirs[1].path(), true));
    check_both(Arc::new(both_well), keeps).await;
}

#[tokio::test]
async fn fallback_storage_saves_in_the_second_what_the_first_does_not_take_and_reads_both() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let primary_root = dirs[0].path().join("a-file");
    let fallback = FallbackCrashStorage::new(broken_tree(&dirs[0]), tree(dirs[1].path(), true));
    let one = Sample::new(ThrottleResult::Accept);
    fallback
        .save_raw_crash(&one.id, &one.raw, &one.dumps)
        .await
        .unwrap();
    std::fs::remove_file(&primary_root).unwrap();
    let two = Sample::new(ThrottleResult::Accept);
    fallback
        .save_raw_crash(&two.id, &two.raw, &two.dumps)
        .await
        .unwrap();
    assert!(primary_root.is_dir(), "back to the primary when it is well");

    for sample in [&one, &two] {
        assert_eq!(
            fallback.get_raw_crash(&sample.id).await.unwrap(),
            sample.raw
        );
    }
    let ids: Vec<_> = fallback
        .new_crashes()
        .unwrap()
        .map(|id| id.unwrap())
        .collect();
    assert_eq!(
        ids,
        [one.id, two.id],
        "what came while the primary was unwell goes first"
    );
    for id in ids {
        fallback.remove(&id).await.unwrap();
    }
    assert_eq!(fallback.new_crashes().unwrap().count(), 0);
}

#[tokio::test]
async fn a_crash_in_both_storages_of_a_fallback_is_met_once_and_removed_from_both() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let [one, two] = [0, 1].map(|i| tree(dirs[i].path(), true));
    // The primary's answer came too late: it had saved the crash all the same.
    let both = Sample::new(ThrottleResult::Accept);
    for tree in [&one, &two] {
        tree.save_raw_crash(&both.id, &both.raw, &both.dumps)
            .await
            .unwrap();
    }
    let other = Sample::new(ThrottleResult::Accept);
    one.save_raw_crash(&other.id, &other.raw, &other.dumps)
        .await
        .unwrap();
    let fallback = FallbackCrashStorage::new(one.clone(), two.clone());
    let ids: Vec<_> = fallback
        .new_crashes()
        .unwrap()
        .map(|id| id.unwrap())
        .collect();
    assert_eq!(ids, [both.id, other.id]);
    for id in ids {
        fallback.remove(&id).await.unwrap();
    }
    for tree in [&one, &two] {
        assert!(
            tree.get_raw_crash(&both.id)
                .await
                .unwrap_err()
                .is_not_found()
        );
        assert_eq!(tree.new_crashes().unwrap().count(), 0);
    }
}

#[tokio::test]
async fn fallback_storage_tells_both_failures() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let fallback = FallbackCrashStorage::new(broken_tree(&dirs[0]), broken_tree(&dirs[1]));
    let Sample { id, raw, dumps } = Sample::new(ThrottleResult::Accept);
    let error = fallback
        .save_raw_crash(&id, &raw, &dumps)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StorageError::All(errors) if errors.len() == 2),
        "{error}"
    );
    assert_eq!(error.blame(), Blame::Moment);
}

#[tokio::test]
async fn the_deferring_container_keeps_the_contract_over_any_storages() {
    let dirs = [(); 3].map(|()| TempDir::new().unwrap());
    let container = |deferred: Arc<dyn CrashStorage>| {
        Arc::new(DeferringCrashStorage {
            standard: tree(dirs[0].path(), true),
            deferred,
            processed: tree(dirs[2].path(), false),
        })
    };
    check_both(container(tree(dirs[1].path(), true)), Keeps::ALL).await;
    let forgets = Keeps {
        deferred: false,
        ..Keeps::ALL
    };
    check_both(container(Arc::new(NullCrashStorage)), forgets).await;
}

#[tokio::test]
async fn a_spilled_dump_reaches_the_fallback_when_the_primary_fails_and_hurts_no_other_upload() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let options = |root: &Path| TreeOptions {
        root: root.to_owned(),
        dated: true,
        host: "web1".into(),
        allow_network_fs: false,
    };
    let primary = Arc::new(Tree::new(options(dirs[0].path())));
    let fallback = Arc::new(Tree::new(options(dirs[1].path())));
    let both = FallbackCrashStorage::new(primary.clone(), fallback.clone());
    let sample = Sample::new(ThrottleResult::Accept);
    let spilled = primary.spill().unwrap();
    spilled.write_at(b"MDMP large", 0).unwrap();
    let other = primary.spill().unwrap();
    // The day's directory can't be made: the primary takes files, but no crash.
    let day = sample.id.date().strftime("%Y%m%d").to_string();
    std::fs::write(dirs[0].path().join(day), "").unwrap();

    let dumps: Dumps = [(DumpName::main(), spilled.dump())].into();
    both.save_raw_crash(&sample.id, &sample.raw, &dumps)
        .await
        .unwrap();
    assert!(spilled.is_sound());
    assert!(other.dump().size().is_ok(), "another upload goes on");
    let kept = fallback
        .get_dump(&sample.id, &DumpName::main())
        .await
        .unwrap();
    assert_eq!(&kept.read().unwrap()[..], b"MDMP large");
}

#[tokio::test]
async fn a_staging_directory_that_vanished_is_made_again() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().to_owned();
    let options = TreeOptions {
        root,
        dated: true,
        host: "web1".into(),
        allow_network_fs: false,
    };
    let tree = Tree::new(options);
    drop(tree.spill().unwrap());
    std::fs::remove_dir_all(dir.path().join(".staging")).unwrap();
    tree.spill().unwrap();
}
