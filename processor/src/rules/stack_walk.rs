//! What the stack walker found in the main dump: whether it could walk it, and the whole of it.

use socorro_core::processed_crash::key;

use crate::transform::Case;
use crate::walk::Walk;

pub(crate) fn apply(case: &mut Case<'_>) {
    let Some(walk) = case.main_walk() else {
        case.set("mdsw_status_string", "NoMinidump");
        case.note("the crash has no minidump");
        return;
    };
    case.set(key::SUCCESS, walk.is_ok());
    case.set("mdsw_status_string", walk.status.as_str());
    case.set(key::JSON_DUMP, walk.json_dump.clone());
    note_failure(case, "upload_file_minidump", walk);
    case.set("truncated", walk.truncated);
    if walk.truncated {
        case.note("MDSW emitted too many frames, triggering truncation");
    }
}

pub(super) fn note_failure(case: &mut Case<'_>, name: &str, walk: &Walk) {
    if let Some(problem) = &walk.problem {
        case.note(format!("MDSW failed: {}: {name}: {problem}", walk.status));
    }
}
