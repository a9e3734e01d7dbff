//! [`SpoolFile`]: a dump that is too large for memory, on a disk of the spool while it comes in.

use std::sync::Arc;

use super::filesystem::{Spilled, Tree};
use super::{Result, StorageError};
use crate::dumps::Dump;

/// A file in the staging of the first tree that takes it. It vanishes when dropped.
///
/// As long as a tree on another disk takes it, a copy goes there, and takes the file's place when its
/// disk fails; the copy is synced by nobody and so, most often, never written out. Without it, the file
/// goes on in another tree, be it in the middle, if what is written can still be read.
#[derive(Debug)]
pub struct SpoolFile {
    trees: Vec<Arc<Tree>>,
    file: Option<InTree>,
    copy: Option<InTree>,
    len: u64,
}

#[derive(Debug)]
struct InTree {
    tree: Arc<Tree>,
    file: Spilled,
}

impl SpoolFile {
    /// An empty file; nothing is touched yet.
    pub fn new(trees: &[Arc<Tree>]) -> Self {
        Self {
            trees: trees.to_vec(),
            file: None,
            copy: None,
            len: 0,
        }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Adds to the file. After an error nothing is added, and it may be repeated. Blocks for as
    /// long as the disks take.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        match &self.file {
            None => self.begin(data)?,
            Some(current) => match current.file.write_at(data, self.len) {
                Ok(()) => {
                    let lags = |copy: &mut InTree| copy.file.write_at(data, self.len).is_err();
                    self.copy.take_if(lags);
                }
                Err(error) => self.move_on(data, error)?,
            },
        }
        self.len += data.len() as u64;
        Ok(())
    }

    /// In the first tree that takes it, with a copy on the next disk that takes one.
    fn begin(&mut self, data: &[u8]) -> Result<()> {
        let mut errors = Vec::new();
        for tree in &self.trees {
            let begun = self.file.as_ref();
            if begun.is_some_and(|begun| begun.tree.device() == tree.device()) {
                continue;
            }
            match self.moved_to(tree, data) {
                Ok(file) if self.file.is_none() => self.file = Some(file),
                Ok(copy) => {
                    self.copy = Some(copy);
                    break;
                }
                Err(error) => errors.push(error),
            }
        }
        match self.file {
            Some(_) => Ok(()),
            None => Err(StorageError::All(errors)),
        }
    }

    /// In the copy, or else in another tree.
    fn move_on(&mut self, data: &[u8], error: StorageError) -> Result<()> {
        let mut errors = vec![error];
        if let Some(copy) = &self.copy
            && copy.file.is_sound()
        {
            match copy.file.write_at(data, self.len) {
                Ok(()) => {
                    self.file = self.copy.take();
                    return Ok(());
                }
                Err(error) => errors.push(error),
            }
        }
        for tree in &self.trees {
            if self.is_in(tree) {
                continue;
            }
            match self.moved_to(tree, data) {
                Ok(file) => {
                    self.file = Some(file);
                    return Ok(());
                }
                Err(error) => errors.push(error),
            }
        }
        Err(StorageError::All(errors))
    }

    /// All that is written, and this, in a file of that tree.
    fn moved_to(&self, tree: &Arc<Tree>, data: &[u8]) -> Result<InTree> {
        let file = tree.spill()?;
        if self.len > 0
            && let Some(current) = &self.file
        {
            if !current.file.is_sound() {
                return Err(lost());
            }
            file.copy_from(&current.file, self.len)?;
        }
        file.write_at(data, self.len)?;
        let tree = Arc::clone(tree);
        Ok(InTree { tree, file })
    }

    fn is_in(&self, tree: &Arc<Tree>) -> bool {
        let current = self.file.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(&current.tree, tree))
    }

    /// Says that nothing more comes: gives the descriptors back.
    pub fn close(&mut self) {
        if let Some(current) = &self.file {
            current.file.start_write_back();
        }
        for place in [&mut self.file, &mut self.copy].into_iter().flatten() {
            place.file.close();
        }
    }

    /// The file as a dump, good as long as this lives and nothing is told to [`Self::leave`]. `None` if
    /// a sync of its disk has failed since it was begun, and that of its copy as well: what was written
    /// may be lost, even if a later sync succeeds, and must not be acknowledged.
    pub fn dump(&mut self) -> Option<Dump> {
        if !self.is_sound() {
            self.file = self.copy.take();
        }
        let current = self.file.as_ref()?;
        self.is_sound().then(|| current.file.dump())
    }

    /// Whether [`Self::dump`] may still be acknowledged.
    pub fn is_sound(&self) -> bool {
        self.file
            .as_ref()
            .is_some_and(|current| current.file.is_sound())
    }

    /// Says that a save to that tree has failed: if the file is in it, the copy takes its place.
    pub fn leave(&mut self, tree: &Arc<Tree>) {
        if self.is_in(tree) && self.copy.as_ref().is_some_and(|copy| copy.file.is_sound()) {
            self.file = self.copy.take();
        }
    }
}

fn lost() -> StorageError {
    StorageError::Unavailable {
        store: "file system",
        operation: "can't move a dump to another disk".into(),
        source: "a sync has failed, what was written may be lost".into(),
    }
}
