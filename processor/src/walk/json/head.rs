//! What a dump says beside stacks and modules: the system, the crash, the process.

use minidump::RawMacCrashInfo;
use minidump_processor::{
    AdjustedAddress, CrashInconsistency, ExceptionInfo, Limit, LinuxProcLimits, LinuxStandardBase,
    PossibleBitFlip, ProcessState,
};
use serde::Serialize;
use serde::ser::{Error, SerializeMap};
use serde_json::Value;

use super::{Hex, Shape};

/// Writes these entries. `state` is without threads and modules.
pub(super) fn write<M: SerializeMap>(
    all: &mut M,
    shape: &Shape<'_>,
    state: &ProcessState,
    crashing: Option<usize>,
) -> Result<(), M::Error> {
    all.serialize_entry("status", "OK")?;
    all.serialize_entry("system_info", &system(state))?;
    let crash = crash(shape, state, crashing).map_err(M::Error::custom)?;
    all.serialize_entry("crash_info", &crash)?;
    let lsb = state.linux_standard_base.as_ref().map(lsb_release);
    all.serialize_entry("lsb_release", &lsb)?;
    let limits = state.linux_proc_limits.as_ref().map(proc_limits);
    all.serialize_entry("proc_limits", &limits)?;
    all.serialize_entry("soft_errors", &state.soft_errors)?;
    let mac = state.mac_crash_info.as_deref();
    all.serialize_entry(
        "mac_crash_info",
        &mac.map(|records| mac_crash_info(shape, records)),
    )?;
    let boot = state.mac_boot_args.as_ref().map(|args| &args.bootargs);
    all.serialize_entry("mac_boot_args", &boot)?;
    all.serialize_entry("linux_memory_map_count", &state.linux_memory_map_count)?;
    all.serialize_entry("main_module", &0)?;
    all.serialize_entry("modules_contains_cert_info", &!state.cert_info.is_empty())?;
    all.serialize_entry("pid", &state.process_id)?;
    let uptime = state.process_create_time.map(|created| {
        let time = state.time.duration_since(created);
        time.unwrap_or_default().as_secs()
    });
    all.serialize_entry("process_uptime", &uptime)?;
    // Names of open files and pipes tell of people.
    all.serialize_entry("handles", &())
}

#[derive(Serialize)]
struct System<'a> {
    os: String,
    os_ver: Option<String>,
    cpu_arch: String,
    cpu_info: Option<&'a str>,
    cpu_count: usize,
    cpu_microcode_version: Option<String>,
}

fn system(state: &ProcessState) -> System<'_> {
    let system = &state.system_info;
    System {
        os: system.os.long_name().to_string(),
        os_ver: system.format_os_version().map(Into::into),
        cpu_arch: system.cpu.to_string(),
        cpu_info: system.cpu_info.as_deref(),
        cpu_count: system.cpu_count,
        cpu_microcode_version: system
            .cpu_microcode_version
            .map(|version| format!("{version:#x}")),
    }
}

#[derive(Serialize)]
struct Crash<'a> {
    r#type: Option<String>,
    address: Option<Hex>,
    adjusted_address: Option<Adjusted>,
    instruction: Option<&'a str>,
    memory_accesses: Option<Vec<Access>>,
    instruction_pointer_update: Value,
    possible_bit_flips: Option<Vec<BitFlip<'a>>>,
    crash_inconsistencies: Option<&'a [CrashInconsistency]>,
    crashing_thread: Option<usize>,
    assertion: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Adjusted {
    NonCanonical { address: Hex },
    NullPointer { offset: Hex },
}

#[derive(Serialize)]
struct Access {
    address: Hex,
    size: Option<u8>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_likely_guard_page: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_type: Option<String>,
}

#[derive(Serialize)]
struct BitFlip<'a> {
    address: Hex,
    source_register: Option<&'static str>,
    details: &'a minidump_processor::BitFlipDetails,
    confidence: Option<f64>,
}

