//! What the commands promise, on the file system and on a real HBase.

use std::fs;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::read::GzDecoder;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::processed_crash::ProcessedCrash;
use crate::raw_crash::{RawCrash, ThrottleResult, field};
use crate::storage::CrashStorage;
use crate::storage::hbase::HBaseCrashStorage;
use crate::storage::open::{PrimaryStorage, SpoolOptions};
use crate::testing;

const DAY: Date = date(2026, 11, 22);

/// A primary storage of its own, and a directory for what commands write.
struct Site {
    settings: Settings,
    dir: TempDir,
}

impl Site {
    fn on_files() -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = Settings::default();
        settings.filesystem.standard = dir.path().join("standard");
        settings.filesystem.deferred = dir.path().join("deferred");
        settings.filesystem.processed = dir.path().join("processed");
        settings.spool = SpoolOptions {
            primary: dir.path().join("spool"),
            ..SpoolOptions::default()
        };
        Self { settings, dir }
    }

    async fn on_hbase() -> Option<Self> {
        let address = testing::hbase()?;
        let mut site = Self::on_files();
        site.settings.storage.class = StorageClass::HBaseCrashStorage;
        site.settings.hbase.thrift = address;
        site.settings.hbase.table_prefix = format!("c{:08x}_", fastrand::u32(..));
        site.hbase().create_tables().await.unwrap();
        Some(site)
    }

    /// One of each kind.
    async fn each() -> impl Iterator<Item = Self> {
        [Some(Self::on_files()), Self::on_hbase().await]
            .into_iter()
            .flatten()
    }

    fn hbase(&self) -> HBaseCrashStorage {
        HBaseCrashStorage::new(&self.settings.hbase, "web1")
    }

    fn is_on_hbase(&self) -> bool {
        self.settings.storage.class == StorageClass::HBaseCrashStorage
    }

    async fn end(self) {
        if self.is_on_hbase() {
            self.hbase().drop_tables().await.unwrap();
        }
    }

    fn storage(&self) -> Arc<dyn CrashStorage> {
        PrimaryStorage::new(&self.settings).storage
    }

    fn path(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        path.into_os_string().into_string().unwrap()
    }

    /// Stores a crash, and its processed crash where there is a signature.
    async fn crash(&self, day: Date, throttle: ThrottleResult, signature: Option<&str>) -> CrashId {
        let id = CrashId::new(day);
        let raw = RawCrash::from_json(
            json!({
                "ProductName": "Arena",
                "Email": "private",
                field::SUBMITTED_TIMESTAMP: format!("{day}T13:05:{:02}.000000+00:00", fastrand::u8(..60)),
                field::LEGACY_PROCESSING: throttle as u8,
            })
            .to_string()
            .as_bytes(),
        )
        .unwrap();
        let dump = |bytes: &'static [u8]| Dump::Bytes(Bytes::from_static(bytes));
        let dumps = Dumps::from([
            (DumpName::main(), dump(b"MDMP\0\xff main")),
            (
                DumpName::parse("flash1").unwrap(),
                dump(b"MDMP\0\xff flash"),
            ),
        ]);
        self.storage()
            .save_raw_crash(&id, &raw, &dumps)
            .await
            .unwrap();
        if let Some(signature) = signature {
            let mut processed = ProcessedCrash::default();
            processed.set("signature", signature);
            processed.set("completed_datetime", "2026-11-23T00:00:00.000000+00:00");
            self.storage()
                .save_processed(&id, &processed)
                .await
                .unwrap();
        }
        id
    }

    async fn accepted(&self) -> CrashId {
        self.crash(DAY, ThrottleResult::Accept, None).await
    }

    async fn processed(&self) -> CrashId {
        self.crash(DAY, ThrottleResult::Accept, Some("f | g")).await
    }

    /// Runs a command; tells what it prints.
    async fn run(&self, words: &[&str]) -> String {
        let (output, code) = self.try_run(words, "").await.unwrap();
        assert_eq!(code, ExitCode::SUCCESS, "{words:?}: {output}");
        output
    }

    async fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat()).await;
        serde_json::from_str(&output).unwrap()
    }

    async fn error(&self, words: &[&str]) -> String {
        self.try_run(words, "").await.unwrap_err().to_string()
    }

    async fn try_run(&self, words: &[&str], input: &str) -> Result<(String, ExitCode), Error> {
        let output = Output::default();
        let stop = CancellationToken::new();
        let code = self.run_with(words, input, output.clone(), stop).await?;
        Ok((output.text(), code))
    }

    async fn run_with(
        &self,
        words: &[&str],
        input: &str,
        output: Output,
        stop: CancellationToken,
    ) -> Result<ExitCode, Error> {
        let args = Args::try_parse_from([&["socorro"], words].concat())?;
        let input = std::io::Cursor::new(input.to_owned());
        let cli = Cli::with(input, output, self.settings.clone(), args.json, stop);
        super::run(&cli, args.command).await
    }
}

