//! What the accesses to memory tell: an overflown stack, memory that flips bits.

use serde_json::Value;

use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let list = |pointer| {
        let list = case.dump_entry(pointer).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let guard_page = list("/crash_info/memory_accesses")
        .any(|access| access.get("is_likely_guard_page") == Some(&Value::Bool(true)));
    let confidence = list("/crash_info/possible_bit_flips")
        .filter_map(|flip| flip.get("confidence")?.as_f64())
        .reduce(f64::max);
    if guard_page {
        case.set("has_guard_page_access", true);
    }
    // In percent, since whole numbers can be searched for.
    #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
    let percent = confidence.map(|confidence| (confidence.clamp(0.0, 1.0) * 100.0) as u8);
    case.set("possible_bit_flips_max_confidence", percent);
}
