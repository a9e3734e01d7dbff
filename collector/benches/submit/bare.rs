//! What the collector is compared with: a crash's two files, written and synced one by one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use crate::load::{Done, repeat};

const JSON_BYTES: usize = 1500;

/// Writes crashes on so many threads until the time is up.
pub(crate) fn drive(root: &Path, dump: &[u8], threads: usize, window: Duration) -> Done {
    repeat(threads, window, || move || write(root, dump).unwrap())
}

/// As a careful program without group commit does it: the files, then the directories that name them.
fn write(root: &Path, dump: &[u8]) -> std::io::Result<()> {
    let id = format!("{:032x}", fastrand::u128(..));
    let (outer, inner) = (root.join(&id[..2]), root.join(&id[..2]).join(&id[2..4]));
    for dir in [&outer, &inner] {
        match fs::create_dir(dir) {
            Ok(()) => File::open(dir.parent().unwrap())?.sync_all()?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    for (ending, content) in [("dump", dump), ("json", &dump[..JSON_BYTES])] {
        let mut file = File::create(inner.join(format!("{id}.{ending}")))?;
        file.write_all(content)?;
        file.sync_data()?;
    }
    File::open(inner)?.sync_all()
}
