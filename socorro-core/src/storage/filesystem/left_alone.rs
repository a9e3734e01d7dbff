//! What a walk leaves alone: counted on each walk, logged when it is first met.

use std::collections::HashSet;
use std::fmt;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{debug, warn};

/// So many places are remembered as told. Beyond that they are only counted.
const MAX_TOLD: usize = 10_000;

/// How many places a walk has left alone, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftAlone {
    /// Files and links that are none of ours.
    pub foreign: u64,
    /// Date links older than an hour with no whole crash behind them.
    pub dangling: u64,
    /// Crashes that are perhaps still being written: younger than an hour and not whole.
    pub unfinished: u64,
    /// Places that can't be read.
    pub unreadable: u64,
}

/// Why a place is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Foreign,
    Dangling,
    Unfinished,
    Unreadable,
}

impl LeftAlone {
    /// Places in all.
    pub fn total(&self) -> u64 {
        let Self {
            foreign,
            dangling,
            unfinished,
            unreadable,
        } = self;
        foreign + dangling + unfinished + unreadable
    }
}

impl AddAssign for LeftAlone {
    fn add_assign(&mut self, other: Self) {
        self.foreign += other.foreign;
        self.dangling += other.dangling;
        self.unfinished += other.unfinished;
        self.unreadable += other.unreadable;
    }
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            foreign,
            dangling,
            unfinished,
            unreadable,
        } = *self;
        let parts = [
            (foreign, "foreign"),
            (dangling, "dangling"),
            (unfinished, "not whole yet"),
            (unreadable, "unreadable"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

/// What a tree's walks have left alone and told of. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    told: HashSet<PathBuf>,
    last: LeftAlone,
}

impl Notes {
    /// What the last walk that came to its end has left alone.
    pub(super) fn last(&self) -> LeftAlone {
        self.with(|state| state.last)
    }

    /// Begins a walk.
    pub(super) fn begin(&self) -> Round {
        Round {
            notes: self.clone(),
            met: HashSet::new(),
            counts: LeftAlone::default(),
            is_ended: false,
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The notes of one walk.
#[derive(Debug)]
pub(super) struct Round {
    notes: Notes,
    met: HashSet<PathBuf>,
    counts: LeftAlone,
    is_ended: bool,
}

impl Round {
    /// Counts a place, and logs it unless it was told of.
    pub(super) fn leave(&mut self, why: Why, path: &Path, because: impl fmt::Display) {
        let (count, is_normal) = match why {
            Why::Foreign => (&mut self.counts.foreign, false),
            Why::Dangling => (&mut self.counts.dangling, false),
            Why::Unfinished => (&mut self.counts.unfinished, true),
            Why::Unreadable => (&mut self.counts.unreadable, false),
        };
        *count += 1;
        if is_normal {
            return debug!(path = %path.display(), "{because}, left alone");
        }
        if self.met.len() >= MAX_TOLD || !self.met.insert(path.to_owned()) {
            return;
        }
        let is_new = self
            .notes
            .with(|state| state.told.len() < MAX_TOLD && state.told.insert(path.to_owned()));
        if is_new {
            warn!(path = %path.display(), "{because}, left alone; not told again while it is so");
        }
    }

    /// Ends the walk: what it has not met any more is told again when it comes back.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        let (met, counts) = (std::mem::take(&mut self.met), self.counts);
        self.notes.with(|state| {
            state.told = met;
            state.last = counts;
        });
    }
}