fn crash<'a>(
    shape: &Shape<'_>,
    state: &'a ProcessState,
    crashing_thread: Option<usize>,
) -> serde_json::Result<Crash<'a>> {
    let info = state.exception_info.as_ref();
    let flips = info.map(|info| &info.possible_bit_flips);
    Ok(Crash {
        r#type: info.map(|info| info.reason.to_string()),
        address: info.map(|info| shape.hex(info.address.0)),
        adjusted_address: info
            .and_then(|info| info.adjusted_address.as_ref())
            .map(|adjusted| match adjusted {
                AdjustedAddress::NonCanonical(address) => Adjusted::NonCanonical {
                    address: shape.hex(address.0),
                },
                AdjustedAddress::NullPointerWithOffset(offset) => Adjusted::NullPointer {
                    offset: shape.hex(offset.0),
                },
            }),
        instruction: info.and_then(|info| info.instruction_str.as_deref()),
        memory_accesses: info.and_then(|info| memory_accesses(shape, info)),
        instruction_pointer_update: instruction_pointer_update(state)?,
        possible_bit_flips: flips
            .filter(|flips| !flips.is_empty())
            .map(|flips| flips.iter().map(|flip| bit_flip(shape, flip)).collect()),
        crash_inconsistencies: info.map(|info| &*info.inconsistencies),
        crashing_thread,
        assertion: state.assertion.as_deref(),
    })
}

fn memory_accesses(shape: &Shape<'_>, info: &ExceptionInfo) -> Option<Vec<Access>> {
    let accesses = info.memory_access_list.as_ref()?.iter();
    let access_json = accesses.map(|access| {
        let kind = access.access_type;
        Access {
            address: shape.hex(access.address_info.address),
            size: access.size,
            is_likely_guard_page: access.address_info.is_likely_guard_page,
            access_type: kind
                .is_read_or_write()
                .then(|| kind.to_string().to_lowercase()),
        }
    });
    Some(access_json.collect())
}

fn bit_flip<'a>(shape: &Shape<'_>, flip: &'a PossibleBitFlip) -> BitFlip<'a> {
    BitFlip {
        address: shape.hex(flip.address.0),
        source_register: flip.source_register,
        details: &flip.details,
        confidence: flip.confidence.map(f64::from),
    }
}

/// Where the instruction would have gone on, for jumps and calls. The library has no name for this type
/// outside of itself, so that it can't be taken apart here: where there is one, the library writes it.
fn instruction_pointer_update(state: &ProcessState) -> serde_json::Result<Value> {
    let update = state.exception_info.as_ref();
    let update = update.and_then(|info| info.instruction_pointer_update.as_ref());
    if update.is_none_or(|update| format!("{update:?}") == "NoUpdate") {
        return Ok(Value::Null);
    }
    let mut json = Vec::new();
    state.print_json(&mut json, false)?;
    let mut json: Value = serde_json::from_slice(&json)?;
    Ok(json["crash_info"]["instruction_pointer_update"].take())
}

#[derive(Serialize)]
struct LsbRelease<'a> {
    id: &'a str,
    release: &'a str,
    codename: &'a str,
    description: &'a str,
}

fn lsb_release(lsb: &LinuxStandardBase) -> LsbRelease<'_> {
    LsbRelease {
        id: &lsb.id,
        release: &lsb.release,
        codename: &lsb.codename,
        description: &lsb.description,
    }
}

#[derive(Serialize)]
struct ProcLimits<'a> {
    limits: Vec<ProcLimit<'a>>,
}

#[derive(Serialize)]
struct ProcLimit<'a> {
    name: &'a str,
    soft: &'a Limit,
    hard: &'a Limit,
    unit: &'a str,
}

fn proc_limits(limits: &LinuxProcLimits) -> ProcLimits<'_> {
    let limits = limits.limits.iter().map(|(name, limit)| ProcLimit {
        name,
        soft: &limit.soft,
        hard: &limit.hard,
        unit: &limit.unit,
    });
    ProcLimits {
        limits: limits.collect(),
    }
}

#[derive(Serialize)]
struct MacCrashInfo<'a> {
    num_records: usize,
    records: Vec<MacRecord<'a>>,
}

#[derive(Serialize)]
struct MacRecord<'a> {
    thread: Option<Hex>,
    dialog_mode: Option<Hex>,
    abort_cause: Option<Hex>,
    module: Option<&'a str>,
    message: Option<&'a str>,
    signature_string: Option<&'a str>,
    backtrace: Option<&'a str>,
    message2: Option<&'a str>,
}

fn mac_crash_info<'a>(shape: &Shape<'_>, records: &'a [RawMacCrashInfo]) -> MacCrashInfo<'a> {
    let hex = |value: Option<&u64>| value.map(|value| shape.hex(*value));
    let all = records.iter().map(|record| MacRecord {
        thread: hex(record.thread()),
        dialog_mode: hex(record.dialog_mode()),
        abort_cause: hex(record.abort_cause()),
        module: record.module_path(),
        message: record.message(),
        signature_string: record.signature_string(),
        backtrace: record.backtrace(),
        message2: record.message2(),
    });
    MacCrashInfo {
        num_records: records.len(),
        records: all.collect(),
    }
}
