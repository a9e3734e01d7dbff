//! The stack trace of a crash in Java or Kotlin, without what may be private in it.
//!
//! The annotation is private, since messages of exceptions quote what people typed. Names of classes
//! and functions are the program's own: they alone are kept, from lines that are nothing else.

use serde_json::Value;

use crate::transform::Case;

/// More lines are not kept.
const MAX_LINES: usize = 1000;

/// From `JavaStackTrace`, text, or else from `JavaException`, JSON.
pub(crate) fn apply(case: &mut Case<'_>) {
    let trace = |name| {
        case.raw
            .get_str(name)
            .filter(|text| !text.trim().is_empty())
    };
    let (name, public) = match (trace("JavaStackTrace"), trace("JavaException")) {
        (Some(text), _) => ("JavaStackTrace", public_trace(text)),
        (None, Some(json)) => ("JavaException", from_exception(json)),
        (None, None) => return,
    };
    match public {
        Some(public) => case.set("java_stack_trace", public),
        None => case.note(format!("{name} is not in the expected format")),
    }
}

/// The names of exceptions and the calls; `None` if there is no call.
fn public_trace(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut public = vec![exception(lines.next()?)?.to_owned()];
    let mut calls = 0;
    for line in lines.take(MAX_LINES) {
        if let Some(call) = line.strip_prefix("at ").filter(|call| is_call(call)) {
            public.push(format!("\tat {call}"));
            calls += 1;
        } else if let Some(cause) = line.strip_prefix("Caused by: ").and_then(exception) {
            public.push(format!("Caused by: {cause}"));
        }
    }
    (calls > 0).then(|| public.join("\n"))
}

/// `a.b.Exception` of `a.b.Exception: message`.
fn exception(line: &str) -> Option<&str> {
    let name = line.split(':').next()?.trim();
    is_name(name).then_some(name)
}

/// `a.b.Class.function(File.java:12)`, and nothing else.
fn is_call(call: &str) -> bool {
    let Some((function, place)) = call.strip_suffix(')').and_then(|call| call.split_once('('))
    else {
        return false;
    };
    is_name(function) && (matches!(place, "Native Method" | "Unknown Source") || is_name(place))
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "._$<>-:/".contains(c);
    !text.is_empty() && text.chars().count() <= 512 && text.chars().all(fits)
}

/// Sentry's form: `{"exception": {"values": [{"module", "type", "stacktrace": {"frames": [...]}}]}}`.
fn from_exception(json: &str) -> Option<String> {
    let json: Value = serde_json::from_str(json).ok()?;
    let value = json.pointer("/exception/values/0")?;
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let name = match (text(value, "module"), text(value, "type")?) {
        (Some(module), class) if !module.is_empty() => format!("{module}.{class}"),
        (_, class) => class,
    };
    let frames = value.pointer("/stacktrace/frames")?.as_array()?;
    let calls = frames.iter().filter_map(|frame| {
        let (module, function) = (text(frame, "module")?, text(frame, "function")?);
        let file = text(frame, "filename").unwrap_or_else(|| "Unknown Source".to_owned());
        let line = frame.get("lineno").and_then(Value::as_u64);
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Some(format!("at {module}.{function}({file}{line})\n"))
    });
    public_trace(&format!("{name}\n{}", calls.collect::<String>()))
}
