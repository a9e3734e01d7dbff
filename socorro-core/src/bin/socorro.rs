//! The `socorro` command: see `socorro_core::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    socorro_core::cli::main()
}
