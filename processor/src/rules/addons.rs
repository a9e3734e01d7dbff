//! The extensions that the program had.

use serde_json::Value;

use crate::transform::Case;

/// More are not kept.
const MAX_ADDONS: usize = 1000;

/// From `id:version,id:version`, each percent-encoded, to `["id:version", ...]`.
pub(crate) fn apply(case: &mut Case<'_>) {
    let list = case.annotation("Add-ons");
    let addons: Option<Vec<String>> = list.map(|list| {
        let named = list.split(',').filter(|addon| !addon.is_empty());
        named.take(MAX_ADDONS).map(unquote).collect()
    });
    let bad = addons.iter().flatten().find(|addon| !addon.contains(':'));
    if let Some(addon) = bad {
        case.note(format!("add-on {addon:?} is a bad name and/or version"));
    }
    case.set("addons", addons);
    let checked = case.annotation("EMCheckCompatibility");
    let checked = checked.map(|value| Value::Bool(value.eq_ignore_ascii_case("true")));
    case.set("addons_checked", checked);
}

/// Percent-encoding undone, `+` for a blank.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high, *low),
            _ => None,
        };
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
