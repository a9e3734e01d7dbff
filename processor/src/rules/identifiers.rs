//! Which crash of which program it is.

use socorro_core::processed_crash::key;

use super::cut;
use crate::transform::Case;

/// Annotation, key in the processed crash, longest value (Socorro 2.x), whether it is missed.
const COPIED: &[(&str, &str, usize, bool)] = &[
    ("ProductName", "product", 30, true),
    ("Version", "version", 16, true),
    ("BuildID", "build", 16, true),
    ("ProductID", "productid", 38, false),
    ("ReleaseChannel", "release_channel", 32, false),
    ("ReleaseChannel", "ReleaseChannel", 32, false),
    ("Vendor", "vendor", 64, false),
];

pub(crate) fn apply(case: &mut Case<'_>) {
    let id = case.id.as_str().to_owned();
    case.set("crash_id", id.as_str());
    case.set(key::UUID, id);
    for (annotation, name, limit, expected) in COPIED {
        match case.annotation(annotation) {
            Some(value) => case.set(name, cut(value, *limit)),
            None if *expected => case.note(format!("WARNING: raw_crash missing {annotation}")),
            None => {}
        }
    }
}
