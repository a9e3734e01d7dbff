//! The program itself: its command line, what it answers to odd requests, what memory it takes.

mod cli;
mod outage;
#[path = "../../src/tests/requests.rs"]
mod requests;
mod server;
mod wire;

use std::path::{Path, PathBuf};

/// The files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path()),
            false => vec![entry.path()],
        })
        .collect()
}
