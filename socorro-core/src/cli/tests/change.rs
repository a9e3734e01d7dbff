//! Commands that store, request, remove and copy crashes.

use super::*;
use crate::storage::trees;
use crate::testing::socorro_2x;

#[tokio::test]
async fn a_crash_is_put_as_text_or_from_files_and_never_over_another() {
    for site in Site::each().await {
        let (one, two) = (CrashId::new(DAY), CrashId::new(DAY));
        let json = r#"{"ProductName": "Arena", "submitted_timestamp": "2026-11-22T01:02:03"}"#;
        site.run(&["put_json_dump", one.as_str(), json, "MDMP"])
            .await;
        let (json_path, dump_path) = (site.path("j"), site.path("d"));
        fs::write(&json_path, json).unwrap();
        fs::write(&dump_path, b"MDMP\0\xff").unwrap();
        site.run(&[
            "put_json_dump_from_files",
            two.as_str(),
            &json_path,
            &dump_path,
        ])
        .await;
        for (id, dump) in [(one, &b"MDMP"[..]), (two, b"MDMP\0\xff")] {
            assert_eq!(
                site.json(&["get_json", id.as_str()]).await["ProductName"],
                "Arena"
            );
            let stored = site
                .storage()
                .get_dump(&id, &DumpName::main())
                .await
                .unwrap();
            assert_eq!(stored.read().unwrap(), dump);
        }
        let again = site
            .error(&["put_json_dump", one.as_str(), json, "other"])
            .await;
        assert!(again.contains("there already"), "{again}");
        site.run(&["remove", one.as_str()]).await;
        site.run(&["put_json_dump", one.as_str(), json, "other"])
            .await;
        let restored = site.storage().get_dump(&one, &DumpName::main()).await;
        assert_eq!(&restored.unwrap().read().unwrap()[..], b"other");
        let wrong = site
            .error(&["put_json_dump", CrashId::new(DAY).as_str(), "[]", ""])
            .await;
        assert!(wrong.contains("not one JSON object"), "{wrong}");
        site.end().await;
    }
}

