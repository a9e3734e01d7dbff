//! The signature of the crash.

use serde_json::Value;
use socorro_core::processed_crash::key;

use crate::signature::{CrashStack, HangType, generate};
use crate::transform::Case;
use crate::walk::Walk;

pub(crate) fn apply(case: &mut Case<'_>) {
    let hang_type = match case.processed.get("hang_type").and_then(Value::as_i64) {
        Some(1) => Some(HangType::Browser),
        Some(-1) => Some(HangType::Plugin),
        _ => None,
    };
    let walk = case.main_walk();
    let stack = CrashStack {
        os: walk.and_then(Walk::os),
        frames: walk.and_then(Walk::frames),
        hang_type,
        mdsw_status: walk.map(|walk| walk.status.clone()),
    };
    let signature = generate(&stack, &case.knowledge.lists);
    case.set(key::SIGNATURE, signature.signature);
    case.set("proto_signature", signature.proto_signature);
    for note in signature.notes {
        case.note(note);
    }
}
