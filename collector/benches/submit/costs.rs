//! What a collector costs, in processor time and in the time of those who ask whether it is up.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::answer;
use crate::server::Server;

/// Between two health checks.
const CHECK_PAUSE: Duration = Duration::from_millis(5);

impl Server {
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
