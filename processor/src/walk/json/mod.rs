//! The `json_dump` of a walked dump, in the shape of `minidump-stackwalk --json`.
//!
//! The library writes it by way of a tree of values, which takes longer than the walk. Here it is written
//! straight from the walker's state, and has the same entries: `stacks.rs`, `modules.rs`, and the rest in
//! `head.rs`.

mod head;
mod modules;
mod stacks;

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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use minidump::format::{
        MINIDUMP_MAC_BOOTARGS, MINIDUMP_MAC_CRASH_INFO_RECORD_5,
        MINIDUMP_MAC_CRASH_INFO_RECORD_STRINGS_5,
    };
    use minidump::system_info::Cpu;
    use minidump::{
        Minidump, MinidumpMacBootargs, MinidumpUnloadedModule, MinidumpUnloadedModuleList,
        RawMacCrashInfo,
    };
    use minidump_processor::{
        AdjustedAddress, CrashInconsistency, LinuxStandardBase, PossibleBitFlip, process_minidump,
    };
    use minidump_unwind::{Symbolizer, string_symbol_supplier};
    use serde_json::{Value, json};

    use super::*;

    fn read(name: &str) -> Vec<u8> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/dumps");
        std::fs::read(fixtures.join(name).with_extension("dmp")).unwrap()
    }

    fn process(dump: &[u8]) -> ProcessState {
        let dump = Minidump::read(dump).unwrap();
        let symbols = Symbolizer::new(string_symbol_supplier(HashMap::new()));
        let mut state = pollster::block_on(process_minidump(&dump, &symbols)).unwrap();
        // These are ours to find.
        state.symbol_stats.clear();
        state
    }

    fn assert_as_the_library_writes_it(state: ProcessState, what: &str) -> Value {
        let mut library = Vec::new();
        state.print_json(&mut library, false).unwrap();
        let mut library: Value = serde_json::from_slice(&library).unwrap();
        library["handles"] = Value::Null;
        let options = WalkOptions {
            head_frames: usize::MAX,
            ..WalkOptions::default()
        };
        let mut ours = Vec::new();
        assert!(!write(&mut ours, state, &HashMap::new(), &options).unwrap());
        let mut ours: Value = serde_json::from_slice(&ours).unwrap();
        for json in [&mut library, &mut ours] {
            // Made of a map: in any order.
            if let Some(limits) = json["proc_limits"]["limits"].as_array_mut() {
                limits.sort_by_key(|limit| limit["name"].to_string());
            }
        }
        let names = library.as_object().unwrap().keys();
        for name in names {
            assert_eq!(ours[name], library[name], "{what}: {name}");
        }
        assert_eq!(ours, library, "{what}");
        ours
    }

    #[test]
    fn what_few_dumps_hold_is_written_as_the_library_writes_it() {
        let mut flip = PossibleBitFlip::new(0xdead_0000, Some("rax"));
        flip.calculate_heuristics(0xdead_0001, true, None);
        for cpu in [Cpu::X86_64, Cpu::X86] {
            for adjusted in [
                AdjustedAddress::NonCanonical(0x1234.into()),
                AdjustedAddress::NullPointerWithOffset(0x18.into()),
            ] {
                let mut state = process(&read("null-write"));
                state.system_info.cpu = cpu;
                state.system_info.cpu_microcode_version = Some(0xf0);
                let info = state.exception_info.as_mut().unwrap();
                info.adjusted_address = Some(adjusted);
                info.possible_bit_flips = vec![flip.clone()];
                info.inconsistencies = vec![CrashInconsistency::IntDivByZeroNotPossible];
                let accesses = &mut info.memory_access_list.as_mut().unwrap().accesses;
                accesses[0].address_info.is_likely_guard_page = true;
                accesses[0].size = None;
                state.assertion = Some("a > \"b\"".to_owned());
                state.process_create_time = Some(state.time - Duration::from_secs(90));
                state.linux_standard_base = Some(LinuxStandardBase {
                    id: "Debian".to_owned(),
                    ..LinuxStandardBase::default()
                });
                state.soft_errors = Some(json!([{"stopped": ["a", 1]}]));
                state.linux_memory_map_count = Some(77);
                let main = leaf(&state.modules.iter().next().unwrap().name).to_owned();
                state.cert_info = HashMap::from([(main, "Somebody".to_owned())]);
                let unloaded = MinidumpUnloadedModule::new(0x7000_0000, 0x1000, "old.so");
                state.unloaded_modules = MinidumpUnloadedModuleList::from_modules(vec![unloaded]);
                state.mac_boot_args = Some(MinidumpMacBootargs {
                    raw: MINIDUMP_MAC_BOOTARGS {
                        stream_type: 0,
                        bootargs: 0,
                    },
                    bootargs: Some("-v".to_owned()),
                });
                let record = MINIDUMP_MAC_CRASH_INFO_RECORD_5 {
                    stream_type: 0,
                    version: 5,
                    thread: 7,
                    dialog_mode: 0,
                    abort_cause: 0x99,
                };
                let strings = MINIDUMP_MAC_CRASH_INFO_RECORD_STRINGS_5 {
                    message: "abort() called".to_owned(),
                    ..Default::default()
                };
                state.mac_crash_info = Some(vec![RawMacCrashInfo::V5(record, strings)]);
                assert_as_the_library_writes_it(state, &format!("{cpu}"));
            }
        }
    }

    #[test]
    fn what_a_dump_does_not_hold_is_written_as_the_library_writes_it() {
        let mut state = process(&read("abort"));
        state.exception_info = None;
        state.requesting_thread = None;
        state.linux_proc_limits = None;
        state.linux_memory_map_count = None;
        state.process_id = None;
        assert_as_the_library_writes_it(state, "no exception");
    }

    #[test]
    fn where_a_jump_led_to_is_written_as_the_library_writes_it() {
        let mut dump = read("null-write");
        let start = dump.as_ptr() as usize;
        let at = {
            let state = process(&dump);
            let crashing = &state.threads[state.requesting_thread.unwrap()];
            let instruction = crashing.frames[0].instruction;
            let dump = Minidump::read(&dump[..]).unwrap();
            let memory = dump.get_memory().unwrap();
            let region = memory.memory_at_address(instruction).unwrap();
            let offset = usize::try_from(instruction - region.base_address()).unwrap();
            region.bytes().as_ptr() as usize - start + offset
        };
        let jump_to_rax = [0xff, 0xe0];
        dump[at..at + 2].copy_from_slice(&jump_to_rax);
        let json = assert_as_the_library_writes_it(process(&dump), "jump");
        assert!(json["crash_info"]["instruction_pointer_update"]["address"].is_string());
    }
}
