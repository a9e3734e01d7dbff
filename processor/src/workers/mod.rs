//! Worker processes: where dumps are walked.
//!
//! A dump is whatever somebody posted, so it is walked in a process of its own that can't do harm: with
//! limits on time and memory, without network, and with nothing to read but symbols (`jail.rs`). The
//! process, `processor worker`, stays for the next dump, and its symbols with it.
//!
//! `pool.rs` hands dumps to workers and says what became of those that died; `starter.rs` starts them, so
//! that they end with the processor; `process.rs` is one worker as the processor sees it, `serve.rs` is the
//! worker itself, and `wire.rs` is what they say to each other.

mod jail;
mod pool;
mod process;
mod serve;
mod starter;
mod wire;

pub use pool::Pool;
pub(crate) use serve::serve;
