//! What trees and the file-system queue promise, on real directories.

mod queue;
mod rejected;
mod socorro_2x;
mod survey;
mod tree;
mod walk;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::raw_crash::{ThrottleResult, field, format_timestamp};
use crate::storage::{Claim, CrashQueue, Finish};

fn dated(root: &Path) -> Tree {
    Tree::new(TreeOptions {
        root: root.to_owned(),
        dated: true,
        host: "web1".into(),
        allow_network_fs: false,
    })
}

fn primary(root: &Path) -> FileSystemCrashStorage {
    let [standard, deferred, processed] = ["std", "def", "pro"].map(|name| root.join(name));
    FileSystemCrashStorage::new(
        Roots {
            standard,
            deferred,
            processed,
        },
        "web1",
        false,
    )
}

/// A crash received at that time (RFC 3339).
fn crash_at(time: &str, throttle: ThrottleResult) -> (CrashId, RawCrash, Dumps) {
    let received: Timestamp = time.parse().unwrap();
    let id = CrashId::new(received.to_zoned(jiff::tz::TimeZone::UTC).date());
    let mut raw = RawCrash::default();
    raw.set("ProductName", "Arena");
    raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(received));
    raw.set(field::LEGACY_PROCESSING, throttle as i64);
    let dumps = [
        (
            DumpName::main(),
            Dump::Bytes(Bytes::from_static(b"MDMP main")),
        ),
        (
            DumpName::parse("flash1").unwrap(),
            Dump::Bytes(Bytes::from_static(b"MDMP flash")),
        ),
    ];
    (id, raw, dumps.into())
}

fn crash() -> (CrashId, RawCrash, Dumps) {
    crash_at("2026-11-03T13:05:59.5Z", ThrottleResult::Accept)
}

fn ids(storage: &dyn CrashStorage) -> Vec<CrashId> {
    storage
        .new_crashes()
        .unwrap()
        .map(|id| id.unwrap())
        .collect()
}

/// All files and links below a root, but for staging and empty directories.
fn files(root: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(root).into_iter().flatten();
    walk.filter(|e| !e.file_type().is_dir())
        .map(|e| e.into_path())
        .collect()
}

async fn contents(storage: &dyn CrashStorage, id: &CrashId) -> Vec<(String, Bytes)> {
    let dumps = storage.get_dumps(id).await.unwrap();
    dumps
        .iter()
        .map(|(name, dump)| (name.to_string(), dump.read().unwrap()))
        .collect()
}
