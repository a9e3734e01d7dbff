//! Where symbols come from: local directories in the Breakpad layout.

use std::path::PathBuf;

use minidump_unwind::{Symbolizer, simple_symbol_supplier};

/// A symbolizer for one dump. Not shared between dumps: it would mix up their modules of the same
/// name, and never see a symbol file that arrives later.
pub(crate) fn symbolizer(directories: &[PathBuf]) -> Symbolizer {
    Symbolizer::new(simple_symbol_supplier(directories.to_vec()))
}