#[tokio::test]
async fn crashes_are_reprocessed_by_id_by_signature_and_by_day_in_a_lane_of_their_own() {
    for site in Site::each().await {
        let one = site.crash(DAY, ThrottleResult::Accept, Some("f")).await;
        let longer = site.crash(DAY, ThrottleResult::Accept, Some("f | g")).await;
        let none = site.crash(DAY, ThrottleResult::Accept, Some("")).await;
        let yesterday = date(2026, 11, 21);
        let deferred = site.crash(yesterday, ThrottleResult::Defer, None).await;
        let unknown = CrashId::new(DAY);

        let queued = async |lane: &str| {
            let list = site.run(&["queue", "list"]).await;
            let ids = list.lines().filter_map(|line| line.strip_prefix(lane));
            let mut ids: Vec<CrashId> = ids.map(|id| id.parse().unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        assert!(queued("reprocess ").await.is_empty());
        site.run(&["reprocess", "--signature", "f"]).await;
        assert_eq!(queued("reprocess ").await, [one]);
        site.run(&["reprocess", "--signature", "##empty##"]).await;
        assert_eq!(queued("reprocess ").await.len(), 2);
        assert!(queued("reprocess ").await.contains(&none));
        site.run(&["reprocess", "--date", "261121-261121"]).await;
        assert!(queued("reprocess ").await.contains(&deferred));
        let words = ["reprocess", longer.as_str(), unknown.as_str(), "--json"];
        let (output, code) = site.try_run(&words, "").await.unwrap();
        assert_eq!(output, "{\"missing\":1,\"requested\":1}\n");
        assert_eq!(code, ExitCode::FAILURE);
        assert_eq!(queued("reprocess ").await.len(), 4);
        assert!(queued("requested ").await.is_empty());
        site.run(&["request-priority", unknown.as_str()]).await;
        assert_eq!(queued("requested ").await, [unknown]);
        assert!(site.try_run(&["reprocess"], "").await.is_err());
        assert!(
            site.try_run(&["reprocess", one.as_str(), "--date", "261122"], "")
                .await
                .is_err()
        );
        site.end().await;
    }
}

#[tokio::test]
async fn only_whole_crashes_of_old_days_expire() {
    for site in Site::each().await {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let before = |days: i64| today.checked_sub(Span::new().days(days)).unwrap();
        let mut old = Vec::new();
        for (throttle, signature) in [
            (ThrottleResult::Accept, Some("f")),
            (ThrottleResult::Accept, None),
            (ThrottleResult::Defer, None),
        ] {
            old.push(site.crash(before(31), throttle, signature).await);
        }
        let kept = site
            .crash(before(30), ThrottleResult::Accept, Some("f"))
            .await;
        let storage = site.storage();
        let all = async || ids_of(&storage, date(2000, 1, 1)..=today).await;

        let counts = site
            .json(&["expire", "--older-than", "30", "--dry-run"])
            .await;
        assert_eq!(
            (&counts["expired"], &counts["dry_run"]),
            (&json!(3), &json!(true))
        );
        assert_eq!(all().await.len(), 4);
        let text = site.run(&["expire", "--older-than", "30"]).await;
        assert!(text.starts_with("3 crashes of "), "{text}");
        assert_eq!(all().await, [kept]);
        for id in &old {
            assert!(storage.get_processed(id).await.unwrap_err().is_not_found());
            assert!(storage.remove(id).await.unwrap_err().is_not_found());
        }
        storage.get_processed(&kept).await.unwrap();
        assert_eq!(
            site.json(&["expire", "--older-than", "30"]).await["expired"],
            0
        );
        site.run(&["remove", kept.as_str()]).await;
        assert!(all().await.is_empty());
        site.end().await;
    }
}

#[tokio::test]
async fn on_files_also_processed_crashes_alone_half_ones_and_empty_directories_expire() {
    let site = Site::on_files();
    let (old, recent) = (date(2026, 1, 2), Timestamp::now());
    let today = recent.to_zoned(TimeZone::UTC).date();
    // Deferred and processed; processed, its raw crash lost; half; and one of today.
    site.crash(old, ThrottleResult::Defer, Some("f")).await;
    let alone = site.crash(old, ThrottleResult::Accept, Some("f")).await;
    let half = site.crash(old, ThrottleResult::Accept, None).await;
    let kept = site.crash(today, ThrottleResult::Accept, None).await;
    let trees = trees::trees(&site.settings);
    let [_, standard, deferred, processed] = &trees[..] else {
        panic!("{trees:?}")
    };
    let [standard, deferred, processed] = [standard, deferred, processed].map(|tree| &tree.tree);
    standard.remove(&alone).await.unwrap();
    for entry in walkdir::WalkDir::new(standard.root()) {
        let path = entry.unwrap().into_path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == format!("{half}.json") {
            fs::remove_file(&path).unwrap();
        } else if name.starts_with(half.as_str()) {
            socorro_2x::age(&path);
        }
    }
    for tree in [deferred, processed] {
        fs::create_dir_all(tree.root().join("20260103/name/aa/bb")).unwrap();
        let yesterday = today.yesterday().unwrap().strftime("%Y%m%d").to_string();
        fs::create_dir_all(tree.root().join(yesterday).join("name/aa")).unwrap();
    }

    let dry = site
        .json(&["expire", "--older-than", "0", "--dry-run"])
        .await;
    assert_eq!((&dry["expired"], &dry["remains"]), (&json!(2), &json!(2)));
    assert!(processed.get_processed(&alone).await.is_ok());
    let done = site.json(&["expire", "--older-than", "0"]).await;
    assert_eq!((&done["expired"], &done["remains"]), (&json!(2), &json!(2)));
    assert!(site.storage().get_raw_crash(&kept).await.is_ok());
    for tree in [standard, deferred, processed] {
        let left = walkdir::WalkDir::new(tree.root()).into_iter().flatten();
        let old = left.filter(|e| e.path().to_string_lossy().contains("/202601"));
        assert_eq!(old.count(), 0, "{}", tree.root().display());
    }
    let yesterday = today.yesterday().unwrap().strftime("%Y%m%d").to_string();
    assert!(deferred.root().join(yesterday).join("name/aa").exists());
    let again = site.json(&["expire", "--older-than", "0"]).await;
    assert_eq!(
        (&again["expired"], &again["remains"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn crashes_copied_to_hbase_and_back_are_the_same_to_the_byte() {
    let Some(site) = Site::on_hbase().await else {
        return;
    };
    let mut files = Site::on_files();
    files.settings.hbase = site.settings.hbase.clone();
    for number in 0..20 {
        let throttle = [ThrottleResult::Accept, ThrottleResult::Defer][number % 2];
        files
            .crash(DAY, throttle, (number % 3 == 0).then_some("f"))
            .await;
    }
    files
        .crash(date(2026, 11, 20), ThrottleResult::Accept, None)
        .await;
    let date = ["--date", "261121-261122"];
    let copy = |from, to| [&["copy", "--from", from, "--to", to], &date[..]].concat();
    let counts = files.json(&copy("filesystem", "hbase")).await;
    assert_eq!(counts, json!({ "copied": 20, "left_out": 0 }));
    // Again: nothing changes.
    files.run(&copy("filesystem", "hbase")).await;
    // What was removed comes back.
    for id in ids_of(&site.storage(), DAY..=DAY).await.into_iter().take(3) {
        site.run(&["remove", id.as_str()]).await;
    }
    files.run(&copy("filesystem", "hbase")).await;

    // Back into the storage of another configuration file.
    let back = Site::on_files();
    let trees = toml::to_string(&back.settings.filesystem).unwrap();
    let file = back.path("back.toml");
    fs::write(&file, format!("[filesystem]\n{trees}")).unwrap();
    files.run(&copy("hbase", &file)).await;

    let content = |site: &Site| {
        let mut content = Vec::new();
        for root in ["standard", "deferred", "processed"] {
            let day = site.dir.path().join(root).join("20261122");
            for entry in walkdir::WalkDir::new(day).sort_by_file_name() {
                let entry = entry.unwrap();
                let path = entry
                    .path()
                    .strip_prefix(site.dir.path())
                    .unwrap()
                    .to_owned();
                let is_file = entry.file_type().is_file();
                content.push((path, is_file.then(|| fs::read(entry.path()).unwrap())));
            }
        }
        content
    };
    // Date links have the host's name and the minute, which are the same too.
    assert!(content(&files) == content(&back));
    assert!(!back.dir.path().join("standard/20261120").exists());
    // Of ten accepted crashes four are processed, and wait no more.
    for site in [&files, &back] {
        let stats = site.json(&["stats", "--date", "261122"]).await;
        assert_eq!(
            stats["total"]["waiting"], 6,
            "{:?}",
            site.settings.storage.class
        );
    }
    site.end().await;
}

#[tokio::test]
async fn a_spool_is_copied_and_what_is_no_storage_is_told() {
    let site = Site::on_files();
    let spool = crate::storage::open::Spool::new(&site.settings).storage;
    let id = CrashId::new(DAY);
    spool
        .save_raw_crash(&id, &RawCrash::default(), &Dumps::new())
        .await
        .unwrap();
    site.run(&["copy", "--from", "spool", "--to", "filesystem"])
        .await;
    site.storage().get_raw_crash(&id).await.unwrap();
    let same = site
        .error(&["copy", "--from", "hbase", "--to", "HBaseCrashStorage"])
        .await;
    assert!(same.contains("the same storage"), "{same}");
    let wrong = site
        .error(&["copy", "--from", "tape", "--to", "hbase"])
        .await;
    assert!(wrong.contains("neither a configuration file"), "{wrong}");
}

#[tokio::test]
async fn the_schema_is_made_and_checked_with_the_largest_dump() {
    let Some(mut site) = Site::on_hbase().await else {
        return;
    };
    let words = ["schema", "check"];
    let text = site.run(&words).await;
    assert!(text.contains("the largest dump fits"), "{text}");
    assert!(site.run(&["schema", "create"]).await.contains("are there"));
    site.largest_dump = 80 << 20;
    let (text, code) = site.try_run(&words, "").await.unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    let mend = "raise hbase.client.keyvalue.maxsize of the Thrift servers to 84934656";
    assert!(text.contains(mend), "{text}");
    site.hbase().drop_tables().await.unwrap();
    let (text, code) = site
        .try_run(&[&words[..], &["--json"]].concat(), "")
        .await
        .unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    let check: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(check["missing"].as_array().unwrap().len(), 13, "{text}");
    let made = site.json(&["schema", "create"]).await;
    assert_eq!(made["made"].as_array().unwrap().len(), 13, "{made}");
    site.end().await;
}
