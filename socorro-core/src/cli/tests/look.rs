//! Commands that show what is stored.

use super::*;

#[tokio::test]
async fn the_parts_of_a_crash_are_printed() {
    for site in Site::each().await {
        let (id, waiting) = (site.processed().await, site.accepted().await);
        let id = id.as_str();
        assert!(
            site.run(&["get_report", &format!("bp-{id}")])
                .await
                .contains("f | g")
        );
        assert_eq!(site.json(&["get_json", id]).await["Email"], "private");
        assert_eq!(
            site.json(&["get_processed_json", id]).await["signature"],
            "f | g"
        );
        let dumps = site.run(&["get_dumps", id]).await;
        assert_eq!(
            dumps,
            "flash1: dump length = 12\nupload_file_minidump: dump length = 11\n"
        );
        let file = site.path("dump");
        site.run(&["get_dump", id, "--output", &file]).await;
        assert_eq!(fs::read(&file).unwrap(), b"MDMP\0\xff main");
        site.run(&["get_dump", id, "flash1", "--output", &file])
            .await;
        assert_eq!(fs::read(&file).unwrap(), b"MDMP\0\xff flash");

        let state = site.json(&["get_report_processing_state", id]).await;
        assert_eq!(state["flags:processed"], "Y");
        assert_eq!(state["flags:legacy_processing"], "Y");
        assert_eq!(
            state["timestamps:processed"],
            "2026-11-23T00:00:00.000000+00:00"
        );
        let submitted = state["timestamps:submitted"].as_str().unwrap();
        assert!(submitted.starts_with("2026-11-22T13:05:"), "{submitted}");
        let state = site
            .run(&["get_report_processing_state", waiting.as_str()])
            .await;
        assert!(state.contains("flags:processed: N\n"), "{state}");

        let (_, code) = site
            .try_run(&["get_report", waiting.as_str()], "")
            .await
            .unwrap();
        assert_eq!(code, ExitCode::from(75));
        let unknown = CrashId::new(DAY);
        for command in [
            "get_report",
            "get_json",
            "get_dumps",
            "get_report_processing_state",
        ] {
            let error = site.error(&[command, unknown.as_str()]).await;
            assert!(error.contains(unknown.as_str()), "{command}: {error}");
        }
        site.end().await;
    }
}

#[tokio::test]
async fn on_the_file_system_commands_of_hbase_say_what_they_need() {
    let site = Site::on_files();
    for words in [
        &["union_scan_with_prefix", "crash_reports", "", "ids"][..],
        &["merge_scan_with_prefix", "crash_reports", "", "ids"],
        &["describe_table", "crash_reports"],
        &["get_full_row", "crash_reports", "x"],
    ] {
        assert!(site.error(words).await.contains("needs HBase"), "{words:?}");
    }
}

