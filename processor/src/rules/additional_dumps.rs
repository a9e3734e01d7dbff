//! The walks of the dumps besides the main one, each under its dump's name.

use serde_json::{Value, json};
use socorro_core::processed_crash::{ProcessedCrash, key};
use socorro_core::signature::{CrashStack, generate};

use super::stack_walk::note_failure;
use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let others = case.walks.iter().filter(|(name, _)| !name.is_main());
    let mut names: Vec<Value> = Vec::new();
    for (name, walk) in others {
        names.push(name.as_str().into());
        let dump = &walk.json_dump;
        let at = |pointer| dump.pointer(pointer).cloned().unwrap_or_default();
        let mut part = ProcessedCrash::default();
        part.set("mdsw_status_string", walk.status.as_str());
        part.set(key::JSON_DUMP, dump.clone());
        let signature = generate(&CrashStack::of(&part), &case.knowledge.lists);
        part.set(key::SIGNATURE, signature.signature);
        for (name, value) in [
            (key::SUCCESS, json!(walk.is_ok())),
            ("os_name", at("/system_info/os")),
            ("os_version", at("/system_info/os_ver")),
            ("cpu_name", at("/system_info/cpu_arch")),
            ("reason", at("/crash_info/type")),
            ("address", at("/crash_info/address")),
            ("crashing_thread", at("/crash_info/crashing_thread")),
            ("crashedThread", at("/crash_info/crashing_thread")),
        ] {
            part.set(name, value);
        }
        let part = Value::Object(part.entries().clone());
        case.set(name.as_str(), part);
        note_failure(case, name.as_str(), walk);
    }
    case.set("additional_minidumps", names);
}
