//! The dumps of a crash: named, opaque byte strings, in memory or in files.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;

/// The main dump's name: the form field in which Breakpad and Crashpad send it.
pub const MAIN_DUMP: &str = "upload_file_minidump";
/// What the main dump is called in HBase, and so no name for another dump.
pub const MAIN_DUMP_ALIAS: &str = "dump";

/// The longest dump name in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// The longest name that [`DumpName::clean`] makes: a short number fits behind it.
pub const MAX_CLEAN_NAME_LEN: usize = MAX_NAME_LEN - 4;

/// The name of a dump: letters, digits, `_` and `-`, at most [`MAX_NAME_LEN`] of them, so that it
/// is safe in a file name and in a column name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DumpName(String);

impl DumpName {
    /// The name of the main dump.
    pub fn main() -> Self {
        Self(MAIN_DUMP.to_owned())
    }

    /// Takes a name as storages have it; `None` if it isn't one.
    pub fn parse(name: &str) -> Option<Self> {
        let fits = !name.is_empty()
            && name.len() <= MAX_NAME_LEN
            && name != MAIN_DUMP_ALIAS
            && name
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
        fits.then(|| Self(name.to_owned()))
    }

    /// Makes a name of whatever a client sent: other characters are dropped, the length is cut,
    /// and a name that means something else to a storage gets a `_`.
    pub fn clean(name: &str) -> Self {
        let mut kept: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
            .take(MAX_CLEAN_NAME_LEN)
            .collect();
        if kept.is_empty() {
            kept.push_str("unnamed");
        }
        if kept == MAIN_DUMP_ALIAS {
            kept.push('_');
        }
        Self(kept)
    }

    /// The name cut to so many bytes, but to no fewer than the main dump's name has.
    pub fn cut(mut self, most: usize) -> Self {
        // A name is ASCII; and one of that length has no other meaning to a storage.
        self.0.truncate(most.max(MAIN_DUMP.len()));
        self
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the main dump's name.
    pub fn is_main(&self) -> bool {
        self.0 == MAIN_DUMP
    }
}

impl fmt::Display for DumpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for DumpName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The bytes of one dump, wherever they are.
#[derive(Clone, PartialEq)]
pub enum Dump {
    /// In memory.
    Bytes(Bytes),
    /// In memory, in pieces as they were received.
    Pieces(Vec<Bytes>),
    /// In a file of some storage or of a staging directory. A storage on the same file system may
    /// take it over by linking; nobody changes such a file once it is written.
    File(PathBuf),
}

impl Dump {
    /// Reads the whole dump into memory. Blocks while it reads a file.
    pub fn read(&self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Pieces(pieces) => Ok(pieces.concat().into()),
            Self::File(path) => std::fs::read(path).map(Bytes::from),
        }
    }

    /// The dump's size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::Pieces(pieces) => Ok(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Self::File(path) => Ok(std::fs::metadata(path)?.len()),
        }
    }
}

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Pieces(pieces) => write!(f, "{} pieces", pieces.len()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// All dumps of a crash, by name. A crash may have none.
pub type Dumps = BTreeMap<DumpName, Dump>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_a_directory_or_shadow_a_file_are_refused() {
        for name in [
            "",
            "..",
            "a/b",
            "a.b",
            "a\0",
            "dump",
            "naïve",
            &"x".repeat(65),
        ] {
            assert_eq!(DumpName::parse(name), None, "{name:?}");
        }
        assert!(DumpName::parse("upload_file_minidump_flash1").is_some());
    }

    #[test]
    fn cleaning_makes_a_valid_name_of_anything() {
        for (sent, kept) in [
            ("upload_file_minidump", "upload_file_minidump"),
            ("../../etc/passwd", "etcpasswd"),
            ("dump", "dump_"),
            ("\0", "unnamed"),
        ] {
            let name = DumpName::clean(sent);
            assert_eq!(name.as_str(), kept);
            assert_eq!(DumpName::parse(name.as_str()), Some(name));
        }
        assert!(DumpName::parse(DumpName::clean(&"é-".repeat(99)).as_str()).is_some());
    }
}
