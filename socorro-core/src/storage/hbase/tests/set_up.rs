//! Tables, those of others too, and what the server says when it can't.

use std::net::TcpListener;

use super::super::generated::ColumnDescriptor;
use super::*;

#[tokio::test]
async fn a_crash_too_large_for_the_server_is_its_own_fault() {
    let Some(store) = shared().await else { return };
    let (id, raw, _) = crash(ThrottleResult::Accept);
    let huge = Dump::Bytes(Bytes::from(vec![7; 70 << 20]));
    let error = store
        .save_raw_crash(&id, &raw, &[(DumpName::main(), huge)].into())
        .await
        .unwrap_err();
    assert_eq!(error.blame(), Blame::Crash, "{error}");
    assert!(error.to_string().contains("too large"), "{error}");
    assert!(
        error.to_string().len() < 600,
        "no Java stack trace: {error}"
    );
}

#[tokio::test]
async fn a_missing_table_is_the_stores_fault_and_the_message_says_how_to_mend_it() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let store = HBaseCrashStorage::new(&options(&address, "nowhere_"), "web1");
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    let error = store.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Store, "{error}");
    assert!(
        error.to_string().contains("socorro schema create"),
        "{error}"
    );
    assert_eq!(
        store.check_tables().await.unwrap().missing_tables.len(),
        schema::ALL.len()
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_a_matter_of_the_moment() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let store = HBaseCrashStorage::new(&options(&free, ""), "web1");
    let (id, ..) = crash(ThrottleResult::Accept);
    let error = store.get_raw_crash(&id).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Moment, "{error}");
    assert!(error.to_string().contains(&free), "{error}");
}

async fn make(store: &HBaseCrashStorage, tables: &'static [Table]) {
    for table in tables {
        let make = move |c: &mut Connection| c.create(table);
        store.pool.run(make).await.map_err(show).unwrap();
    }
}

/// As Socorro 2.x had them, and as somebody may have changed them.
static OF_SOCORRO_2X: [Table; 12] = [
    Table {
        name: "crash_reports",
        families: &[
            ("flags", 1),
            ("ids", 1),
            ("meta_data", 3),
            ("processed_data", 1),
            ("raw_data", 3),
            ("timestamps", 3),
            ("notes", 1),
        ],
    },
    index("crash_reports_index_submitted_time"),
    index("crash_reports_index_legacy_submitted_time"),
    index("crash_reports_index_hang_id"),
    index("crash_reports_index_hang_id_submitted_time"),
    index("crash_reports_index_signature_ooid"),
    index("crash_reports_index_legacy_processed"),
    index("crash_reports_index_priority_processed"),
    queue("crash_reports_index_unprocessed_flag"),
    queue("crash_reports_index_legacy_unprocessed_flag"),
    Table {
        name: "crash_report_signatures",
        families: &[("counters", 1), ("json", 3)],
    },
    Table {
        name: "metrics",
        families: &[("counters", 1)],
    },
];

const fn index(name: &'static str) -> Table {
    Table {
        name,
        families: &[("ids", 1)],
    }
}

const fn queue(name: &'static str) -> Table {
    Table {
        name,
        families: &[("ids", 1), ("processor_state", 5)],
    }
}

