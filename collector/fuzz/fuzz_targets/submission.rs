//! Bodies of submissions: no panic, and no submission that breaks a promise.

#![no_main]

use std::sync::LazyLock;

use collector::fuzz::Target;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static DIR: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().unwrap());
static TARGET: LazyLock<Target> = LazyLock::new(|| Target::new(DIR.path()));

fuzz_target!(|input: &[u8]| TARGET.take(input));
