//! What the commands promise, on the file system and on a real HBase.

mod change;
mod export;
mod look;
mod signature;
mod spool;

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
use crate::storage::named::NamedStorage;
use crate::storage::open::{PrimaryStorage, SpoolOptions};
use crate::testing;

const DAY: Date = date(2026, 11, 22);

/// A primary storage of its own, and a directory for what commands write.
struct Site {
    settings: Settings,
    /// As the collector takes them.
    largest_dump: u64,
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
        Self {
            settings,
            largest_dump: 1 << 20,
            dir,
        }
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

    /// On HBase, and deferred crashes in a tree.
    async fn on_both() -> Option<Self> {
        let mut site = Self::on_hbase().await?;
        let deferring = NamedStorage::DeferringCrashStorage {
            standard: "hbase".into(),
            deferred: "later".into(),
            processed: String::new(),
        };
        let tree = NamedStorage::FileSystemRawCrashStorage {
            root: site.dir.path().join("later"),
            date_branch: true,
            allow_network_fs: false,
        };
        let storages = [("both".into(), deferring), ("later".into(), tree)];
        site.settings.storages = storages.into();
        site.settings.storage.r#use = "both".into();
        Some(site)
    }

    /// One of each kind.
    async fn each() -> impl Iterator<Item = Self> {
        let (hbase, both) = (Self::on_hbase().await, Self::on_both().await);
        [Some(Self::on_files()), hbase, both].into_iter().flatten()
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
        let mut cli = Cli::with(input, output, self.settings.clone(), args.json, stop);
        cli.limits.max_inflated_bytes = self.largest_dump;
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
