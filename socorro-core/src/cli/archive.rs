//! Tar archives of crashes, members in the layout `aa/bb/<id>...`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;

use super::new_file::NewFile;
use crate::crash_id::CrashId;
use crate::service::Error;

/// Whether an archive is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// For members that are compressed already.
    Plain,
    Gzip,
}

/// An archive that gets its name when it is whole. Dropped before, it leaves nothing.
pub(super) struct Archive {
    file: NewFile,
    tar: tar::Builder<Sink>,
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Archive {
    /// An archive that is to be `target`.
    pub(super) fn new(target: &Path, packing: Packing) -> Result<Self, Error> {
        let file = NewFile::new(target)?;
        let out = BufWriter::new(file.handle()?);
        let sink = match packing {
            Packing::Plain => Sink::Plain(out),
            Packing::Gzip => Sink::Gzip(Box::new(GzEncoder::new(out, Compression::default()))),
        };
        let tar = tar::Builder::new(sink);
        Ok(Self { file, tar })
    }

    /// Adds a file of a crash: `aa/bb/<id><ending>`, dated the day of the crash, so that the same
    /// crashes give the same archive.
    pub(super) fn add(&mut self, id: &CrashId, ending: &str, content: &[u8]) -> Result<(), Error> {
        let (aa, bb) = (&id.as_str()[..2], &id.as_str()[2..4]);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let day = id.date().to_zoned(TimeZone::UTC)?.timestamp().as_second();
        header.set_mtime(day.try_into()?);
        let path = format!("{aa}/{bb}/{id}{ending}");
        Ok(self.tar.append_data(&mut header, path, content)?)
    }

    /// Ends the archive and gives it its name.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Self { file, tar } = self;
        let mut out = match tar.into_inner()? {
            Sink::Plain(out) => out,
            Sink::Gzip(gzip) => gzip.finish()?,
        };
        out.flush()?;
        file.finish()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
        }
    }
}

/// Content as a gzip file (`.jsonz`).
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Unwrap safety: writing to a vector can't fail.
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
