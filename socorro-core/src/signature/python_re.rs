//! Python's regular expressions in Rust's dialect.
//!
//! Socorro's lists were written for Python's `re`. Most patterns mean the same to both engines;
//! this rewrites those that do not. What remains, look-around and back references, Rust's engine
//! refuses, and the list with it.

/// Rewrites a pattern for `re` so that the `regex` crate reads it alike.
pub(crate) fn translate(pattern: &str) -> String {
    let mut rust = String::with_capacity(pattern.len() + 8);
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (taken, written) = match c {
            '\\' => escape(rest),
            '[' if !in_class => {
                in_class = true;
                class_start(rest)
            }
            ']' if in_class => {
                in_class = false;
                (1, "]".to_owned())
            }
            // Rust would nest a class, or intersect and subtract classes.
            '[' | '&' | '~' if in_class => (1, format!("\\{c}")),
            '{' if !in_class => repetition(rest).unwrap_or((1, r"\{".to_owned())),
            '}' if !in_class => (1, r"\}".to_owned()),
            _ => (c.len_utf8(), c.to_string()),
        };
        rust.push_str(&written);
        rest = &rest[taken..];
    }
    rust
}

/// A backslash and what it escapes. To Python, all but letters and digits stand for themselves
/// behind it; to Rust, `\<` and `\>` are the borders of words.
fn escape(rest: &str) -> (usize, String) {
    let Some(escaped) = rest.chars().nth(1) else {
        return (1, r"\".to_owned());
    };
    let written = match escaped {
        'Z' => r"\z".to_owned(),
        '<' | '>' => escaped.to_string(),
        _ if escaped.is_ascii() => format!("\\{escaped}"),
        _ => escaped.to_string(),
    };
    (1 + escaped.len_utf8(), written)
}

/// The start of a class. A bracket that would close it there belongs to it.
fn class_start(rest: &str) -> (usize, String) {
    for (python, rust) in [("[^]", r"[^\]"), ("[]", r"[\]"), ("[^", "[^")] {
        if rest.starts_with(python) {
            return (python.len(), rust.to_owned());
        }
    }
    (1, "[".to_owned())
}

/// `{3}`, `{3,}`, `{,5}` or `{3,5}`. To Python, any other brace stands for itself; Rust would call
/// it a mistake.
fn repetition(rest: &str) -> Option<(usize, String)> {
    let (bounds, _) = rest[1..].split_once('}')?;
    let (least, most) = match bounds.split_once(',') {
        Some((least, most)) => (least, format!(",{most}")),
        None if bounds.is_empty() => return None,
        None => (bounds, String::new()),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(least) || !digits(most.trim_start_matches(',')) {
        return None;
    }
    let least = if least.is_empty() { "0" } else { least };
    Some((bounds.len() + 2, format!("{{{least}{most}}}")))
}
