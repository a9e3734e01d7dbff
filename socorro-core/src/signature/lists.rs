//! The lists that steer a signature: plain text files, one pattern a line, `#` for comments.
//!
//! Names and format of the files are those of Socorro's own, so that a directory of them can be
//! used as it is.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use regex::{Regex, RegexSet};

use super::python_re;

/// One of the four files.
struct ListFile {
    name: &'static str,
    /// The list that comes with the processor.
    included: &'static str,
    to_regex: ToRegex,
}

/// How a line of a list becomes a regular expression.
type ToRegex = fn(&str) -> String;

const IRRELEVANT: ListFile = ListFile {
    name: "irrelevant_signature_re.txt",
    included: include_str!("../../data/signature/irrelevant_signature_re.txt"),
    to_regex: starts_with,
};
const PREFIX: ListFile = ListFile {
    name: "prefix_signature_re.txt",
    included: include_str!("../../data/signature/prefix_signature_re.txt"),
    to_regex: starts_with,
};
const LINE_NUMBERS: ListFile = ListFile {
    name: "signatures_with_line_numbers_re.txt",
    included: include_str!("../../data/signature/signatures_with_line_numbers_re.txt"),
    to_regex: starts_with,
};
const SENTINELS: ListFile = ListFile {
    name: "signature_sentinels.txt",
    included: include_str!("../../data/signature/signature_sentinels.txt"),
    to_regex: equals,
};

/// Python's `re.match`: anchored at the start only.
pub(crate) fn starts_with(pattern: &str) -> String {
    format!(r"\A(?:{})", python_re::translate(pattern))
}

fn equals(text: &str) -> String {
    format!(r"\A{}\z", regex::escape(text))
}

/// Which frames make a signature. [`Default`] gives the lists that come with the processor.
#[derive(Debug, Clone)]
pub struct Lists {
    /// Frames that are left out.
    pub(crate) irrelevant: List,
    /// Frames that are not enough by themselves: the next one is added.
    pub(crate) prefix: List,
    /// Functions that are told apart by their source line.
    pub(crate) line_numbers: List,
    /// Frames above which nothing counts.
    pub(crate) sentinels: List,
}

impl Lists {
    /// Reads the lists from a directory, which must hold all four: no misspelt name brings a
    /// default list back unseen.
    pub fn load(directory: &Path) -> Result<Self, ListError> {
        Self::of(|ListFile { name, to_regex, .. }| {
            let file = directory.join(name);
            let text = fs::read_to_string(&file)
                .map_err(|error| ListError::new(&file, None, error.to_string()))?;
            List::parse(&file, &text, to_regex)
        })
    }

    fn of(list: impl Fn(ListFile) -> Result<List, ListError>) -> Result<Self, ListError> {
        Ok(Self {
            irrelevant: list(IRRELEVANT)?,
            prefix: list(PREFIX)?,
            line_numbers: list(LINE_NUMBERS)?,
            sentinels: list(SENTINELS)?,
        })
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self::of(|file| List::parse(Path::new(file.name), file.included, file.to_regex))
            // Unwrap safety: the files are part of the program, and tests load them.
            .unwrap()
    }
}

/// The lines of one file, and all of them as one automaton.
#[derive(Debug, Clone)]
pub(crate) struct List {
    lines: Vec<ListLine>,
    set: RegexSet,
}

/// A line of a list: what an operator has to look at when a frame was skipped or kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListLine {
    /// Name of the list's file, without its directory.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// The pattern, as it is written there.
    pub pattern: String,
}

impl fmt::Display for ListLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            pattern,
        } = self;
        write!(f, "{file}:{line} {pattern}")
    }
}

impl List {
    pub(crate) fn parse(file: &Path, text: &str, to_regex: ToRegex) -> Result<Self, ListError> {
        let mut lines = Vec::new();
        let mut regexes = Vec::new();
        for (index, pattern) in text.lines().map(str::trim).enumerate() {
            if pattern.is_empty() || pattern.starts_with('#') {
                continue;
            }
            let regex = to_regex(pattern);
            // A set does not say which of its patterns is wrong.
            Regex::new(&regex)
                .map_err(|error| ListError::new(file, Some(index + 1), reason(&error)))?;
            regexes.push(regex);
            lines.push(ListLine {
                file: file.file_name().unwrap_or_default().display().to_string(),
                line: index + 1,
                pattern: pattern.to_owned(),
            });
        }
        let set =
            RegexSet::new(regexes).map_err(|error| ListError::new(file, None, reason(&error)))?;
        Ok(Self { lines, set })
    }

    /// The first line that matches.
    pub(crate) fn find(&self, text: &str) -> Option<&ListLine> {
        let first = self.set.matches(text).iter().next()?;
        Some(&self.lines[first])
    }
}

/// The engine's verdict, without the drawing of where in the translated pattern it stands.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// A list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListError {
    /// The list's file.
    pub file: PathBuf,
    /// The line at fault, counted from 1; absent when it is the file as a whole.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl ListError {
    fn new(file: &Path, line: Option<usize>, reason: String) -> Self {
        let file = file.to_owned();
        Self { file, line, reason }
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature list {}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for ListError {}
