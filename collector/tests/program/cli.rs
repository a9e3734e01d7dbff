//! The program's command line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

fn collector(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collector"));
    command.args(args).env_remove("SOCORRO_CONFIG");
    command
}

fn run(args: &[&str]) -> (Output, String) {
    let output = collector(args).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

#[test]
fn help_teaches() {
    let (output, _) = run(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "/submit",
        "--config",
        "--set",
        "--print-config",
        "check-rules",
        "Exit codes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn mistakes_are_named_and_end_with_exit_code_1() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "[collector]\nlisten = \"127.0.0.1:0\"\nmax_bdy_bytes = 1\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    for (args, parts) in [
        (
            vec!["--config", path],
            vec!["max_bdy_bytes", path, "line 3"],
        ),
        (
            vec!["--set", "collector.conections=1"],
            vec!["collector.conections", "unknown field"],
        ),
        (vec!["--config", "/nowhere.toml"], vec!["/nowhere.toml"]),
        (
            vec!["--set", "collector.listen=999.1.1.1:x"],
            vec!["collector.listen"],
        ),
        (vec!["--set", "log.level=loud,=="], vec!["log.level"]),
        (
            vec!["--set", "collector.max_dump_name_bytes=19"],
            vec!["collector.max_dump_name_bytes = 19", "20"],
        ),
        (
            vec!["--set", "collector.max_dump_name_bytes=61"],
            vec!["collector.max_dump_name_bytes = 61", "60"],
        ),
    ] {
        let (output, errors) = run(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
        for part in parts {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }
    assert_eq!(run(&["--no-such-flag"]).0.status.code(), Some(2));
}

#[test]
fn a_bad_rule_stops_the_start_with_file_line_and_reason() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let rule =
        "[[collector.throttle]]\nname = \"a\"\nwhen = [{ annotation = \"b\", matches = \"(\" }]";
    std::fs::write(file.path(), rule).unwrap();
    let path = file.path().to_str().unwrap();
    for args in [vec!["--config", path], vec!["check-rules", path]] {
        let (output, errors) = run(&args);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        for part in [path, "line 3", "unclosed group"] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }
}

#[test]
fn rules_are_checked_on_a_crash_from_standard_input() {
    let rules = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/throttle-mozilla.toml"
    );
    let mut child = collector(&["check-rules", rules])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(br#"{"ProductName": "Arena"}"#).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        text.starts_with("1 has_old_buildid: no, BuildID is missing\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\n5 unsupported_product: YES, discard\n"),
        "{text}"
    );
}

#[test]
fn the_configuration_in_force_is_printed() {
    let (output, errors) = run(&["--print-config", "--set", "collector.connections=7"]);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("connections = 7  # --set collector.connections=7"),
        "{text}"
    );
}

#[test]
fn it_says_where_it_listens_and_stops_on_sigterm_with_exit_code_0() {
    let dir = tempfile::TempDir::new().unwrap();
    let spool = format!("spool.primary={}", dir.path().join("spool").display());
    let mut child = collector(&["--set", "collector.listen=127.0.0.1:0", "--set", &spool])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("listening address=127.0.0.1:")));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
