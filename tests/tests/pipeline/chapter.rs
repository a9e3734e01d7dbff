//! The examples of the storage chapter, `socorro-core/README.md`, are what the commands print.
//!
//! Each `$ ` line of a `console` block is run by a shell, in a directory with `crash.json` and
//! `crash.dmp`; the lines behind it are its output. Comments in the chapter say on which storage, and
//! where the processors work. After a change, `SOCORRO_WRITE_CHAPTER=1 cargo test -p socorro-tests
//! chapter` writes the chapter anew: look at the difference before it is committed.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;
use socorro_tests::program::Program;
use socorro_tests::site::Site;
use socorro_tests::{fixtures, program};

const ON_FILES: &str = "<!-- on the file system -->";
const ON_HBASE: &str = "<!-- on HBase -->";
const PROCESSORS_WORK: &str = "<!-- processors work -->";

/// The crash that the processors process.
const CRASH: &str = "4dd21cc0-49d9-46ae-a42b-fadb42090928";

fn chapter() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../socorro-core/README.md")
}

#[test]
fn its_examples_are_what_the_commands_print() {
    let Some(site) = Site::on_hbase() else {
        return;
    };
    let text = fs::read_to_string(chapter()).unwrap();
    let (before, rest) = text.split_once(ON_FILES).unwrap();
    let (on_files, on_hbase) = rest.split_once(ON_HBASE).unwrap();
    let on_files = tell(&site, "FileSystemCrashStorage", on_files);
    site.run("socorro", &["schema", "drop", "--yes"]);
    let on_hbase = tell(&site, "HBaseCrashStorage", on_hbase);
    let now = format!("{before}{ON_FILES}{on_files}{ON_HBASE}{on_hbase}");
    if std::env::var_os("SOCORRO_WRITE_CHAPTER").is_some() {
        fs::write(chapter(), now).unwrap();
        return;
    }
    for (then, now) in steady(&text).lines().zip(steady(&now).lines()) {
        assert_eq!(then, now, "see the head of {}", file!());
    }
    assert_eq!(steady(&text).lines().count(), steady(&now).lines().count());
}

/// The text with all commands run anew.
fn tell(site: &Site, storage: &str, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut annotations = fixtures::annotations();
    let received = "2009-09-28T13:05:59.000000+00:00";
    annotations.insert("submitted_timestamp".into(), received.into());
    let annotations = Value::from(annotations).to_string();
    fs::write(dir.path().join("crash.json"), annotations).unwrap();
    fs::write(dir.path().join("crash.dmp"), fixtures::dump("null-write")).unwrap();
    let mut told = String::new();
    let mut is_console = false;
    for line in text.lines() {
        if line == PROCESSORS_WORK {
            let processor = with(site.command("processor", &["run"]), storage);
            let processor = Program::start(processor);
            run(
                site,
                storage,
                dir.path(),
                &format!("socorro get_report {CRASH} --wait 60"),
            );
            assert!(processor.stop().success());
        }
        match line.strip_prefix("$ ") {
            Some(command) if is_console => {
                writeln!(told, "{line}").unwrap();
                told.push_str(&run(site, storage, dir.path(), command));
            }
            _ if is_console && !line.starts_with("```") => {}
            _ => {
                is_console = line == "```console";
                writeln!(told, "{line}").unwrap();
            }
        }
    }
    told
}

fn run(site: &Site, storage: &str, dir: &Path, command: &str) -> String {
    let programs = program::path("socorro");
    let path = format!(
        "{}:{}",
        programs.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{{ {command}; }} 2>&1")])
        .current_dir(dir)
        .env("PATH", path)
        .env("SOCORRO_CONFIG", site.config())
        .env("SPOOL", site.spool());
    let output = with(shell, storage).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Where an installation would be.
    let dir = site.spool().parent().unwrap().display().to_string();
    text.replace(&dir, "/srv/socorro")
}

fn with(mut command: Command, storage: &str) -> Command {
    command
        .env("SOCORRO__STORAGE__CLASS", storage)
        .env("SOCORRO__STORAGE__HOST", "web1");
    command
}

/// Without what differs from run to run: today's times, ages and process ids.
fn steady(text: &str) -> String {
    let today =
        Regex::new(r"\b20[2-9]\d-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{6})?|web1_[1-9]\d*|oldest \d+ s")
            .unwrap();
    today.replace_all(text, "NOW").into_owned()
}
