//! The collector as a process of its own. (Its benchmark uses this file, too.)

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Between two looks at the log.
const PAUSE: Duration = Duration::from_millis(5);

/// A collector; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) spool: PathBuf,
}

impl Server {
    /// Starts it on a spool in this directory, with its log in a file.
    pub(crate) fn start(dir: &Path, settings: &[&str]) -> Self {
        let (spool, log) = (dir.join("spool"), dir.join("log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_collector"));
        command
            .env_remove("SOCORRO_CONFIG")
            .args(["--set", "collector.listen=127.0.0.1:0"])
            .args(["--set", &format!("spool.primary={}", spool.display())])
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap());
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command.spawn().unwrap();
        let address = loop {
            let text = fs::read_to_string(&log).unwrap();
            let line = text
                .lines()
                .find_map(|line| line.split_once("listening address="));
            if let Some((_, address)) = line {
                break address.trim().parse().unwrap();
            }
            assert!(child.try_wait().unwrap().is_none(), "{text}");
            std::thread::sleep(PAUSE);
        };
        Self {
            child,
            address,
            spool,
        }
    }

    /// The most memory that it had so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.trim().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
