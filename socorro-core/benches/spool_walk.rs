//! Whether walking and draining a spool cost the same per crash, and the same memory, however many
//! crashes wait.
//!
//! ```sh
//! cargo bench -p socorro-core --features testing --bench spool_walk -- [CRASHES]
//! ```
//!
//! Compares 10,000 waiting crashes with CRASHES (100,000 if not given), first all in one slot, then
//! 100,000 a day over all minutes: walking them, claiming some as processors do, and moving all as
//! the crash mover does, into a storage that forgets. Small crashes without dumps: a million takes 4 GB and
//! three million inodes below `TMPDIR`, which are removed at the end. The ratios count.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use socorro_core::storage::filesystem::{FileSystemCrashStorage, Roots, Tree, TreeOptions};
use socorro_core::storage::null::NullCrashStorage;
use socorro_core::storage::{CrashQueue, CrashStorage};
use socorro_core::testing::socorro_2x::{Spooled, id};
use tokio::sync::{Mutex, mpsc};

const FEW: usize = 10_000;
const A_DAY: usize = 100_000;
const MINUTES: usize = 1440;
/// Held at a time, each an open file.
const CLAIMS: usize = 500;
/// As `crashmover.workers`.
const WORKERS: usize = 200;

fn main() {
    let number = std::env::args().find_map(|arg| arg.parse().ok());
    let many: usize = number.unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    for (name, slots) in [("one slot", 1), ("all minutes", MINUTES)] {
        let [few, many] =
            [FEW, many].map(|crashes| runtime.block_on(measure(name, crashes, slots)));
        println!(
            "{name}: rate of many to few: walk {:.2}, claim {:.2}, move {:.2}; memory {:.2}",
            many.walked / few.walked,
            many.claimed / few.claimed,
            many.moved / few.moved,
            many.megabytes / few.megabytes,
        );
    }
}

struct Measured {
    /// Crashes a second.
    walked: f64,
    /// Crashes a second.
    claimed: f64,
    /// Crashes a second.
    moved: f64,
    /// Most that was in memory.
    megabytes: f64,
}

async fn measure(name: &str, crashes: usize, slots: usize) -> Measured {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), crashes, slots);
    let tree = Arc::new(Tree::new(TreeOptions {
        root: dir.path().to_owned(),
        dated: true,
        host: "bench".into(),
        allow_network_fs: true,
    }));
    let mut megabytes = resident_megabytes();

    let started = Instant::now();
    let mut walk = tree.new_crashes().unwrap();
    walk.next().unwrap().unwrap();
    let first = started.elapsed();
    let mut met = 1;
    for id in walk {
        id.unwrap();
        met += 1;
        if met % 1000 == 0 {
            megabytes = megabytes.max(resident_megabytes());
        }
    }
    assert_eq!(met, crashes);
    let walked = crashes as f64 / started.elapsed().as_secs_f64();

    let claimed = claim_some(dir.path()).await;

    let started = Instant::now();
    let peak = drain(&tree).await;
    let moved = crashes as f64 / started.elapsed().as_secs_f64();
    megabytes = megabytes.max(peak);
    assert_eq!(tree.new_crashes().unwrap().count(), 0);
    println!(
        "{name}, {crashes} crashes: first met after {:.1} ms, walked {walked:.0}/s, claimed \
         {claimed:.0}/s, moved {moved:.0}/s, {megabytes:.1} MB resident at most",
        first.as_secs_f64() * 1e3
    );
    Measured {
        walked,
        claimed,
        moved,
        megabytes,
    }
}

fn fill(root: &Path, crashes: usize, slots: usize) {
    for place in 0..crashes {
        let (day, minute) = (1 + place / A_DAY % 28, place % slots);
        Spooled {
            id: id(2, &format!("2001{day:02}")),
            day: &format!("202001{day:02}"),
            slot: &format!("{:02}/{:02}/bench_0", minute / 60, minute % 60),
            dumps: &[],
            name_link: true,
            date_link: true,
        }
        .write(root);
    }
}

/// Claims some of the crashes, the tree being a primary storage's, and gives them back; returns
/// claims a second.
async fn claim_some(standard: &Path) -> f64 {
    let elsewhere = tempfile::tempdir().unwrap();
    let roots = Roots {
        standard: standard.to_owned(),
        deferred: elsewhere.path().join("deferred"),
        processed: elsewhere.path().join("processed"),
    };
    let storage = FileSystemCrashStorage::new(roots, "bench", true);
    let mut claims = Vec::new();
    let started = Instant::now();
    for _ in 0..CLAIMS {
        claims.push(storage.claim().await.unwrap().unwrap());
    }
    let rate = CLAIMS as f64 / started.elapsed().as_secs_f64();
    for mut claim in claims {
        claim.release().await.unwrap();
    }
    rate
}

/// Moves all that waits, as the crash mover does; returns the most memory in megabytes.
async fn drain(tree: &Arc<Tree>) -> f64 {
    let (sender, ids) = mpsc::channel(2 * WORKERS);
    let ids = Arc::new(Mutex::new(ids));
    let walk = tree.new_crashes().unwrap();
    let walker = tokio::task::spawn_blocking(move || {
        let mut peak: f64 = 0.0;
        for (place, id) in walk.enumerate() {
            sender.blocking_send(id.unwrap()).unwrap();
            if place % 1000 == 0 {
                peak = peak.max(resident_megabytes());
            }
        }
        peak
    });
    let workers = (0..WORKERS).map(|_| {
        let (tree, ids) = (Arc::clone(tree), Arc::clone(&ids));
        tokio::spawn(async move {
            loop {
                let Some(id) = ids.lock().await.recv().await else {
                    return;
                };
                let raw = tree.get_raw_crash(&id).await.unwrap();
                let dumps = tree.get_dumps(&id).await.unwrap();
                NullCrashStorage
                    .save_raw_crash(&id, &raw, &dumps)
                    .await
                    .unwrap();
                tree.remove(&id).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    walker.await.unwrap()
}

fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes.unwrap().parse::<f64>().unwrap() / 1e3
}
