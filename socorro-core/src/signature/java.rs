//! Signatures of crashes in Java and Kotlin, from the text of a stack trace.
//!
//! ```text
//! java.lang.IllegalStateException: a message
//!     at org.example.Shop.buy(Shop.java:42)
//! ```

use super::CrashStack;
use super::explain::Signature;
use super::text::{fix_whitespace, printable};

/// `java.lang.IllegalStateException: at org.example.Shop.buy(Shop.java)`. Messages hold names and
/// numbers that differ from crash to crash, and lines move with every build: both are left out.
/// `None` when there is no stack trace, or a text that is none.
pub(crate) fn signature(stack: &CrashStack) -> Option<Signature> {
    let trace = stack.java_stack_trace.as_deref()?;
    let mut lines = trace.lines().map(str::trim).filter(|line| !line.is_empty());
    let exception = lines.next()?.split(':').next()?.trim();
    let calls: Vec<String> = lines
        .take_while(|line| !line.starts_with("Caused by:"))
        .filter_map(|line| line.strip_prefix("at "))
        .map(without_line)
        .collect();
    let first = calls.first()?;
    let signature = fix_whitespace(&printable(&format!("{exception}: at {first}")));
    Some(Signature {
        signature,
        proto_signature: calls[..calls.len().min(super::walk::MAX_CALLS)].join(super::DELIMITER),
        notes: Vec::new(),
        steps: Vec::new(),
    })
}

/// `a.B.c(B.java:12)` without `:12`.
fn without_line(call: &str) -> String {
    match call.rsplit_once(':') {
        Some((head, tail)) if is_line(tail) => format!("{head})"),
        _ => call.to_owned(),
    }
}

fn is_line(tail: &str) -> bool {
    let digits = tail.strip_suffix(')').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
