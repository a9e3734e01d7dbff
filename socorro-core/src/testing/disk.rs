//! [`Disk`]: a small file system in a file, which can fill up, turn read-only, die and come back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a program may hold the disk after it should have let go.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file system of its own. Unmounted when dropped, and its device goes with the process however
/// that ends.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    device: PathBuf,
    /// As long as it is open, the device keeps its number, mounted or not.
    _open: File,
    _home: TempDir,
}

impl Disk {
    /// A file system of that kind and size, mounted on a directory of its own.
    pub fn mounted(kind: &str, megabytes: u64) -> Self {
        let home = TempDir::new().unwrap();
        let dir = home.path().join("disk");
        let disk = Self::make(home, kind, megabytes, dir);
        disk.mount();
        disk
    }

    /// A file system of that kind and size, to be mounted on `dir`.
    pub fn new(kind: &str, megabytes: u64, dir: PathBuf) -> Self {
        Self::make(TempDir::new().unwrap(), kind, megabytes, dir)
    }

    fn make(home: TempDir, kind: &str, megabytes: u64, dir: PathBuf) -> Self {
        let image = home.path().join("image");
        let file = File::create(&image).unwrap();
        file.set_len(megabytes << 20).unwrap();
        fs::create_dir_all(&dir).unwrap();
        let args: &[&str] = if kind == "ext4" { &["-m0"] } else { &[] };
        run(Command::new(format!("mkfs.{kind}"))
            .arg("-q")
            .args(args)
            .arg(&image));
        let device = run(Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&image));
        let device = PathBuf::from(device.trim());
        let open = File::open(&device).unwrap();
        // In use, it is only marked: it goes with its last user.
        run(Command::new("losetup").arg("--detach").arg(&device));
        Self {
            dir,
            device,
            _open: open,
            _home: home,
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Mounts it.
    pub fn mount(&self) {
        run(Command::new("mount").args([&self.device, &self.dir]));
    }

    /// Unmounts it, once nobody uses it any more.
    pub fn unmount(&self) {
        run_once_unused(Command::new("umount").arg(&self.dir));
    }

    /// Takes it away under those who use it, who may go on with what they have open.
    pub fn unmount_under_its_users(&self) {
        run(Command::new("umount").arg("--lazy").arg(&self.dir));
    }

    /// Mounts it in another way: `ro`, once nobody writes any more, or `rw`.
    pub fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        run_once_unused(Command::new("mount").args(["-o", &how]).arg(&self.dir));
    }

    /// Leaves no more room than that, in bytes.
    pub fn fill(&self, leave: u64) {
        let stat = rustix::fs::statvfs(&self.dir).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        let ballast = File::create(self.dir.join("ballast")).unwrap();
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

    /// Takes back what [`Self::fill`] did.
    pub fn empty(&self) {
        fs::remove_file(self.dir.join("ballast")).unwrap();
    }

    /// Nothing more reaches the disk, not even the log of the file system, and every access fails with
    /// an I/O error. Mounted again, it has what was on the disk by then.
    pub fn die(&self) {
        let mut shutdown = Command::new("xfs_io");
        run(shutdown.args(["-x", "-c", "shutdown"]).arg(&self.dir));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may not be mounted.
        let _ = Command::new("umount").arg("--lazy").arg(&self.dir).output();
    }
}

fn run_once_unused(command: &mut Command) {
    let started = Instant::now();
    while !command.output().unwrap().status.success() {
        assert!(started.elapsed() < PATIENCE, "{command:?}: in use");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether this machine lets us mount disks; what it lacks is said on standard error.
///
/// # Panics
/// In CI (`CI=true`) where it does not.
pub fn can_be_mounted() -> bool {
    let Some(missing) = missing() else {
        return true;
    };
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "broken disks need {missing}");
    eprintln!("not tested: broken disks need {missing}");
    false
}

/// What this machine lacks, and how to get it.
fn missing() -> Option<&'static str> {
    let has = |program| Command::new(program).arg("-V").output().is_ok();
    if !has("mkfs.ext4") {
        return Some("mkfs.ext4: install e2fsprogs");
    }
    if !has("mkfs.xfs") || !has("xfs_io") {
        return Some("mkfs.xfs and xfs_io: install xfsprogs");
    }
    let mut free_loop = Command::new("unshare");
    free_loop.args(["--mount", "losetup", "--find"]);
    let allowed = free_loop
        .output()
        .is_ok_and(|output| output.status.success());
    (!allowed).then_some("root, unshare and loop devices: install util-linux, run as root")
}