#[tokio::test]
async fn a_merge_scan_is_ordered_by_date_over_all_salts() {
    let Some(site) = Site::on_hbase().await else {
        return;
    };
    let mut ids = Vec::new();
    for number in 0..60 {
        let day = DAY.checked_sub(Span::new().days(number % 3)).unwrap();
        ids.push(site.crash(day, ThrottleResult::Accept, None).await);
    }
    let rows = |output: String| -> Vec<Value> {
        output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let after_salt = |row: &Value| row["_rowkey"].as_str().unwrap()[1..].to_owned();
    let table = "crash_reports_index_submitted_time";
    for columns in ["ids:ooid", "ids", "ids:", ""] {
        let words = [
            "merge_scan_with_prefix",
            table,
            "2026-11",
            columns,
            "1000",
            "--json",
        ];
        let rows = rows(site.run(&words).await);
        assert_eq!(rows.len(), 60, "{columns:?}");
        assert!(rows.is_sorted_by_key(after_salt), "{columns:?}");
        let salts = rows
            .iter()
            .map(|row| row["_rowkey"].as_str().unwrap()[..1].to_owned());
        assert!(salts.collect::<std::collections::BTreeSet<_>>().len() > 8);
    }
    let scan = |command| {
        [
            command,
            "crash_reports",
            "261121",
            "ids:ooid,raw_data",
            "1000",
            "--json",
        ]
    };
    let expected: std::collections::BTreeSet<_> = ids
        .iter()
        .filter(|id| id.yymmdd() == "261121")
        .map(|id| id.as_str())
        .collect();
    for command in ["merge_scan_with_prefix", "union_scan_with_prefix"] {
        let rows = rows(site.run(&scan(command)).await);
        assert_eq!(rows.len(), 20);
        let met: std::collections::BTreeSet<_> = rows
            .iter()
            .map(|row| row["ids:ooid"].as_str().unwrap())
            .collect();
        assert_eq!(met, expected);
        assert!(
            rows.iter()
                .all(|row| row["raw_data:dump"] == json!({ "bytes": 11 }))
        );
    }
    // Ten where no limit is given.
    let ten = site
        .run(&[
            "union_scan_with_prefix",
            "crash_reports",
            "26",
            "ids",
            "--json",
        ])
        .await;
    assert_eq!(rows(ten).len(), 10);
    site.end().await;
}

#[tokio::test]
async fn rows_and_tables_are_shown_as_they_are() {
    let Some(site) = Site::on_hbase().await else {
        return;
    };
    let id = site.processed().await;
    let key = format!("{}{}{id}", id.salt(), id.yymmdd());
    let row = site.json(&["get_full_row", "crash_reports", &key]).await;
    assert_eq!(row["_rowkey"], json!(key));
    assert_eq!(row["ids:ooid"], json!(id.as_str()));
    assert_eq!(row["processed_data:signature"], "f | g");
    assert_eq!(row["raw_data:flash1"], json!({ "bytes": 12 }));
    let text = site.run(&["get_full_row", "crash_reports", &key]).await;
    assert!(text.contains("  raw_data:dump: (11 bytes)\n"), "{text}");
    let missing = site
        .error(&["get_full_row", "crash_reports", "nothing"])
        .await;
    assert!(missing.contains("has no row"), "{missing}");

    let table = site.json(&["describe_table", "crash_reports"]).await;
    assert_eq!(table["crash_reports"]["meta_data"]["max_versions"], "3");
    assert!(
        site.run(&["describe_table", "metrics"])
            .await
            .starts_with("counters: ")
    );
    let unknown = site.error(&["describe_table", "nothing"]).await;
    assert!(unknown.contains("nothing"), "{unknown}");
    let unknown = site
        .error(&["merge_scan_with_prefix", "nothing", "", "ids"])
        .await;
    assert!(unknown.contains("TableNotFound"), "{unknown}");
    site.end().await;
}

#[tokio::test]
async fn the_queue_is_listed_and_days_are_counted() {
    for site in Site::each().await {
        let yesterday = date(2026, 11, 21);
        let old = site.crash(yesterday, ThrottleResult::Accept, None).await;
        let new = site.accepted().await;
        let deferred = site.crash(DAY, ThrottleResult::Defer, None).await;
        site.run(&["request-priority", deferred.as_str()]).await;
        site.run(&["reprocess", new.as_str()]).await;
        let list =
            format!("requested {deferred}\nwaiting   {old}\nwaiting   {new}\nreprocess {new}\n");
        assert_eq!(site.run(&["queue", "list"]).await, list);
        let lines = site.run(&["queue", "list", "--limit", "1", "--json"]).await;
        let first = json!({ "id": deferred.as_str(), "state": "requested" });
        let second = json!({ "id": old.as_str(), "state": "waiting" });
        let third = json!({ "id": new.as_str(), "state": "reprocess" });
        assert_eq!(lines, format!("{first}\n{second}\n{third}\n"));
        let stats = site.json(&["stats"]).await;
        assert_eq!(
            stats,
            json!({
                "days": {
                    "2026-11-21": { "stored": 1, "waiting": 1, "requested": 0, "reprocess": 0 },
                    "2026-11-22": { "stored": 2, "waiting": 1, "requested": 1, "reprocess": 1 },
                },
                "total": { "stored": 3, "waiting": 2, "requested": 1, "reprocess": 1 },
            })
        );
        let text = site.run(&["stats", "--date", "261121"]).await;
        assert_eq!(text.lines().count(), 3, "{text}");
        site.end().await;
    }
}
