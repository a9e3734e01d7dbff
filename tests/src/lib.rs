//! The harness of the pipeline's tests: real programs, real sockets, a real HBase.
//!
//! * [`site`]: an installation in a temporary directory, on the file system or on HBase
//! * [`program`]: a running program of it, its log, and how to stop or kill it
//! * [`client`]: posts crashes over raw sockets in the forms of real clients
//! * [`hbase`]: the HBase that tests use
//! * [`fixtures`]: dumps, symbols and annotations
//!
//! The programs are those in the target directory of the running test: `cargo build` makes them,
//! and `./tests/run` calls it first.

pub mod client;
pub mod fixtures;
pub mod hbase;
pub mod http;
pub mod program;
pub mod site;

use std::time::{Duration, Instant};

/// How long a test waits for something that should come: far longer than it takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `look` finds something, and fails with `what` if it never does.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
