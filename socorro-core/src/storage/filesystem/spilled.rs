//! [`Spilled`]: a file in a tree's staging directory, for a dump that is too large for memory.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tempfile::{NamedTempFile, TempPath};

use super::commit::Since;
use super::write_back::start_write_back;
use super::writer::Writer;
use crate::dumps::Dump;
use crate::storage::Result;
use crate::storage::error::{AtPath, FsError};

/// A file in a tree's staging directory, which it keeps alive. It vanishes when dropped; saved
/// before that as its [`Dump`], it is taken over by linking.
#[derive(Debug)]
pub struct Spilled {
    /// Until [`Self::close`].
    file: Option<File>,
    path: TempPath,
    writer: Arc<Writer>,
    since: Since,
}

impl Spilled {
    pub(super) fn new(file: NamedTempFile, writer: Arc<Writer>, since: Since) -> Self {
        let (file, path) = file.into_parts();
        Self {
            file: Some(file),
            path,
            writer,
            since,
        }
    }

    /// Writes there; may be repeated after an error. Blocks for as long as the disk takes.
    pub fn write_at(&self, data: &[u8], at: u64) -> Result<()> {
        Ok(self
            .file()?
            .write_all_at(data, at)
            .at("write", &self.path)?)
    }

    /// Makes this the copy of the first `len` bytes of another.
    pub fn copy_from(&self, other: &Self, len: u64) -> Result<()> {
        let (mut from, mut to) = (other.file()?, self.file()?);
        from.seek(SeekFrom::Start(0)).at("read", &other.path)?;
        let copied = std::io::copy(&mut std::io::Read::take(&mut from, len), &mut to);
        let copied = copied.at("copy", &other.path)?;
        let whole = match copied == len {
            true => Ok(()),
            false => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
        };
        Ok(whole.at("copy", &other.path)?)
    }

    /// Lets the disk begin to write it.
    pub fn start_write_back(&self) {
        if let Some(file) = &self.file {
            start_write_back(file);
        }
    }

    /// Gives the descriptor back when all is written.
    pub fn close(&mut self) {
        self.file = None;
    }

    fn file(&self) -> Result<&File, FsError> {
        let closed = std::io::ErrorKind::Unsupported;
        let file = self.file.as_ref().ok_or(closed);
        file.at("write, when closed,", &self.path)
    }

    /// The file as a dump, good as long as this lives.
    pub fn dump(&self) -> Dump {
        Dump::File(self.path.to_path_buf())
    }

    /// Whether no sync of its file system has failed since it was begun. If one has, what was
    /// written here may be lost, even if a later sync succeeds: don't acknowledge it.
    pub fn is_sound(&self) -> bool {
        !self.writer.committer.has_failed_since(self.since)
    }
}
