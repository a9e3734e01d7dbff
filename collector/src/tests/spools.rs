//! Disks that are full, read-only, broken or gone.
//!
//! These tests mount small file systems, which takes root, loop devices and `mkfs.ext4`. Without
//! them they fail where CI=true and say so elsewhere.

mod gone;

use std::path::Path;
use std::sync::Arc;

use socorro_core::testing::disk::{self, Disk};

use super::*;

/// A collector over two disks.
async fn on_two(disks: &[Disk; 2], change: impl FnOnce(&mut Options)) -> Running {
    let [primary, fallback] = disks.each_ref().map(|disk| disk.path().join("spool"));
    let dir = TempDir::new().unwrap();
    start_on(dir, primary, fallback, |options| {
        options.body_timeout = Duration::from_secs(60).into();
        change(options);
    })
    .await
}

fn two_disks() -> Option<[Disk; 2]> {
    two_disks_of("ext4", 24)
}

fn two_disks_of(kind: &str, megabytes: u64) -> Option<[Disk; 2]> {
    disk::can_be_mounted().then(|| [(); 2].map(|()| Disk::mounted(kind, megabytes)))
}

const HEARTBEAT: &[u8] = b"GET /__heartbeat__ HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";

impl Running {
    fn in_tree(&self, tree: usize) -> usize {
        use socorro_core::storage::CrashStorage;
        let ids = self.spool.trees[tree].new_crashes().unwrap();
        ids.map(Result::unwrap).count()
    }

    async fn heartbeat(&self) -> u16 {
        self.send(HEARTBEAT).await.0
    }

    async fn takes(&self, body: &[u8]) {
        let (status, answer) = self.post(MULTIPART, body).await;
        assert!(answer.starts_with("CrashID=bp-"), "{status} {answer}");
    }
}

/// A crash with a dump of so many bytes.
fn large(size: usize) -> Vec<u8> {
    [PRODUCT, &file("upload_file_minidump", &noise(size)), END].concat()
}

fn noise(size: usize) -> Vec<u8> {
    let bytes = (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    bytes.collect()
}

/// The files of a disk's spool that are no part of a whole crash.
fn leftovers(disk: &Disk) -> Vec<PathBuf> {
    let spool = walkdir(&disk.path().join("spool"));
    let whole = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let id = name.split('.').next().unwrap();
        spool
            .iter()
            .any(|other| other.ends_with(format!("{id}.json")))
    };
    spool.iter().filter(|path| !whole(path)).cloned().collect()
}

fn walkdir(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => walkdir(&entry.path()),
            false => vec![entry.path()],
        })
        .collect()
}

#[tokio::test]
async fn the_fallback_takes_over_while_the_primary_is_full_and_gives_back_when_it_is_not() {
    let Some(disks) = two_disks() else { return };
    let collector = on_two(&disks, |options| options.min_free_bytes = 4 << 20).await;
    collector.takes(&GOOD.concat()).await;
    disks[0].fill(0);
    for _ in 0..3 {
        collector.takes(&large(20_000)).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (1, 6));
    assert_eq!(leftovers(&disks[0]), Vec::<PathBuf>::new());
    assert_eq!(collector.heartbeat().await, 200);
    // Red before the last disk is full.
    disks[1].fill(3 << 20);
    assert_eq!(collector.heartbeat().await, 503);
    collector.takes(&large(20_000)).await;
    disks[0].empty();
    assert_eq!(collector.heartbeat().await, 200);
    collector.takes(&large(1 << 20)).await;
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (2, 7));
}

#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_of_a_dump_leaves_the_rest_to_the_other() {
    let Some(disks) = two_disks() else { return };
    let collector = on_two(&disks, |_| {}).await;
    collector.takes(&GOOD.concat()).await;
    disks[0].fill(2 << 20);
    let body = large(6 << 20);
    let answer = collector.post(MULTIPART, &body).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (1, 1));
    assert_eq!(leftovers(&disks[0]), Vec::<PathBuf>::new());
    let id = answer.1.trim_end().strip_prefix("CrashID=bp-").unwrap();
    let id = id.parse().unwrap();
    let dumps = collector.spool.storage.get_dumps(&id).await.unwrap();
    let dump = dumps["upload_file_minidump"].read().unwrap();
    assert!(memchr::memmem::find(&body, &dump).is_some() && dump.len() == 6 << 20);
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_or_dies_is_replaced_by_the_other_and_used_again() {
    let Some(disks) = two_disks() else { return };
    let collector = on_two(&disks, |_| {}).await;
    collector.takes(&GOOD.concat()).await;
    disks[0].remount("ro");
    for _ in 0..3 {
        collector.takes(&GOOD.concat()).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!(collector.in_tree(1), 6);
    assert_eq!(collector.heartbeat().await, 200);
    disks[0].remount("rw");
    collector.takes(&large(1 << 20)).await;
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (2, 6));

    disks[0].die();
    for _ in 0..3 {
        collector.takes(&GOOD.concat()).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!(collector.in_tree(1), 12);
    assert_eq!(collector.heartbeat().await, 200);
}

#[tokio::test]
async fn while_both_disks_are_bad_uploads_wait_for_either() {
    let Some(disks) = two_disks() else { return };
    let collector = on_two(&disks, |options| {
        options.refuse_after = Duration::from_secs(60).into();
    })
    .await;
    collector.takes(&GOOD.concat()).await;
    disks.iter().for_each(|disk| disk.remount("ro"));
    let collector = Arc::new(collector);
    let uploads = [GOOD.concat(), large(3 << 20)].map(|body| {
        let collector = Arc::clone(&collector);
        tokio::spawn(async move { collector.takes(&body).await })
    });
    until(async || collector.metric("uploads_in_flight").await == 2).await;
    disks[1].remount("rw");
    for upload in uploads {
        upload.await.unwrap();
    }
    assert_eq!(collector.in_tree(1), 2);
}

#[tokio::test]
async fn when_both_disks_stay_bad_the_client_is_told_and_nothing_is_left() {
    let Some(disks) = two_disks() else { return };
    let collector = on_two(&disks, |options| {
        options.refuse_after = Duration::from_millis(50).into();
    })
    .await;
    collector.takes(&GOOD.concat()).await;
    for disk in &disks {
        disk.fill(64 << 10);
    }
    for body in [large(200_000), large(2 << 20)] {
        assert_eq!(collector.post(MULTIPART, &body).await.0, 503);
    }
    for disk in &disks {
        assert_eq!(leftovers(disk), Vec::<PathBuf>::new());
    }
    for disk in &disks {
        disk.die();
    }
    for body in [GOOD.concat(), large(2 << 20)] {
        assert_eq!(collector.post(MULTIPART, &body).await.0, 503);
    }
    assert_eq!(collector.heartbeat().await, 503);
    assert!(collector.refused("not_stored").await >= 4);
}
