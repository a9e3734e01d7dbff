//! The section `[processor.walk]`: where symbols are, and what one dump may cost.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use socorro_core::config::Period;

/// The section `[processor.walk]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalkOptions {
    /// Directories of symbols in the Breakpad layout, `DEBUGFILE/ID/NAME.sym`. Links must not lead out of
    /// them, and they must exist when a worker starts: it sees nothing else.
    pub symbols: Vec<PathBuf>,
    /// How long the walk of one dump may take.
    pub timeout: Period,
    /// How much processor time the walk of one dump may take.
    pub cpu_time: Period,
    /// The address space of a worker, symbols included.
    pub memory_bytes: u64,
    /// What the parsed symbols that a worker keeps may take; well below `memory_bytes`.
    pub symbol_memory_bytes: u64,
    /// Larger symbol files are not read.
    pub max_symbol_file_bytes: u64,
    /// The frames walked in one dump; one thread gets at most half of what is left.
    pub max_frames: u64,
    /// The threads that enter a processed crash. The crashing one always does.
    pub max_threads: usize,
    /// Of each thread, that many frames from the top enter a processed crash, ...
    pub head_frames: usize,
    /// ... and that many from the bottom.
    pub tail_frames: usize,
    /// The size at which a `json_dump` gets no more frames.
    pub max_output_bytes: usize,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            symbols: vec!["/var/lib/socorro/symbols".into()],
            timeout: Period::from_secs(120),
            cpu_time: Period::from_secs(60),
            memory_bytes: 3 << 30,
            symbol_memory_bytes: 1 << 30,
            max_symbol_file_bytes: 512 << 20,
            max_frames: 100_000,
            max_threads: 1000,
            head_frames: 100,
            tail_frames: 10,
            max_output_bytes: 16 << 20,
        }
    }
}
