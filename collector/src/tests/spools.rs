//! Disks that are full, read-only, broken or gone.
//!
//! These tests mount small file systems, which takes root, loop devices and `mkfs.ext4`. Without
//! them they fail where CI=true and say so elsewhere.

use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// A file system of its own, unmounted when dropped.
struct Disk {
    dir: TempDir,
}

impl Disk {
    fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// An ext4 file system of that size in a file; `None` if this machine does not let us.
    fn new(megabytes: u64) -> Option<Self> {
        let disk = Self {
            dir: TempDir::new().unwrap(),
        };
        let image = disk.dir.path().join("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(megabytes << 20).unwrap();
        std::fs::create_dir(disk.path()).unwrap();
        let made = run("mkfs.ext4", &["-q".as_ref(), "-m0".as_ref(), &image])
            && run(
                "mount",
                &["-o".as_ref(), "loop".as_ref(), &image, &disk.path()],
            );
        if !made {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "tests of broken disks need root, loop devices and mkfs.ext4"
            );
            eprintln!("not tested: this needs root, loop devices and mkfs.ext4");
        }
        made.then_some(disk)
    }

    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        assert!(run("mount", &["-o".as_ref(), how.as_ref(), &self.path()]));
    }

    /// Leaves no more room than that.
    fn fill(&self, leave: u64) {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        let ballast = std::fs::File::create(self.path().join("ballast")).unwrap();
        let (mut filled, mut step) = (0, 1 << 20);
        // The last blocks can only be had one by one.
        while filled < free.saturating_sub(leave) && step >= 4096 {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&ballast, flags, filled, step) {
                Ok(()) => filled += step,
                Err(_) => step /= 2,
            }
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }

    /// From now on every access fails with an I/O error, as on a disk that has died.
    fn die(&self) {
        let path = self.path();
        let shutdown = ["-x", "-c", "shutdown"].map(Path::new);
        assert!(run("xfs_io", &[&shutdown[..], &[&path]].concat()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l".as_ref(), &self.path()]);
    }
}

fn run(program: &str, args: &[&Path]) -> bool {
    let mut command = Command::new(program);
    let command = command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

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
    Some([Disk::new(24)?, Disk::new(24)?])
}

impl Running {
    fn in_tree(&self, tree: usize) -> usize {
        use socorro_core::storage::CrashStorage;
        let ids = self.spool.trees[tree].new_crashes().unwrap();
        ids.map(Result::unwrap).count()
    }

    async fn heartbeat(&self) -> u16 {
        let request = b"GET /__heartbeat__ HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
        self.send(request).await.0
    }

    async fn takes(&self, body: &[u8]) {
        let (status, answer) = self.post(MULTIPART, body).await;
        assert!(answer.starts_with("CrashID=bp-"), "{status} {answer}");
    }
}

/// A crash with a dump of so many bytes.
fn large(size: usize) -> Vec<u8> {
    let bytes = (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let dump: Vec<u8> = bytes.collect();
    [PRODUCT, &file("upload_file_minidump", &dump), END].concat()
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
async fn a_primary_that_is_gone_is_replaced_by_the_fallback_until_it_is_back() {
    let dir = TempDir::new().unwrap();
    let [primary, fallback] = ["primary", "fallback"].map(|name| dir.path().join(name));
    let away = dir.path().join("away");
    let collector = start_on(dir, primary.clone(), fallback, |_| {}).await;
    collector.takes(&GOOD.concat()).await;
    std::fs::rename(&primary, &away).unwrap();
    std::fs::write(&primary, "a file where the spool should be").unwrap();
    for _ in 0..3 {
        collector.takes(&GOOD.concat()).await;
        collector.takes(&large(1 << 20)).await;
    }
    assert_eq!(collector.in_tree(1), 6);
    assert_eq!(collector.heartbeat().await, 200);
    std::fs::remove_file(&primary).unwrap();
    std::fs::rename(&away, &primary).unwrap();
    collector.takes(&large(1 << 20)).await;
    assert_eq!((collector.in_tree(0), collector.in_tree(1)), (2, 6));
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
    let collector = std::sync::Arc::new(collector);
    let uploads = [GOOD.concat(), large(3 << 20)].map(|body| {
        let collector = std::sync::Arc::clone(&collector);
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
