//! Saving, reading, removing.

use super::*;
use crate::storage::spool_file::SpoolFile;

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
async fn a_removed_crash_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    tree.remove(&id).await.unwrap();
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_save_killed_before_the_json_is_invisible_and_can_be_repeated() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    fs::remove_file(tree.layout().home(&id).raw_crash()).unwrap();
    assert!(ids(&tree).is_empty());
    assert!(tree.get_dumps(&id).await.unwrap_err().is_not_found());

    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(ids(&tree), [id]);
    tree.remove(&id).await.unwrap();
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
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
    fs::write(tree.layout().home(&id).raw_crash(), "{").unwrap();
    let error = tree.get_raw_crash(&id).await.unwrap_err();
    assert_eq!(error.blame(), crate::storage::Blame::Crash);
    assert!(error.to_string().contains(".json"), "{error}");
}

#[tokio::test]
async fn a_crash_whose_names_were_not_synced_is_taken_back_and_saved_anew() {
    let root = TempDir::new().unwrap();
    let (id, raw, dumps) = crash();
    let tree = dated(root.path());
    // The first sync is that of the data, the second that of the names.
    tree.fail_sync_after(1);
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert!(tree.get_raw_crash(&id).await.unwrap_err().is_not_found());
    let left = walkdir::WalkDir::new(root.path().join("20261103"));
    let left: Vec<_> = left.into_iter().map(Result::unwrap).collect();
    assert!(
        left.iter().all(|entry| entry.file_type().is_dir()),
        "{left:?}"
    );

    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(ids(&tree), [id]);
}

#[tokio::test]
async fn a_sync_that_fails_counts_for_what_was_begun_before_the_tree_was_opened_anew() {
    let root = TempDir::new().unwrap();
    let (id, raw, dumps) = crash();
    let tree = dated(root.path());
    let spilled = tree.spill().unwrap();
    // The failure makes the tree open anew.
    fs::remove_dir_all(root.path().join(".staging")).unwrap();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert!(spilled.is_sound());
    tree.fail_sync_after(0);
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert!(!spilled.is_sound());
}

#[tokio::test]
async fn a_large_dump_is_taken_from_its_copy_once_a_sync_of_its_disk_has_failed_or_else_not_at_all()
{
    let dirs = [
        TempDir::new().unwrap(),
        TempDir::new_in("/dev/shm").unwrap(),
    ];
    let trees = dirs.each_ref().map(|dir| Arc::new(dated(dir.path())));
    let fail_a_sync = async |tree: &Tree| {
        let (id, raw, dumps) = crash();
        tree.fail_sync_after(0);
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    };
    let mut copied = SpoolFile::new(&trees);
    let mut single = SpoolFile::new(&trees[..1]);
    for file in [&mut copied, &mut single] {
        file.append(b"MDMP ").unwrap();
        file.append(b"large").unwrap();
    }
    assert!(single.dump().is_some());

    fail_a_sync(&trees[0]).await;
    assert_eq!(single.dump(), None);
    let dump = copied.dump().unwrap();
    assert_eq!(&dump.read().unwrap()[..], b"MDMP large");
    assert!(matches!(dump, Dump::File(path) if path.starts_with(dirs[1].path())));
    fail_a_sync(&trees[1]).await;
    assert_eq!(copied.dump(), None);
}
