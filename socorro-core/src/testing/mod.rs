//! What tests of several crates share.

pub mod disk;
pub mod json_schema;
pub mod socorro_2x;
mod wire;

pub use wire::{Fault, Wire};

/// The HBase that tests use, `host:port` of its Thrift server, from `SOCORRO_TEST_HBASE`; `None` to
/// skip the test, which is then said on standard error.
///
/// # Panics
/// In CI (`CI=true`) without it: a green run without HBase would prove nothing.
pub fn hbase() -> Option<String> {
    match std::env::var("SOCORRO_TEST_HBASE") {
        Ok(address) => Some(address),
        Err(_) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !ci,
                "SOCORRO_TEST_HBASE is not set, and in CI nothing may be skipped"
            );
            eprintln!("skipped: SOCORRO_TEST_HBASE is not set; ./tests/run starts an HBase");
            None
        }
    }
}
