//! What the collector does with two processors' worth of load, and what it costs.
//!
//! ```sh
//! cargo bench -p collector --bench submit             # all parts
//! cargo bench -p collector --bench submit -- rates    # one of rates, time, large, idle
//! ```
//!
//! Starts the real program on a spool below `TMPDIR`, which should lie on the kind of disk that a spool
//! has, and posts crashes with 30 annotations and a dump of 500,000 bytes. Rates are compared with a
//! bare program that writes and syncs the same files, or the files and links, without HTTP (`bare.rs`), and
//! with a collector that discards them all, which is what HTTP alone takes, in turns. Load and server share the machine:
//! the ratios and the processor times count. At most about 6 GB are on the
//! disk at a time, which are removed at the end; what was deleted makes new files on ext4 slow for some
//! minutes, so wait before a second run.

mod bare;
mod costs;
mod load;
#[path = "../../tests/program/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bare::Bare;
use load::{Load, multipart};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::Server;

const ROUNDS: usize = 3;
const WINDOW: Duration = Duration::from_secs(2);
const DUMP_BYTES: usize = 500_000;
const LARGE_DUMP_BYTES: usize = 20_000_000;
const IDLE_CONNECTIONS: usize = 10_000;
const DISCARD_ALL: &str = r#"collector.throttle=[{ name = "all", result = "discard" }]"#;
/// Room that must be free for it all.
const NEEDED_BYTES: u64 = 12 << 30;
const MIB: f64 = (1 << 20) as f64;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let stat = rustix::fs::statvfs(dir.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    assert!(free > NEEDED_BYTES, "too little room: {free} bytes free");
    allow_open_files(IDLE_CONNECTIONS as u64 + 1000);
    let bench = Bench {
        dir: dir.path().to_owned(),
        body: multipart(DUMP_BYTES),
        large: multipart(LARGE_DUMP_BYTES),
    };
    println!("{:58} {:>9} {:>9}", "", "wanted", "found");
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    type Part = fn(&Bench);
    for (name, part) in [
        ("rates", Bench::rates_and_latency as Part),
        ("time", Bench::processor_time),
        ("large", Bench::memory_of_large_uploads),
        ("idle", Bench::memory_of_idle_connections),
    ] {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part(&bench);
        }
    }
}

struct Bench {
    dir: PathBuf,
    body: Vec<u8>,
    large: Vec<u8>,
}

impl Bench {
    fn rates_and_latency(&self) {
        let server = Server::start(&self.spool("rates"), &[]);
        let small = Load::plain(server.address, &self.body);
        let discarding = Server::start(&self.spool("discarding"), &[DISCARD_ALL]);
        let discarded = Load::plain(discarding.address, &self.body);
        small.drive(8, WINDOW);
        for connections in [8, 32, 128] {
            let (mut files, mut links) = (Vec::new(), Vec::new());
            let (mut served, mut alone, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..ROUNDS {
                for (bare, rates) in [(Bare::Files, &mut files), (Bare::FilesAndLinks, &mut links)]
                {
                    let dir = self.spool(&format!("{bare:?}-{connections}-{round}"));
                    rates.push(bare.drive(&dir, &self.body, connections, WINDOW).rate());
                    empty_files(&dir);
                }
                let done = small.drive(connections, WINDOW);
                served.push(done.rate());
                latencies.extend(done.latencies);
                empty_files(&server.spool);
                alone.push(discarded.drive(connections, WINDOW / 2).rate());
            }
            println!(
                "  {connections} connections, reports/s: collector {served:.0?}, bare files {files:.0?}"
            );
            println!("    bare files and links {links:.0?}, HTTP alone {alone:.0?}");
            for (what, bare) in [("files", files), ("files and links", links)] {
                let ratios = bare.iter().zip(&served).map(|(bare, served)| served / bare);
                let what = format!("rate against bare {what}, {connections} connections");
                tell(&what, ">= 1.0", median(ratios.collect()));
            }
            if connections == 8 {
                let middle = percentile(&mut latencies, 50);
                let high = percentile(&mut latencies, 99);
                println!("  8 connections, latency, median {middle:.1?}, p99 {high:.1?}");
                let ratio = high.as_secs_f64() / middle.as_secs_f64();
                tell("p99 to median latency, 8 connections", "<= 4", ratio);
            }
        }
    }

    fn processor_time(&self) {
        let server = Server::start(&self.spool("time"), &[]);
        for (what, load, wanted) in [
            ("500 kB", Load::plain(server.address, &self.body), "<= 0.9"),
            ("20 MB", Load::plain(server.address, &self.large), "<= 25"),
            (
                "500 kB in gzip",
                Load::gzip(server.address, &self.body),
                "<= 2.2",
            ),
        ] {
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let before = server.processor_time();
                let done = load.drive(8, WINDOW);
                let used = server.processor_time() - before;
                times.push(used.as_secs_f64() * 1000.0 / done.latencies.len() as f64);
                empty_files(&server.spool);
            }
            tell(
                &format!("ms of processor, {what}, 8 connections"),
                wanted,
                median(times),
            );
        }
    }

    fn memory_of_large_uploads(&self) {
        let server = Server::start(&self.spool("large"), &[]);
        let (_, mut beats) = server
            .while_checked(|| Load::plain(server.address, &self.large).drive(128, Duration::ZERO));
        let peak = server.peak_bytes() as f64 / MIB;
        tell("MiB at 128 uploads of 20 MB", "<= 48", peak);
        let high = percentile(&mut beats, 99).as_secs_f64() * 1000.0;
        tell("p99 of /__lbheartbeat__ during them, ms", "< 100", high);
        empty_files(&server.spool);
    }

    fn memory_of_idle_connections(&self) {
        let most = format!("collector.connections={}", IDLE_CONNECTIONS + 100);
        let server = Server::start(&self.spool("idle"), &[&most]);
        let idle: Vec<_> = (0..IDLE_CONNECTIONS).map(|_| server.idle()).collect();
        let peak = server.peak_bytes() as f64 / MIB;
        tell(
            "MiB at 10,000 connections, after one request each",
            "<= 200",
            peak,
        );
        drop(idle);
    }

    fn spool(&self, name: &str) -> PathBuf {
        let dir = self.dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        dir
    }
}

fn tell(what: &str, wanted: &str, found: f64) {
    println!("{what:58} {wanted:>9} {found:9.2}");
}

/// Raises the limit on open files of this process, and so of those that it starts.
fn allow_open_files(needed: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        let current = Some(needed);
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    }
}

/// Gives the disk its room back, without the deletions that would slow down the next round, and lets the
/// disk come to rest.
fn empty_files(dir: &Path) {
    fn empty(dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                empty(&entry.path());
            } else if kind.is_file() {
                let file = std::fs::OpenOptions::new().write(true).open(entry.path());
                file.unwrap().set_len(0).unwrap();
            }
        }
    }
    empty(dir);
    rustix::fs::syncfs(std::fs::File::open(dir).unwrap()).unwrap();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort();
    values[(values.len() - 1) * percent / 100]
}
