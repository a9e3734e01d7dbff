//! [`SpoolFile`]: a dump that is too large for memory, on a disk of the spool while it comes in.

use std::sync::Arc;

use super::filesystem::{Spilled, Tree};
use super::{Result, StorageError};
use crate::dumps::Dump;

/// A file in the staging of the first tree that takes it. When that tree fails, be it in the middle
/// of the file, the file goes on in another. It vanishes when dropped.
#[derive(Debug)]
pub struct SpoolFile {
    trees: Vec<Arc<Tree>>,
    /// The file, and which tree's it is.
    file: Option<(usize, Spilled)>,
    len: u64,
}

impl SpoolFile {
    /// An empty file; nothing is touched yet.
    pub fn new(trees: &[Arc<Tree>]) -> Self {
        Self {
            trees: trees.to_vec(),
            file: None,
            len: 0,
        }
    }

    /// Adds to the file. After an error nothing is added, and it may be repeated. Blocks for as
    /// long as the disks take.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        let mut errors = Vec::new();
        if let Some((_, file)) = &self.file {
            match file.write_at(data, self.len) {
                Ok(()) => {
                    self.len += data.len() as u64;
                    return Ok(());
                }
                Err(error) => errors.push(error),
            }
        }
        let current = self.file.as_ref().map(|(at, _)| *at);
        for (at, tree) in self.trees.iter().enumerate() {
            if Some(at) == current {
                continue;
            }
            match self.moved_to(tree, data) {
                Ok(file) => {
                    self.file = Some((at, file));
                    self.len += data.len() as u64;
                    return Ok(());
                }
                Err(error) => errors.push(error),
            }
        }
        Err(StorageError::All(errors))
    }

    fn moved_to(&self, tree: &Tree, data: &[u8]) -> Result<Spilled> {
        let next = tree.spill()?;
        if let Some((_, file)) = &self.file {
            if !file.is_sound() {
                return Err(lost());
            }
            next.copy_from(file, self.len)?;
        }
        next.write_at(data, self.len)?;
        Ok(next)
    }

    /// Says that nothing more comes: gives the descriptor back.
    pub fn close(&mut self) {
        if let Some((_, file)) = &mut self.file {
            file.close();
        }
    }

    /// The file as a dump, good as long as this lives.
    pub fn dump(&self) -> Dump {
        match &self.file {
            Some((_, file)) => file.dump(),
            None => Dump::Bytes(Default::default()),
        }
    }

    /// Whether no sync of its file system has failed since it was begun. If one has, what was
    /// written may be lost, even if a later sync succeeds: don't acknowledge it.
    pub fn is_sound(&self) -> bool {
        self.file.as_ref().is_none_or(|(_, file)| file.is_sound())
    }
}

fn lost() -> StorageError {
    StorageError::Unavailable {
        store: "file system",
        operation: "can't move a dump to another disk".into(),
        source: "a sync has failed, what was written may be lost".into(),
    }
}
