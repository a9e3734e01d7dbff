//! Counts and the check of the queue.

use super::*;

/// Works off all marks, as processors do every few seconds.
async fn count(store: &HBaseCrashStorage) {
    let started = std::time::Instant::now();
    let marked = || async {
        let scan = client::Scan {
            start: b"dirty:".to_vec(),
            stop: b"dirty;".to_vec(),
            limit: 9,
        };
        let rows = store
            .pool
            .run(move |c| c.scan(&schema::METRICS, &scan, &[column::DIRTY]))
            .await;
        !rows.map_err(show).unwrap().is_empty()
    };
    while marked().await {
        store.keep_counts().await.unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "counts are never done"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn counts_are_exact_whatever_was_repeated_and_cut_short() {
    let Some(store) = own().await else { return };
    let mut crashes: Vec<_> = (0..5).map(|_| crash(ThrottleResult::Defer)).collect();
    crashes.extend((0..12).map(|_| crash(ThrottleResult::Accept)));
    for (place, (_, raw, _)) in crashes.iter_mut().enumerate() {
        raw.set(
            field::SUBMITTED_TIMESTAMP,
            format!("2026-11-22T04:{place:02}:00.000000+00:00"),
        );
    }
    crashes[0].1.set("ProcessType", "plugin");
    crashes[1].1.set("ProcessType", "plugin");
    crashes[1].1.set("HangID", "hang");
    crashes[2].1.set("HangID", "hang");
    let save = |range: std::ops::Range<usize>| {
        let (store, crashes) = (&store, &crashes);
        async move {
            for (id, raw, dumps) in &crashes[range] {
                store.save_raw_crash(id, raw, dumps).await.unwrap();
            }
        }
    };
    save(0..10).await;
    save(0..10).await;
    store.keep_counts().await.unwrap();
    let queues = store.metrics("crash_report_queue").await.unwrap();
    assert_eq!(queues["current_unprocessed_size"], 10);
    assert_eq!(queues["current_legacy_unprocessed_size"], 5);
    // A save of which only the crash row arrived before its mover was killed, and then the next run.
    let (id, raw, dumps) = &crashes[11];
    store.save_dumps_only(id, dumps).await.unwrap();
    store.save_raw_crash(id, raw, dumps).await.unwrap();
    save(8..17).await;
    for (id, ..) in &crashes[..6] {
        store.save_processed(id, &processed("old")).await.unwrap();
    }
    for (id, ..) in &crashes[2..6] {
        store.save_processed(id, &processed("new")).await.unwrap();
        store.save_processed(id, &processed("new")).await.unwrap();
    }
    count(&store).await;

    for period in ["2026-11-22T04", "2026-11-22", "2026-11", "2026"] {
        let counts = store.metrics(period).await.unwrap();
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        assert_eq!(of("submitted_crash_reports"), 17, "{period}");
        assert_eq!(
            of("submitted_crash_reports_legacy_throttle_0"),
            12,
            "{period}"
        );
        assert_eq!(
            of("submitted_crash_reports_legacy_throttle_1"),
            5,
            "{period}"
        );
        assert_eq!(of("submitted_oop_plugin_crash_reports"), 1, "{period}");
        assert_eq!(of("submitted_crash_report_hang_pairs"), 1, "{period}");
    }
    let minute = store.metrics("2026-11-22T04:03").await.unwrap();
    assert_eq!(minute["submitted_crash_reports"], 1);
    let signatures = store.signature_counts(crashes[0].0.date()).await.unwrap();
    assert_eq!((signatures["old"], signatures["new"]), (2, 4));

    // What was submitted stays submitted; a signature has the crashes that are there.
    store.remove(&crashes[3].0).await.unwrap();
    count(&store).await;
    let minute = store.metrics("2026-11-22T04:03").await.unwrap();
    assert_eq!(minute["submitted_crash_reports"], 1);
    let signatures = store.signature_counts(crashes[0].0.date()).await.unwrap();
    assert_eq!((signatures["old"], signatures["new"]), (2, 3));
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn one_process_counts_at_a_time() {
    let Some(one) = own().await else { return };
    let two = beside(&one);
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    one.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    one.keep_counts().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(
        two.keep_counts().await.unwrap(),
        0,
        "the other has the lease"
    );
    assert_eq!(one.keep_counts().await.unwrap(), 1);
    one.drop_tables().await.unwrap();
}

#[tokio::test]
async fn queue_fsck_restores_missing_rows_and_drops_stale_ones() {
    let Some(store) = own().await else { return };
    let (waiting, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&waiting, &raw, &dumps).await.unwrap();
    let (done, done_raw, dumps) = crash(ThrottleResult::Accept);
    store
        .save_raw_crash(&done, &done_raw, &dumps)
        .await
        .unwrap();
    store.save_processed(&done, &processed("f")).await.unwrap();
    let (deferred, deferred_raw, dumps) = crash(ThrottleResult::Defer);
    store
        .save_raw_crash(&deferred, &deferred_raw, &dumps)
        .await
        .unwrap();
    let key = |id: &CrashId, raw: &RawCrash| {
        row_key::by_time(
            id.as_str(),
            raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap(),
        )
    };
    let lost = key(&waiting, &raw);
    store
        .pool
        .run(move |c| c.delete(&schema::WAITING, lost.clone(), None))
        .await
        .map_err(show)
        .unwrap();

    let days = || waiting.date().yesterday().unwrap()..=waiting.date().tomorrow().unwrap();
    let expected = QueueFsck {
        crashes: 3,
        missing: 1,
        stale: 2,
    };
    assert_eq!(
        store.queue_fsck(days(), false).await.unwrap(),
        expected,
        "only looking"
    );
    assert_eq!(store.queue_fsck(days(), true).await.unwrap(), expected);
    let clean = QueueFsck {
        crashes: 3,
        ..QueueFsck::default()
    };
    assert_eq!(store.queue_fsck(days(), false).await.unwrap(), clean);
    assert_eq!(claim(&store).await.expect("it waits again").id(), waiting);
    assert!(has_row(&store, &schema::UNPROCESSED, key(&deferred, &deferred_raw)).await);
    assert!(!has_row(&store, &schema::WAITING, key(&done, &done_raw)).await);
    store.drop_tables().await.unwrap();
}
