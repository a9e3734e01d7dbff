//! Crashes that are set aside, and put back.

use super::*;

#[tokio::test]
async fn a_crash_set_aside_is_whole_with_its_reason_and_off_the_walk_also_when_cut_short() {
    for cut_short in [false, true] {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, raw, dumps) = crash();
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        let link = links::date_link(&tree.layout().home(&id)).unwrap();
        tree.set_aside(&id, "too large").await.unwrap();
        let aside = root.path().join("rejected/20261103");
        if cut_short {
            // As it is found after a kill between the marker and the moving of the dumps.
            fs::write(link.with_file_name(format!("{id}.rejected")), "").unwrap();
            fs::rename(
                aside.join(format!("{id}.dump")),
                tree.layout().home(&id).dump(&DumpName::main()),
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
async fn rejected_crashes_are_listed_and_put_back_whole_also_when_cut_short() {
    for cut_short in [false, true] {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, raw, dumps) = crash();
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        tree.set_aside(&id, "too large").await.unwrap();
        let listed: Vec<_> = tree.rejected().map(|crash| crash.unwrap()).collect();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].id, &*listed[0].reason), (id, "too large"));
        assert!(listed[0].bytes > b"MDMP mainMDMP flash".len() as u64);
        if cut_short {
            // As it is after a kill between the dumps and the links.
            let main = tree.layout().home(&id).dump(&DumpName::main());
            fs::create_dir_all(main.parent().unwrap()).unwrap();
            fs::rename(listed[0].path.join(format!("{id}.dump")), main).unwrap();
            assert!(ids(&tree).is_empty());
        }
        tree.put_back(&id).await.unwrap();
        assert_eq!(tree.rejected().count(), 0);
        assert_eq!(ids(&tree), [id]);
        assert_eq!(tree.get_raw_crash(&id).await.unwrap(), raw);
        assert_eq!(contents(&tree, &id).await.len(), 2);
        assert!(tree.put_back(&id).await.unwrap_err().is_not_found());
        tree.remove(&id).await.unwrap();
        assert_eq!(files(root.path()), Vec::<PathBuf>::new());
    }
}
