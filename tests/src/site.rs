//! An installation in a temporary directory: one configuration file, and the programs that read it.

use std::path::PathBuf;
use std::process::{Command, Output};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use socorro_core::config::{NoSection, Sources, load};
use socorro_core::crash_id::CrashId;
use socorro_core::dumps::{Dump, DumpName, Dumps};
use socorro_core::processed_crash::SCHEMA;
use socorro_core::raw_crash::{RawCrash, ThrottleResult, field, format_timestamp};
use socorro_core::storage::open::PrimaryStorage;
use socorro_core::testing;
use socorro_core::testing::json_schema::Schema;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::program::{self, Program};
use crate::{fixtures, wait_for};

/// An installation.
#[derive(Debug)]
pub struct Site {
    dir: TempDir,
    hbase: bool,
}

impl Site {
    /// One on the file system.
    pub fn on_files() -> Self {
        Self::new("[storage]\nclass = \"FileSystemCrashStorage\"\n", false)
    }

    /// One on the shared HBase, with tables of its own; `None` where such tests are skipped.
    pub fn on_hbase() -> Option<Self> {
        Some(Self::at_hbase(&testing::hbase()?))
    }

    /// One on this HBase, with tables of its own.
    pub fn at_hbase(address: &str) -> Self {
        let prefix = format!("t{}_", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let storage = format!(
            "[storage]\nclass = \"HBaseCrashStorage\"\n\
             [hbase]\nthrift = \"{address}\"\ntable_prefix = \"{prefix}\"\nclaim_lease = \"5s\"\n"
        );
        let site = Self::new(&storage, true);
        site.run("socorro", &["schema", "create"]);
        site
    }

    fn new(storage: &str, hbase: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().display();
        let config = format!(
            "{storage}\
             [spool]\nprimary = \"{root}/spool\"\n\
             [filesystem]\nstandard = \"{root}/std\"\ndeferred = \"{root}/def\"\nprocessed = \"{root}/pro\"\n\
             [transactions]\ndelays = [\"1s\", \"2s\", \"5s\"]\n\
             [collector]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\n\
             max_inflated_bytes = 33554432\n\
             [processor]\npoll_interval = \"200ms\"\nrenew_interval = \"1s\"\n\
             [processor.walk]\nsymbols = [\"{}\"]\n\
             [web]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{root}/web-token\"\n",
            fixtures::symbols().display(),
        );
        std::fs::write(dir.path().join("socorro.toml"), config).unwrap();
        Self { dir, hbase }
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("socorro.toml")
    }

    /// Adds sections to the configuration; `DIR` stands for the site's directory.
    pub fn configure(&self, sections: &str) {
        let sections = sections.replace("DIR", &self.dir.path().display().to_string());
        self.rewrite(|text| text + "\n" + &sections);
    }

    /// Adds settings to a section that the configuration has.
    pub fn set_more(&self, section: &str, settings: &str) {
        let head = format!("[{section}]\n");
        self.rewrite(|text| text.replace(&head, &format!("{head}{settings}\n")));
    }

    /// Lets its collector keep the ids of senders that show a token; returns that.
    pub fn accept_submitted_ids(&self) -> String {
        let token = "s3cret";
        let file = self.path("submit-token");
        std::fs::write(&file, token).unwrap();
        let settings = format!("accept_submitted_crash_id = true\nsubmit_token_file = {file:?}");
        self.set_more("collector", &settings);
        token.to_owned()
    }

    fn rewrite(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), change(text)).unwrap();
    }

    /// A path in the site's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The root of the spool.
    pub fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    /// The token that grants all rights on the pages; there once the web server has started.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("web-token"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// A command that reads this site's configuration.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program::path(program));
        command.arg("--config").arg(self.config()).args(args);
        command
    }

    /// Starts a program that keeps running.
    pub fn start(&self, program: &str, args: &[&str]) -> Program {
        Program::start(self.command(program, args))
    }

    /// Starts a server; returns it with its address.
    pub fn serve(&self, program: &str, args: &[&str]) -> (Program, String) {
        let mut server = self.start(program, args);
        let line = server.wait_for_log("listening");
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("address="));
        let address = address
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .to_owned();
        (server, address)
    }

    /// Starts a collector; returns it with its address.
    pub fn collector(&self) -> (Program, String) {
        self.serve("collector", &[])
    }

    /// Runs a program to its end, which must be a success.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        let output = self.command(program, args).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {args:?}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Moves what is in the spool; returns the line that the mover prints.
    pub fn run_mover(&self) -> String {
        String::from_utf8(self.run("crashmover", &[]).stdout)
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Puts crashes into the primary storage, as the mover does: all with the dump of that name.
    pub fn store(&self, crashes: usize, throttle: ThrottleResult, dump: &str) -> Vec<CrashId> {
        let now = Timestamp::now();
        let mut raw = RawCrash::new(fixtures::annotations());
        raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(now));
        raw.set(field::LEGACY_PROCESSING, throttle as i64);
        let dump = Dump::Bytes(fixtures::dump(dump).into());
        let dumps: Dumps = [(DumpName::main(), dump)].into();
        let day = now.to_zoned(TimeZone::UTC).date();
        let ids: Vec<_> = (0..crashes).map(|_| CrashId::new(day)).collect();
        let storage = self.primary().storage;
        let saves = async {
            let mut saves = JoinSet::new();
            for id in ids.clone() {
                let (storage, raw, dumps) = (storage.clone(), raw.clone(), dumps.clone());
                saves.spawn(async move { storage.save_raw_crash(&id, &raw, &dumps).await });
            }
            saves.join_all().await
        };
        let saved = Runtime::new().unwrap().block_on(saves);
        saved.into_iter().for_each(Result::unwrap);
        ids
    }

    /// The processed crash, waited for.
    pub fn processed(&self, id: &CrashId) -> Value {
        self.run("socorro", &["get_report", id.as_str(), "--wait", "60"]);
        let output = self.run("socorro", &["get_processed_json", id.as_str()]);
        let processed = serde_json::from_slice(&output.stdout).unwrap();
        let wrong = Schema::parse(SCHEMA).violations(&processed);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        processed
    }

    /// The raw crash as stored.
    pub fn raw_crash(&self, id: &CrashId) -> Value {
        let output = self.run("socorro", &["get_json", id.as_str()]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A dump as stored.
    pub fn dump(&self, id: &CrashId, name: &str) -> Vec<u8> {
        self.run("socorro", &["get_dump", id.as_str(), name]).stdout
    }

    /// The primary storage of this site, for what no command tells.
    pub fn primary(&self) -> PrimaryStorage {
        let sources = Sources {
            file: Some(self.config()),
            ..Sources::default()
        };
        PrimaryStorage::new(&load::<NoSection>(&sources).unwrap().config.shared)
    }

    /// The files and links in the spool, but for the lock and what is being staged.
    pub fn spooled(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.spool()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => dirs.push(entry.path()),
                    _ => found.push(entry.path()),
                }
            }
        }
        found.retain(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name != ".crashmover.lock" && !path.to_string_lossy().contains("/.staging/")
        });
        found
    }

    /// Waits until the spool is empty.
    pub fn wait_until_spool_is_empty(&self) {
        wait_for("the spool to be empty", || {
            self.spooled().is_empty().then_some(())
        });
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.hbase {
            // Best effort: the HBase of the tests is thrown away in the end.
            let _ = self
                .command("socorro", &["schema", "drop", "--yes"])
                .output();
        }
    }
}
