//! [`Spilled`]: a dump that is too large for memory, on the spool's disk while it comes in.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::commit::Since;
use super::writer::Writer;
use crate::dumps::Dump;

/// A file in a tree's staging directory, which it keeps alive. It vanishes when dropped; saved
/// before that as its [`Dump`], it is taken over by linking.
#[derive(Debug)]
pub struct Spilled {
    file: NamedTempFile,
    writer: Arc<Writer>,
    since: Since,
}

impl Spilled {
    pub(super) fn new(file: NamedTempFile, writer: Arc<Writer>, since: Since) -> Self {
        Self {
            file,
            writer,
            since,
        }
    }

    /// Adds to the file. Blocks for as long as the disk takes.
    pub fn write_all(&mut self, data: &[u8]) -> std::io::Result<()> {
        self.file.write_all(data)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file as a dump, good as long as this lives.
    pub fn dump(&self) -> Dump {
        Dump::File(self.path().to_owned())
    }

    /// Whether no sync of its file system has failed since it was begun. If one has, what was
    /// written here may be lost, even if a later sync succeeds: don't acknowledge it.
    pub fn is_sound(&self) -> bool {
        !self.writer.committer.has_failed_since(self.since)
    }
}