/// What a command has printed.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn gunzip(path: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    let file = fs::File::open(path).unwrap();
    GzDecoder::new(file).read_to_end(&mut content).unwrap();
    content
}

/// The members of an archive, by the system's `tar`.
fn members(tarball: &str) -> Vec<String> {
    let output = std::process::Command::new("tar")
        .args(["-tf", tarball])
        .output()
        .unwrap();
    assert!(output.status.success(), "tar can't read {tarball}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<_> = text.lines().map(str::to_owned).collect();
    names.sort_unstable();
    names
}

fn member(id: &CrashId, ending: &str) -> String {
    format!("{}/{}/{id}{ending}", &id.as_str()[..2], &id.as_str()[2..4])
}

fn files_in(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn ids_of(storage: &Arc<dyn CrashStorage>, days: RangeInclusive<Date>) -> Vec<CrashId> {
    let storage = Arc::clone(storage);
    let walk = move || storage.crashes(days).unwrap().map(Result::unwrap).collect();
    tokio::task::spawn_blocking(walk).await.unwrap()
}

#[test]
fn the_command_line_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn a_host_without_a_port_gets_hbases() {
    let thrift = |host: &str| {
        with_host(Settings::default(), Some(host.into()))
            .hbase
            .thrift
    };
    assert_eq!(thrift("db1"), "db1:9090");
    assert_eq!(thrift("db1:1234"), "db1:1234");
}

#[test]
fn shells_get_completions_and_every_command_a_man_page() {
    for shell in ["bash", "zsh", "fish"] {
        let shell = shell.parse().unwrap();
        let script = shell::completions(Args::command(), shell);
        assert!(
            String::from_utf8(script)
                .unwrap()
                .contains("merge_scan_with_prefix")
        );
    }
    let dir = TempDir::new().unwrap();
    shell::man(Args::command(), dir.path()).unwrap();
    for page in [
        "socorro.1",
        "socorro-get_report.1",
        "socorro-copy.1",
        "socorro-queue-list.1",
    ] {
        assert!(dir.path().join(page).exists(), "{page}");
    }
}

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
        let wrong = site
            .error(&["put_json_dump", CrashId::new(DAY).as_str(), "[]", ""])
            .await;
        assert!(wrong.contains("not one JSON object"), "{wrong}");
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
    assert!(unknown.contains("not all crashes were met"), "{unknown}");
    site.end().await;
}

#[tokio::test]
async fn an_export_of_a_day_is_not_capped() {
    for site in Site::each().await {
        let mut expected = Vec::new();
        for _ in 0..25 {
            expected.push(site.processed().await);
        }
        let unprocessed = site.accepted().await;
        site.crash(date(2026, 11, 21), ThrottleResult::Accept, Some("f"))
            .await;

        let dir = site.path("out");
        let counts = site.json(&["export_jsonz_for_date", "261122", &dir]).await;
        assert_eq!(
            counts,
            json!({ "exported": 25, "missing": 1, "unreadable": 0 })
        );
        assert_eq!(files_in(&dir).len(), 25);
        for id in &expected {
            let json = gunzip(&Path::new(&dir).join(format!("{id}.jsonz")));
            assert_eq!(
                ProcessedCrash::from_json(&json).unwrap().signature(),
                Some("f | g")
            );
        }

        let tarball = site.path("day.tar.gz");
        site.run(&["export_jsonz_tarball_for_date", "261122", &dir, &tarball])
            .await;
        let mut names: Vec<_> = expected.iter().map(|id| member(id, ".jsonz")).collect();
        names.sort_unstable();
        assert_eq!(members(&tarball), names);

        let tarball = site.path("ids.tar");
        let ids = format!(
            "{}\n\n bp-{}\n{unprocessed}\nno id\n",
            expected[0], expected[1]
        );
        let words = ["export_jsonz_tarball_for_ooids", &dir, &tarball, "--json"];
        let (counts, _) = site.try_run(&words, &ids).await.unwrap();
        let counts: Value = serde_json::from_str(&counts).unwrap();
        assert_eq!(
            counts,
            json!({ "exported": 2, "missing": 2, "unreadable": 0 })
        );
        let mut names: Vec<_> = expected[..2]
            .iter()
            .map(|id| member(id, ".jsonz"))
            .collect();
        names.sort_unstable();
        assert_eq!(members(&tarball), names);
        site.end().await;
    }
}

#[tokio::test]
async fn a_sample_has_as_many_crashes_as_asked_for_and_no_private_annotations() {
    for site in Site::each().await {
        for number in 0..15 {
            let day = DAY.checked_sub(Span::new().days(number % 2)).unwrap();
            site.crash(day, ThrottleResult::Defer, None).await;
        }
        let (temp, tarball) = (site.path("temp"), site.path("sample.tar.gz"));
        let export = |n: &'static str| {
            let command = "export_sampled_crashes_tarball_for_dates";
            [command, n, "261122,261121,261122", &temp, &tarball].map(str::to_owned)
        };
        let run = async |words: Vec<String>| {
            site.json(&words.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        };
        let counts = run(export("7").into()).await;
        assert_eq!(counts, json!({ "exported": 7, "met": 15, "missing": 0 }));
        let names = members(&tarball);
        assert_eq!(
            names.iter().filter(|name| name.ends_with(".json")).count(),
            7
        );
        assert_eq!(names.len(), 3 * 7, "json, main dump and flash1 of each");
        let unpacked = |name: &str| {
            let output = std::process::Command::new("tar")
                .args(["-xOf", &tarball, name])
                .output()
                .unwrap();
            output.stdout
        };
        let json = names.iter().find(|name| name.ends_with(".json")).unwrap();
        let raw = RawCrash::from_json(&unpacked(json)).unwrap();
        assert_eq!(raw.get_str("ProductName"), Some("Arena"));
        assert_eq!(raw.get("Email"), None);
        let dump = json.replace(".json", ".dump");
        assert_eq!(unpacked(&dump), b"MDMP\0\xff main");

        // More than there are: all, and the private ones where asked for.
        let mut all = Vec::from(export("100"));
        all.push("--private".into());
        assert_eq!(run(all).await["exported"], 15);
        let json = members(&tarball)
            .into_iter()
            .find(|name| name.ends_with(".json"));
        let raw = RawCrash::from_json(&unpacked(&json.unwrap())).unwrap();
        assert_eq!(raw.get_str("Email"), Some("private"));
        site.end().await;
    }
}

#[tokio::test]
async fn an_interrupted_export_leaves_no_file() {
    let site = Site::on_files();
    let mut ids = String::new();
    for _ in 0..50 {
        ids.push_str(&format!("{}\n", site.processed().await));
    }
    let ids = ids.repeat(1_000);
    let out = site.path("out");
    fs::create_dir(&out).unwrap();
    let tarball = format!("{out}/day.tar.gz");
    for words in [
        &["export_jsonz_tarball_for_date", "261122", &out, &tarball][..],
        &[
            "export_sampled_crashes_tarball_for_dates",
            "9",
            "261122",
            &out,
            &tarball,
        ],
        &["export_jsonz_tarball_for_ooids", &out, &tarball],
    ] {
        let stop = CancellationToken::new();
        let soon = stop.clone();
        let stopper = async {
            // The export has begun: its temporary file is there.
            while files_in(&out).is_empty() {
                tokio::task::yield_now().await;
            }
            soon.cancel();
        };
        let (result, ()) = tokio::join!(
            site.run_with(words, &ids, Output::default(), stop.clone()),
            stopper
        );
        assert_eq!(result.unwrap_err().to_string(), "interrupted", "{words:?}");
        assert!(files_in(&out).is_empty(), "{words:?}");
    }
}

#[tokio::test]
async fn crashes_are_requested_by_id_by_signature_and_by_day() {
    for site in Site::each().await {
        let one = site.crash(DAY, ThrottleResult::Accept, Some("f")).await;
        let longer = site.crash(DAY, ThrottleResult::Accept, Some("f | g")).await;
        let none = site.crash(DAY, ThrottleResult::Accept, Some("")).await;
        let yesterday = date(2026, 11, 21);
        let deferred = site.crash(yesterday, ThrottleResult::Defer, None).await;
        let unknown = CrashId::new(DAY);

        let requested = async || {
            let list = site.run(&["queue", "list"]).await;
            let ids = list
                .lines()
                .filter_map(|line| line.strip_prefix("requested "));
            let mut ids: Vec<CrashId> = ids.map(|id| id.parse().unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        assert!(requested().await.is_empty());
        site.run(&["reprocess", "--signature", "f"]).await;
        assert_eq!(requested().await, [one]);
        site.run(&["reprocess", "--signature", "##empty##"]).await;
        assert_eq!(requested().await.len(), 2);
        assert!(requested().await.contains(&none));
        site.run(&["reprocess", "--date", "261121-261121"]).await;
        assert!(requested().await.contains(&deferred));
        let words = ["reprocess", longer.as_str(), unknown.as_str(), "--json"];
        let (output, code) = site.try_run(&words, "").await.unwrap();
        assert_eq!(output, "{\"missing\":1,\"requested\":1}\n");
        assert_eq!(code, ExitCode::FAILURE);
        assert_eq!(requested().await.len(), 4);
        site.run(&["request-priority", unknown.as_str()]).await;
        assert!(requested().await.contains(&unknown));
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
async fn the_queue_is_listed_and_days_are_counted() {
    for site in Site::each().await {
        let yesterday = date(2026, 11, 21);
        let old = site.crash(yesterday, ThrottleResult::Accept, None).await;
        let new = site.accepted().await;
        let deferred = site.crash(DAY, ThrottleResult::Defer, None).await;
        site.run(&["request-priority", deferred.as_str()]).await;
        let list = format!("requested {deferred}\nwaiting   {old}\nwaiting   {new}\n");
        assert_eq!(site.run(&["queue", "list"]).await, list);
        let lines = site.run(&["queue", "list", "--limit", "1", "--json"]).await;
        let first = json!({ "id": deferred.as_str(), "state": "requested" });
        let second = json!({ "id": old.as_str(), "state": "waiting" });
        assert_eq!(lines, format!("{first}\n{second}\n"));
        let stats = site.json(&["stats"]).await;
        assert_eq!(
            stats,
            json!({
                "days": {
                    "2026-11-21": { "stored": 1, "waiting": 1, "requested": 0 },
                    "2026-11-22": { "stored": 2, "waiting": 1, "requested": 1 },
                },
                "total": { "stored": 3, "waiting": 2, "requested": 1 },
            })
        );
        let text = site.run(&["stats", "--date", "261121"]).await;
        assert_eq!(text.lines().count(), 3, "{text}");
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
