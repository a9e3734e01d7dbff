//! The collector as a process of its own, and what it costs.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::answer;

/// Between two health checks.
const CHECK_PAUSE: Duration = Duration::from_millis(5);

/// A collector; killed when dropped.
pub(crate) struct Server {
    child: Child,
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
            std::thread::sleep(CHECK_PAUSE);
        };
        Self {
            child,
            address,
            spool,
        }
    }

    /// The processor time that it has used, in steps of 10 ms.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, behind_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        // Fields 14 and 15 of proc(5), of which the first two are cut off.
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        let per_second = rustix::param::clock_ticks_per_second();
        Duration::from_secs(ticks(11) + ticks(12)) / u32::try_from(per_second).unwrap()
    }

    /// The most memory that it had so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.trim().parse::<u64>().unwrap() << 10
    }

    /// A connection that has had its answer to one small request.
    pub(crate) fn idle(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        check(&mut stream);
        stream
    }

    /// Does some work, and asks again and again meanwhile whether the collector is up.
    pub(crate) fn while_checked<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Duration>) {
        let is_done = AtomicBool::new(false);
        let checking = || {
            let mut stream = TcpStream::connect(self.address).unwrap();
            let mut latencies = Vec::new();
            while !is_done.load(Ordering::Relaxed) {
                latencies.push(check(&mut stream));
                std::thread::sleep(CHECK_PAUSE);
            }
            latencies
        };
        std::thread::scope(|scope| {
            let checking = scope.spawn(checking);
            let done = work();
            is_done.store(true, Ordering::Relaxed);
            (done, checking.join().unwrap())
        })
    }
}

/// Asks whether the collector is up; how long the answer took.
fn check(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let request = b"GET /__lbheartbeat__ HTTP/1.1\r\nHost: bench\r\n\r\n";
    stream.write_all(request).unwrap();
    let answer = answer(stream);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    began.elapsed()
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
