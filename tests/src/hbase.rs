//! An HBase of one test's own. What all tests share is named by `socorro_core::testing::hbase`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use socorro_core::testing;
use tempfile::TempDir;

/// An HBase of one test's own, to be stopped and started as it likes.
#[derive(Debug)]
pub struct OwnHBase {
    dir: TempDir,
    /// Host and port of the Thrift server; the same after each start.
    pub address: String,
}

impl OwnHBase {
    /// Starts one; `None` where tests with HBase are skipped.
    pub fn start() -> Option<Self> {
        testing::hbase().map(|_| Self::new())
    }

    /// Starts one.
    #[expect(clippy::new_without_default, reason = "it takes half a minute")]
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let address = control(&["start"], &dir);
        Self { dir, address }
    }

    /// Kills server and Thrift server with `kill -9`.
    pub fn kill(&self) {
        control(&["kill"], &self.dir);
    }

    /// Starts both again on the data that is there.
    pub fn start_again(&self) {
        assert_eq!(control(&["start"], &self.dir), self.address);
    }
}

impl Drop for OwnHBase {
    fn drop(&mut self) {
        control(&["kill"], &self.dir);
    }
}

fn control(words: &[&str], dir: &TempDir) -> String {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/hbase/hbase");
    let mut command = Command::new(script);
    let output = command
        .args(words)
        .arg(dir.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "hbase {words:?} failed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
