//! Which frames made the signature?

use super::frames::{Frame, Row};
use super::name::pieces;

/// Marks the frames whose names stand in the signature, in its order.
///
/// Signatures leave out arguments and shorten template parameters, so names are compared without
/// what is in brackets. This only guides the eye: a frame that is missed harms nothing.
pub(super) fn mark(rows: &mut [Row], signature: &str) {
    let mut parts = signature.split(" | ").peekable();
    // Words such as `OOM` or `hang` stand before the names of frames.
    let mut frames: Vec<_> = rows
        .iter_mut()
        .filter_map(|row| match row {
            Row::Frame(frame) => Some(frame),
            Row::LeftOut(_) => None,
        })
        .collect();
    while let Some(part) = parts.peek() {
        if frames.iter().any(|frame| is_called(frame, part)) {
            break;
        }
        parts.next();
    }
    for frame in &mut frames {
        let Some(part) = parts.peek() else {
            return;
        };
        if is_called(frame, part) {
            frame.in_signature = true;
            parts.next();
        }
    }
}

fn is_called(frame: &Frame, part: &str) -> bool {
    match frame.named {
        true => bare(&frame.function) == bare(part),
        false => frame.place.as_deref() == Some(part),
    }
}

/// A function's name without return type, parameters and template arguments.
fn bare(name: &str) -> String {
    let pieces = pieces(name).into_iter().filter(|piece| !piece.aside);
    let bare: String = pieces.map(|piece| piece.text).collect();
    bare.trim_end()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::frames::thread;
    use super::super::json::Json;
    use super::super::source::SourceLinks;
    use super::*;

    fn marked(signature: &str) -> Vec<String> {
        let json = json!({"frames": [
            {"function": "arena::Abort(char const*)",
             "inlines": [{"function": "void arena::Check<int>(int)"}]},
            {"module": "libc.so.6", "module_offset": "0x00000000000123"},
            {"function": "arena::Scene::Each<arena::F(int)::{lambda()#1}>(int) const"},
            {"function": "arena::Abort(char const*)"},
        ]});
        let links = SourceLinks::new(&[]).unwrap();
        let mut thread = thread(Json(Some(&json)), 0, 100, &links);
        mark(&mut thread.rows, signature);
        let names = thread.rows.into_iter().filter_map(|row| match row {
            Row::Frame(frame) if frame.in_signature => Some(frame.function),
            _ => None,
        });
        names.collect()
    }

    #[test]
    fn frames_that_made_the_signature_are_marked_in_its_order() {
        assert_eq!(marked("arena::Check<T>"), ["void arena::Check<int>(int)"]);
        assert_eq!(
            marked("hang | arena::Abort | libc.so.6@0x123 | arena::Scene::Each<T>"),
            [
                "arena::Abort(char const*)",
                "+ 0x123",
                "arena::Scene::Each<arena::F(int)::{lambda()#1}>(int) const",
            ]
        );
        assert!(marked("something::Else").is_empty());
        assert!(marked("").is_empty());
    }
}
