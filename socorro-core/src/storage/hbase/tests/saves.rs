//! Which rows a crash has, and that they go with it.

use super::*;

#[tokio::test]
async fn a_crash_reads_back_as_it_was_saved() {
    let Some(store) = shared().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(store.get_raw_crash(&id).await.unwrap(), raw);
    assert_eq!(store.get_dumps(&id).await.unwrap(), dumps);
    let flash = DumpName::parse("flash1").unwrap();
    assert_eq!(store.get_dump(&id, &flash).await.unwrap(), dumps[&flash]);
    store.save_processed(&id, &processed("f")).await.unwrap();
    assert_eq!(store.get_processed(&id).await.unwrap(), processed("f"));
}

#[tokio::test]
async fn a_crash_without_dumps_has_none() {
    let Some(store) = shared().await else { return };
    let (id, raw, _) = crash(ThrottleResult::Accept);
    store
        .save_raw_crash(&id, &raw, &Dumps::new())
        .await
        .unwrap();
    assert_eq!(store.get_dumps(&id).await.unwrap(), Dumps::new());
    assert!(
        store
            .get_dump(&id, &DumpName::main())
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let Some(store) = shared().await else { return };
    let (id, ..) = crash(ThrottleResult::Accept);
    assert!(store.get_raw_crash(&id).await.unwrap_err().is_not_found());
    assert!(store.get_dumps(&id).await.unwrap_err().is_not_found());
    assert!(store.get_processed(&id).await.unwrap_err().is_not_found());
    assert!(
        store
            .save_processed(&id, &processed("f"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(store.remove(&id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_save_writes_the_rows_of_the_schema() {
    let Some(store) = shared().await else { return };
    for throttle in [ThrottleResult::Accept, ThrottleResult::Defer] {
        let (id, mut raw, dumps) = crash(throttle);
        raw.set("HangID", format!("hang-{id}"));
        raw.set("ProcessType", "plugin");
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

        let row = cells(&store, &schema::CRASHES, row_key::crash(&id))
            .await
            .unwrap();
        let accepted = throttle == ThrottleResult::Accept;
        let submitted = raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap();
        assert_eq!(row.text(column::OOID), Some(id.as_str()));
        assert_eq!(row.text(column::IS_PROCESSED), Some("N"));
        assert_eq!(row.text(column::IS_ACCEPTED), accepted.then_some("Y"));
        assert_eq!(row.text(column::SUBMITTED), Some(submitted));
        assert_eq!(row.text(column::CLAIM), Some("free"));
        assert_eq!(row.value("raw_data:dump"), Some(&b"MDMP\0main"[..]));
        assert_eq!(row.value("raw_data:flash1"), Some(&b"MDMP flash"[..]));
        let eve = id.save_timestamp_millis();
        assert!(
            row.cells.values().all(|cell| cell.timestamp == eve),
            "one timestamp, the id's"
        );

        let by_time = row_key::by_time(id.as_str(), submitted);
        for (table, expected) in [
            (&schema::SUBMITTED, true),
            (&schema::UNPROCESSED, true),
            (&schema::ACCEPTED, accepted),
            (&schema::WAITING, accepted),
        ] {
            assert_eq!(
                has_row(&store, table, by_time.clone()).await,
                expected,
                "{}",
                table.name
            );
        }
        let hang = format!("hang-{id}");
        let half = cells(&store, &schema::HANG, hang.clone().into_bytes())
            .await
            .unwrap();
        assert_eq!(half.text("ids:ooid:plugin"), Some(id.as_str()));
        assert!(
            has_row(
                &store,
                &schema::HANG_SUBMITTED,
                row_key::by_time(&hang, submitted)
            )
            .await
        );
    }
}

#[tokio::test]
async fn reprocessing_leaves_no_index_row_of_an_old_signature() {
    let Some(store) = shared().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let has = |signature: &'static str| {
        has_row(
            &store,
            &schema::SIGNATURES,
            row_key::by_signature(&id, signature.as_bytes()),
        )
    };
    store.save_processed(&id, &processed("old")).await.unwrap();
    assert!(has("old").await);
    // As a processor leaves it that is killed before it has deleted the row.
    let key = row_key::crash(&id);
    let stale = put(column::STALE_SIGNATURE, "older");
    let row = put(column::OOID, id.as_str());
    let older = row_key::by_signature(&id, b"older");
    store
        .pool
        .run(move |c| {
            let stale = vec![stale.clone()];
            c.put(RowPut::now(&schema::CRASHES, key.clone(), stale))?;
            let row = vec![row.clone()];
            c.put(RowPut::now(&schema::SIGNATURES, older.clone(), row))
        })
        .await
        .map_err(show)
        .unwrap();
    store.save_processed(&id, &processed("new")).await.unwrap();
    assert!(has("new").await);
    assert!(!has("old").await && !has("older").await);
    let row = cells(&store, &schema::CRASHES, row_key::crash(&id))
        .await
        .unwrap();
    assert_eq!(row.text(column::STALE_SIGNATURE), None);
}

#[tokio::test]
async fn a_removed_crash_leaves_no_row() {
    let Some(store) = shared().await else { return };
    let (id, mut raw, dumps) = crash(ThrottleResult::Accept);
    let hang = format!("hang-{id}");
    raw.set("HangID", hang.as_str());
    raw.set("ProcessType", "plugin");
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.save_processed(&id, &processed("e")).await.unwrap();
    store.save_processed(&id, &processed("f")).await.unwrap();
    store.request(&id).await.unwrap();
    let submitted = raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap();
    let by_time = row_key::by_time(id.as_str(), submitted);
    let mut rows = vec![
        (&schema::CRASHES, row_key::crash(&id)),
        (&schema::SUBMITTED, by_time.clone()),
        (&schema::ACCEPTED, by_time.clone()),
        (&schema::UNPROCESSED, by_time.clone()),
        (&schema::WAITING, by_time.clone()),
        (&schema::REQUESTED, row_key::crash(&id)),
        (&schema::HANG, hang.clone().into_bytes()),
        (&schema::HANG_SUBMITTED, row_key::by_time(&hang, submitted)),
        (&schema::SIGNATURES, row_key::by_signature(&id, b"f")),
        (
            &schema::DAY_SIGNATURES,
            row_key::by_day_and_signature(&id, b"f"),
        ),
    ];
    for (table, key) in &rows {
        assert!(has_row(&store, table, key.clone()).await, "{}", table.name);
    }
    rows.push((&schema::SIGNATURES, row_key::by_signature(&id, b"e")));
    store.remove(&id).await.unwrap();
    for (table, key) in rows {
        assert!(!has_row(&store, table, key).await, "{}", table.name);
    }
}

#[tokio::test]
async fn the_other_half_of_a_hang_stays_when_one_is_removed() {
    let Some(store) = shared().await else { return };
    let (plugin, mut raw, dumps) = crash(ThrottleResult::Accept);
    let hang = format!("hang-{plugin}");
    raw.set("HangID", hang.as_str());
    raw.set("ProcessType", "plugin");
    store.save_raw_crash(&plugin, &raw, &dumps).await.unwrap();
    let (browser, mut other, dumps) = crash(ThrottleResult::Accept);
    other.set("HangID", hang.as_str());
    let same_time = raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap();
    other.set(field::SUBMITTED_TIMESTAMP, same_time);
    store
        .save_raw_crash(&browser, &other, &dumps)
        .await
        .unwrap();
    store.remove(&plugin).await.unwrap();
    for (table, key) in [
        (&schema::HANG, hang.clone().into_bytes()),
        (&schema::HANG_SUBMITTED, row_key::by_time(&hang, same_time)),
    ] {
        let halves = cells(&store, table, key).await.unwrap();
        assert_eq!(halves.text("ids:ooid:default"), Some(browser.as_str()));
        assert_eq!(halves.value("ids:ooid:plugin"), None, "{}", table.name);
    }
}
