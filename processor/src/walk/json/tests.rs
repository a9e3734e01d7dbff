//! The `json_dump` is the library's, entry by entry, in whatever state.

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
