//! Clears days of which all crashes have been removed: what is left of half crashes, and empty
//! directories.

use std::fs;
use std::path::PathBuf;

use jiff::civil::Date;
use walkdir::WalkDir;

use super::files::{days, is_past, remove_file};
use super::survey::{What, survey_day};
use super::tree::Tree;
use crate::storage::Result;
use crate::storage::error::AtPath;

/// What was cleared of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Half crashes and dangling links, older than an hour.
    pub remains: u64,
    /// Empty directories.
    pub directories: u64,
}

impl Tree {
    /// Clears day after day, `until` included, but never today and yesterday, into which collectors
    /// may still write. With `dry_run` remains are only counted. Whole crashes stay. The iterator
    /// blocks while it works.
    pub fn sweep(
        &self,
        until: Date,
        dry_run: bool,
    ) -> Result<impl Iterator<Item = Result<Swept>> + Send + use<>> {
        let root = self.root().to_owned();
        let days = days(&root)?.into_iter();
        Ok(days
            .filter(move |(_, date)| *date <= until && is_past(*date))
            .map(move |(day, _)| sweep_day(root.join(day), dry_run)))
    }
}

fn sweep_day(day: PathBuf, dry_run: bool) -> Result<Swept> {
    let mut swept = Swept::default();
    for finding in survey_day(day.clone()) {
        let finding = finding?;
        if !matches!(finding.what, What::Half | What::Dangling) {
            continue;
        }
        swept.remains += 1;
        if !dry_run {
            for file in &finding.files {
                remove_file(file).at("remove", file)?;
            }
        }
    }
    if !dry_run {
        for entry in WalkDir::new(day).contents_first(true).into_iter().flatten() {
            let is_removed = entry.file_type().is_dir() && fs::remove_dir(entry.path()).is_ok();
            swept.directories += u64::from(is_removed);
        }
    }
    Ok(swept)
}
