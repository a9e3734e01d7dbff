//! Keeps both ends of stacks that are too long.

use serde_json::{Value, json};
use socorro_core::processed_crash::key;

use crate::transform::Case;

/// The most frames of a stack that are kept, one of which says how many are not.
const MAX_FRAMES: usize = 500;

/// After the rules that look at whole stacks.
pub(crate) fn apply(case: &mut Case<'_>) {
    let mut names = vec![key::JSON_DUMP.to_owned()];
    let others = case.walks.keys().filter(|name| !name.is_main());
    names.extend(others.map(|name| name.as_str().to_owned()));
    let mut truncated = 0;
    for name in names {
        let Some(mut part) = case.processed.remove(&name) else {
            continue;
        };
        let dump = match name == key::JSON_DUMP {
            true => Some(&mut part),
            false => part.get_mut(key::JSON_DUMP),
        };
        truncated += dump.map_or(0, shorten);
        case.set(&name, part);
    }
    if truncated > 0 {
        case.note(format!(
            "{truncated} stacks truncated to {MAX_FRAMES} frames"
        ));
    }
    case.set("truncated", truncated > 0);
}

/// Shortens the stacks of a walk, and tells how many. The crashing thread stands there twice.
fn shorten(dump: &mut Value) -> usize {
    if let Some(crashing) = dump.get_mut("crashing_thread") {
        shorten_thread(crashing);
    }
    let threads = dump.get_mut("threads").and_then(Value::as_array_mut);
    threads
        .into_iter()
        .flatten()
        .filter_map(|thread| shorten_thread(thread).then_some(()))
        .count()
}

fn shorten_thread(thread: &mut Value) -> bool {
    let Some(frames) = thread.get_mut("frames").and_then(Value::as_array_mut) else {
        return false;
    };
    if frames.len() <= MAX_FRAMES {
        return false;
    }
    let head = MAX_FRAMES / 2;
    let tail = frames.len() - (MAX_FRAMES - head - 1);
    let message = format!("{} frames truncated", tail - head);
    frames.splice(head..tail, [json!({"truncated": {"msg": message}})]);
    thread["truncated"] = true.into();
    true
}
