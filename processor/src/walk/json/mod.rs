//! The `json_dump` of a walked dump, in the shape of `minidump-stackwalk --json`.
//!
//! The library writes it by way of a tree of values, which takes longer than the walk. Here it is written
//! straight from the walker's state, and has the same entries: `stacks.rs`, `modules.rs`, and the rest in
//! `head.rs`.

mod head;
mod modules;
mod stacks;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Write};

use minidump::MinidumpModuleList;
use minidump::system_info::PointerWidth;
use minidump_processor::ProcessState;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::options::WalkOptions;
use super::symbols::Found;
use modules::{Modules, UnloadedModules};
use stacks::{Thread, Threads};

/// Writes the `json_dump` of this state to the end of `out`, and says whether something was left out of
/// it. `found` has the symbols by a module's base address.
pub(crate) fn write(
    out: &mut Vec<u8>,
    mut state: ProcessState,
    found: &HashMap<u64, Found>,
    options: &WalkOptions,
) -> serde_json::Result<bool> {
    let threads = std::mem::take(&mut state.threads);
    let modules = std::mem::replace(&mut state.modules, MinidumpModuleList::new());
    let crashing = state
        .requesting_thread
        .take()
        .filter(|thread| *thread < threads.len());
    let shape = Shape {
        options,
        narrow: state.system_info.cpu.pointer_width() == PointerWidth::Bits32,
        written: Cell::new(0),
        truncated: Cell::new(false),
    };
    let mut out = Counted {
        out,
        written: &shape.written,
    };
    let mut serializer = serde_json::Serializer::new(&mut out);
    let mut all = serializer.serialize_map(None)?;
    head::write(&mut all, &shape, &state, crashing)?;
    all.serialize_entry("thread_count", &threads.len())?;
    // The crashing thread comes first: it is there whatever the others take.
    if let Some(index) = crashing.filter(|index| !threads[*index].frames.is_empty()) {
        let thread = Thread {
            shape: &shape,
            stack: &threads[index],
            crashing: Some(index),
        };
        all.serialize_entry("crashing_thread", &thread)?;
    }
    let modules = Modules {
        shape: &shape,
        certificates: &state.cert_info,
        modules: &modules,
        found,
    };
    all.serialize_entry("modules", &modules)?;
    let unloaded = UnloadedModules {
        shape: &shape,
        certificates: &state.cert_info,
        modules: &state.unloaded_modules,
    };
    all.serialize_entry("unloaded_modules", &unloaded)?;
    let threads = Threads {
        shape: &shape,
        threads: &threads,
        crashing,
    };
    all.serialize_entry("threads", &threads)?;
    SerializeMap::end(all)?;
    Ok(shape.truncated.get())
}

/// How things are written, and how much has been.
struct Shape<'a> {
    options: &'a WalkOptions,
    /// Addresses have 32 bits.
    narrow: bool,
    written: Cell<usize>,
    truncated: Cell<bool>,
}

impl Shape<'_> {
    fn hex(&self, value: u64) -> Hex {
        Hex {
            value,
            digits: if self.narrow { 8 } else { 16 },
        }
    }

    fn is_full(&self) -> bool {
        self.written.get() > self.options.max_output_bytes
    }
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut Vec<u8>,
    written: &'a Cell<usize>,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        self.written.set(self.out.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An address: `0x` and at least that many digits.
struct Hex {
    value: u64,
    digits: usize,
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [b'0'; 18];
        let (mut value, mut start) = (self.value, text.len());
        while value > 0 || text.len() - start < self.digits {
            start -= 1;
            text[start] = b"0123456789abcdef"[(value & 15) as usize];
            value >>= 4;
        }
        text[start - 1] = b'x';
        // Unwrap safety: all of it is ASCII.
        serializer.serialize_str(std::str::from_utf8(&text[start - 2..]).unwrap())
    }
}

/// The last part of a path of any system.
pub(crate) fn leaf(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
