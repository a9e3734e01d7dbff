//! The source file nearest to the crash, on the crashing stack and on no other.

use serde_json::Value;

use super::crashing_frames;
use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let topmost = crashing_frames(case).iter().find_map(|frame| {
        let inlines = frame.get("inlines").and_then(Value::as_array);
        let calls = inlines.into_iter().flatten().chain([frame]);
        calls
            .filter_map(|call| call.get("file")?.as_str())
            .find(|file| !file.is_empty())
    });
    // The key is plural for historical reasons.
    case.set("topmost_filenames", topmost);
}
