//! What reaches the disk before the answer, as the kernel sees it, and what a failed sync means.

use std::path::Path;
use std::process::Command;

use socorro_tests::client::{Form, acknowledged};
use socorro_tests::program::{self, Program};
use socorro_tests::site::Site;
use socorro_tests::wait_for;

use crate::null_write;

/// A collector whose system calls are written to a file.
struct Traced {
    collector: Program,
    address: String,
    trace: std::path::PathBuf,
}

impl Traced {
    /// Starts one; `None` where there is no strace. `inject` are further arguments of strace.
    fn start(site: &Site, inject: &[&str], settings: &[&str]) -> Option<Self> {
        if Command::new("strace").arg("-V").output().is_err() {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "this needs strace: install strace"
            );
            eprintln!("not tested: this needs strace: install strace");
            return None;
        }
        let trace = site.path("trace");
        let mut command = Command::new("strace");
        // With -D the collector is our child, and strace its grandchild: signals go to the collector.
        command.args(["-D", "-f", "-qq", "-s", "200", "-e", "signal=none", "-o"]);
        command.arg(&trace).arg("-y").args(inject).args([
            "-e",
            "trace=write,writev,pwrite64,syncfs,rename,renameat,renameat2,symlink,symlinkat",
        ]);
        command.arg(program::path("collector")).arg("--config");
        command.arg(site.config()).args(settings);
        let mut collector = Program::start(command);
        let line = collector.wait_for_log("collector: listening");
        let (_, address) = line.split_once("address=").unwrap();
        Some(Self {
            collector,
            address: address.trim().to_owned(),
            trace,
        })
    }

    /// Stops the collector and returns the calls, each at its end.
    fn calls(self) -> Vec<String> {
        let Self {
            collector, trace, ..
        } = self;
        assert!(collector.stop().success());
        let ended = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("stopping").then_some(text)
        };
        let text = wait_for("the trace to be written", || ended(&trace));
        text.lines().map(str::to_owned).collect()
    }
}

/// The place of the first call from there on that has all this in it.
fn after(calls: &[String], from: usize, parts: &[&str]) -> usize {
    let found = calls[from..]
        .iter()
        .position(|call| parts.iter().all(|part| call.contains(part)));
    from + found.unwrap_or_else(|| panic!("no {parts:?} in\n{}", calls[from..].join("\n")))
}

#[test]
fn data_is_synced_before_it_gets_a_name_and_the_name_before_the_answer() {
    let site = Site::on_files();
    let Some(traced) = Traced::start(&site, &[], &[]) else {
        return;
    };
    let id = null_write().accepted(Form::Firefox, &traced.address);
    let calls = traced.calls();
    let id = id.as_str();
    let written = after(&calls, 0, &["write(", ".staging/"]);
    let data_synced = after(&calls, written, &["syncfs(", "= 0"]);
    let dump_named = after(&calls, written, &["rename", id, ".dump\"", "= 0"]);
    let linked = after(&calls, written, &["symlink", id, "= 0"]);
    let json_named = after(&calls, written, &["rename", id, ".json\"", "= 0"]);
    let names_synced = after(&calls, data_synced + 1, &["syncfs(", "= 0"]);
    let answered = after(&calls, written, &["CrashID=bp-"]);
    let last_written = calls
        .iter()
        .rposition(|call| call.contains("write(") && call.contains(".staging/"));
    assert!(
        last_written.unwrap() < data_synced
            && data_synced < dump_named.min(linked)
            && dump_named.max(linked) < json_named
            && json_named < names_synced
            && names_synced < answered,
        "{}",
        calls.join("\n")
    );
}

/// strace counts for each thread, so only "all of them" is the same in every run.
#[test]
fn a_crash_whose_sync_failed_is_not_acknowledged_from_that_spool() {
    let site = Site::on_files();
    let inject = ["-e", "inject=syncfs:error=EIO:when=1+"];
    let settings = ["--set", "collector.refuse_after=1s"];
    let Some(traced) = Traced::start(&site, &inject, &settings) else {
        return;
    };
    let answer = null_write().post(Form::Firefox, &traced.address);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(acknowledged(&answer), None);
    after(&traced.calls(), 0, &["syncfs(", "INJECTED"]);
}

#[test]
fn what_was_written_before_a_failed_sync_never_gets_a_name() {
    let site = Site::on_files();
    let inject = ["-e", "inject=syncfs:error=EIO:when=1"];
    let Some(traced) = Traced::start(&site, &inject, &[]) else {
        return;
    };
    let answer = null_write().post(Form::Firefox, &traced.address);
    let calls = traced.calls();
    let failed = after(&calls, 0, &["syncfs(", "EIO"]);
    let staged = |call: &String| {
        let (_, path) = call.split_once("write(")?.1.split_once("/.staging/")?;
        Some(path.split_once('>')?.0.to_owned())
    };
    let before: Vec<_> = calls[..failed].iter().filter_map(staged).collect();
    assert!(!before.is_empty());
    for call in calls.iter().filter(|call| call.contains("rename")) {
        let named = before.iter().any(|path| call.contains(path.as_str()));
        assert!(!named, "{call}");
    }
    // A new attempt must have written, and synced, all again.
    if acknowledged(&answer).is_some() {
        let again = calls[failed..].iter().filter_map(staged).count();
        assert!(again >= 2, "{}", calls.join("\n"));
    }
}
