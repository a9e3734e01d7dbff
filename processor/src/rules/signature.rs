//! The signature of the crash, from what the other rules found.

use socorro_core::processed_crash::key;
use socorro_core::signature::{CrashStack, generate};

use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let stack = CrashStack::of(&case.processed);
    let signature = generate(&stack, &case.knowledge.lists);
    case.set(key::SIGNATURE, signature.signature);
    case.set("proto_signature", signature.proto_signature);
    for note in signature.notes {
        case.note(note);
    }
}