#[tokio::test]
async fn tables_of_socorro_2x_are_completed_and_work() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let prefix = format!("o{:08x}_", fastrand::u32(..));
    let store = HBaseCrashStorage::new(&options(&address, &prefix), "web1");
    make(&store, &OF_SOCORRO_2X).await;
    // A crash of Socorro 2.x: server's timestamps, no claim.
    let (old, raw, _) = crash(ThrottleResult::Accept);
    let submitted = "2012-11-22T04:10:00+00:00";
    let cells = vec![
        put(column::OOID, old.as_str()),
        put(column::IS_PROCESSED, "N"),
        put(column::IS_ACCEPTED, "Y"),
        put(column::SUBMITTED, submitted),
        put(column::RAW_CRASH, raw.to_json()),
        put("raw_data:dump", "MDMP"),
    ];
    let by_time = row_key::by_time(old.as_str(), submitted);
    let rows = [
        RowPut::now(&schema::CRASHES, row_key::crash(&old), cells),
        RowPut::now(
            &schema::WAITING,
            by_time,
            vec![put(column::OOID, old.as_str())],
        ),
    ];
    let write = move |c: &mut Connection| batch::write(c, &rows);
    store.pool.run(write).await.map_err(show).unwrap();

    let missing = store.check_tables().await.unwrap().missing_tables;
    let made = store.create_tables().await.unwrap();
    assert_eq!(made, missing);
    let ours = [
        &schema::DAY_SIGNATURES,
        &schema::REPROCESS,
        &schema::REQUESTED,
    ];
    let ours = ours.map(|table| table.name);
    assert_eq!(made, ours);
    let check = store.check_tables().await.unwrap();
    assert!(check.is_good(), "{check:?}");
    let notes = [
        "crash_reports:processed_data keeps 1 versions, and not 3",
        "crash_reports:timestamps keeps 3 versions, and not 1",
        "crash_reports:notes is not of this schema",
    ];
    assert_eq!(check.notes, notes);

    let (new, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&new, &raw, &dumps).await.unwrap();
    let mut done = Vec::new();
    while let Some(mut mine) = claim(&store).await {
        assert_eq!(mine.finish(&processed("f")).await.unwrap(), Finish::Stored);
        done.push(mine.id());
    }
    done.sort_unstable();
    let mut both = vec![old, new];
    both.sort_unstable();
    assert_eq!(done, both);
    for id in both {
        assert_eq!(
            store
                .get_raw_crash(&id)
                .await
                .unwrap()
                .get_str("ProductName"),
            Some("Arena")
        );
        assert_eq!(store.get_processed(&id).await.unwrap(), processed("f"));
        store.remove(&id).await.unwrap();
        assert!(store.get_raw_crash(&id).await.unwrap_err().is_not_found());
    }
    for table in &OF_SOCORRO_2X {
        let drop_it = move |c: &mut Connection| c.drop_table(table);
        store.pool.run(drop_it).await.map_err(show).unwrap();
    }
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_family_that_is_missing_is_told_with_the_command_that_adds_it() {
    static WITHOUT_TIMESTAMPS: [Table; 1] = [Table {
        name: "crash_reports",
        families: &[
            ("flags", 1),
            ("ids", 1),
            ("meta_data", 3),
            ("processed_data", 3),
            ("raw_data", 3),
        ],
    }];
    let Some(address) = testing::hbase() else {
        return;
    };
    let prefix = format!("f{:08x}_", fastrand::u32(..));
    let store = HBaseCrashStorage::new(&options(&address, &prefix), "web1");
    make(&store, &WITHOUT_TIMESTAMPS).await;
    assert_eq!(
        store.create_tables().await.unwrap().len(),
        schema::ALL.len() - 1
    );
    let check = store.check_tables().await.unwrap();
    assert!(!check.is_good());
    assert_eq!(check.missing_families, ["crash_reports:timestamps"]);
    let command = format!("alter '{prefix}crash_reports', {{NAME => 'timestamps', VERSIONS => 1}}");
    assert_eq!(store.alter_commands(&check), [command]);
    store.drop_tables().await.unwrap();
}

#[test]
fn a_family_that_drops_cells_sooner_than_a_save_may_write_them_is_wrong() {
    let family =
        |seconds| ColumnDescriptor::new(b"ids:".to_vec(), 1, None, None, None, None, Some(seconds));
    let check = |seconds| {
        let mut check = SchemaCheck::default();
        check.compare(&schema::SUBMITTED, &[family(seconds)]);
        check
    };
    assert!(check(2 * 86_400).wrong[0].contains("TTL"));
    let month = check(30 * 86_400);
    assert!(month.is_good() && month.notes.len() == 1, "{month:?}");
    assert_eq!(check(i32::MAX), SchemaCheck::default());
}

#[tokio::test]
async fn the_servers_limit_for_a_cell_is_found_by_a_try_that_leaves_nothing() {
    let Some(store) = shared().await else { return };
    assert_eq!(store.try_cell(1 << 20).await.unwrap(), None);
    let refused = store.try_cell(70 << 20).await.unwrap().unwrap();
    let mend = "raise hbase.client.keyvalue.maxsize of the Thrift servers to 74448896";
    assert!(refused.contains(mend), "{refused}");
    let scan = client::Scan {
        start: b"schema".to_vec(),
        stop: b"schemb".to_vec(),
        limit: 9,
    };
    let rows = store
        .pool
        .read(move |c| c.scan(&schema::CRASHES, &scan, &[]));
    assert!(rows.await.map_err(show).unwrap().is_empty());
}
