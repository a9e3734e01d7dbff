//! Parsed symbol files, kept from dump to dump within a budget of bytes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minidump_unwind::SymbolFile;

use super::options::WalkOptions;

/// What a byte of a symbol file takes once it is parsed, in tenths: 1.6 to 2.2 were measured.
const PARSED_TENTHS: u64 = 22;

/// Is told of the symbol file that is being read, by its place, and `None` when it has been.
pub(crate) type Announce<'a> = dyn Fn(Option<&str>) + Sync + 'a;

/// What looking for the symbols of a module gave.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// Symbols.
    Loaded(Arc<SymbolFile>),
    /// No such file.
    Missing,
    /// A file that is no symbol file, or that can't be read.
    Corrupt,
    /// A file that does not fit into the budget.
    TooLarge,
}

/// The symbols of one worker, found by debug file and debug id.
///
/// Only what was parsed is kept: a file that was missing is looked for again by the next dump.
#[derive(Debug)]
pub(crate) struct Symbols {
    directories: Vec<PathBuf>,
    budget: u64,
    max_file: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<String, File>,
    bytes: u64,
    /// The number of the dump being walked.
    dump: u64,
}

#[derive(Debug)]
struct File {
    parsed: Arc<SymbolFile>,
    bytes: u64,
    /// The last dump that used it.
    used: u64,
}

impl Symbols {
    pub(crate) fn new(options: &WalkOptions) -> Self {
        Self {
            directories: options.symbols.clone(),
            budget: options.symbol_memory_bytes,
            max_file: options.max_symbol_file_bytes,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic can't leave it half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another dump begins: what only earlier ones used may give way to what it needs.
    pub(crate) fn begin_dump(&self) {
        self.kept().dump += 1;
    }

    /// The symbols at this place of the Breakpad layout. `announce` is told of a file before it
    /// is read, and of nothing after that.
    pub(crate) fn find(&self, place: &str, announce: &Announce<'_>) -> Found {
        {
            let mut kept = self.kept();
            let dump = kept.dump;
            if let Some(file) = kept.files.get_mut(place) {
                file.used = dump;
                return Found::Loaded(Arc::clone(&file.parsed));
            }
        }
        // A place is made of what a dump says: it must not lead out of the directories.
        if place.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Found::Missing;
        }
        let files = self
            .directories
            .iter()
            .map(|directory| directory.join(place));
        let found = files
            .filter_map(|path| Some((path.metadata().ok().filter(|file| file.is_file())?, path)));
        let Some((metadata, path)) = found.into_iter().next() else {
            return Found::Missing;
        };
        let bytes = metadata.len().saturating_mul(PARSED_TENTHS) / 10;
        if metadata.len() > self.max_file || !self.make_room(bytes) {
            return Found::TooLarge;
        }
        announce(Some(place));
        let parsed = SymbolFile::from_file(&path);
        announce(None);
        match parsed {
            Ok(parsed) => Found::Loaded(self.keep(place, Arc::new(parsed), bytes)),
            Err(_) => Found::Corrupt,
        }
    }

    /// Drops what this dump does not use, least recently used first, until that much fits; whether it
    /// does.
    fn make_room(&self, bytes: u64) -> bool {
        let mut kept = self.kept();
        while kept.bytes.saturating_add(bytes) > self.budget {
            let dump = kept.dump;
            let old = kept.files.iter().filter(|(_, file)| file.used < dump);
            let Some(place) = old
                .min_by_key(|(_, file)| file.used)
                .map(|(place, _)| place.clone())
            else {
                return false;
            };
            if let Some(file) = kept.files.remove(&place) {
                kept.bytes -= file.bytes;
            }
        }
        true
    }

    fn keep(&self, place: &str, parsed: Arc<SymbolFile>, bytes: u64) -> Arc<SymbolFile> {
        let mut kept = self.kept();
        let used = kept.dump;
        kept.bytes += bytes;
        let file = File {
            parsed: Arc::clone(&parsed),
            bytes,
            used,
        };
        kept.files.insert(place.to_owned(), file);
        parsed
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn symbols(directory: &Path, budget: u64, max_file: u64) -> Symbols {
        Symbols::new(&WalkOptions {
            symbols: vec![directory.to_owned()],
            symbol_memory_bytes: budget,
            max_symbol_file_bytes: max_file,
            ..WalkOptions::default()
        })
    }

    fn write(directory: &Path, name: &str, content: &str) -> String {
        let place = format!("{name}/1/{name}.sym");
        let path = directory.join(&place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        place
    }

    fn valid(functions: usize) -> String {
        let lines = (0..functions).map(|i| format!("FUNC {:x} 10 0 f{i}\n", i * 16));
        format!("MODULE Linux x86_64 1 a\n{}", lines.collect::<String>())
    }

    #[test]
    fn the_least_recently_used_file_gives_way_but_none_that_the_dump_uses() {
        let directory = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| write(directory.path(), name, &valid(40)));
        let size = valid(40).len() as u64 * PARSED_TENTHS / 10;
        let symbols = symbols(directory.path(), 2 * size, u64::MAX);
        let read = Mutex::new(0);
        let find = |place: &str| {
            symbols.find(place, &|place| {
                *read.lock().unwrap() += usize::from(place.is_some())
            })
        };
        for place in [&a, &b, &a] {
            symbols.begin_dump();
            assert!(matches!(find(place), Found::Loaded(_)));
        }
        assert_eq!(*read.lock().unwrap(), 2, "a is warm");
        assert!(matches!(find(&c), Found::Loaded(_)), "b gives way");
        assert!(matches!(find(&b), Found::TooLarge), "a and c are in use");
        symbols.begin_dump();
        assert!(matches!(find(&c), Found::Loaded(_)));
        assert_eq!(*read.lock().unwrap(), 3);
    }

    #[test]
    fn a_file_that_is_missing_garbage_or_too_large_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let symbols = symbols(root, u64::MAX, 10_000);
        let find = |place: &str| symbols.find(place, &|_| {});
        let garbage = write(root, "garbage", "\u{1}\u{2} this is no symbol file\n");
        let huge = write(root, "huge", &valid(1000));
        assert!(matches!(find(&garbage), Found::Corrupt));
        assert!(matches!(find(&huge), Found::TooLarge));
        assert!(matches!(find("late/1/late.sym"), Found::Missing));
        let late = write(root, "late", &valid(1));
        assert!(matches!(find(&late), Found::Loaded(_)), "it arrived");
        let outside = format!(
            "../{}/late/1/late.sym",
            root.file_name().unwrap().to_str().unwrap()
        );
        assert!(matches!(find(&outside), Found::Missing));
    }
}
