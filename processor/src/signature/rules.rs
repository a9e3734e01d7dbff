//! The rules that change a signature after the frames have given it, in their order.

use super::explain::{Signature, Step};
use super::text::{fix_whitespace, printable};
use super::{CrashStack, DELIMITER, HangType};

/// A rule, by its name in the field.
struct Rule {
    name: &'static str,
    /// Goes to the notes when the signature no longer says all that it could.
    note: Option<&'static str>,
    /// The changed signature, `None` when the rule has nothing to say about this crash.
    apply: fn(&CrashStack, &str) -> Option<String>,
}

/// Truncation comes last, so that no rule makes a signature too long again.
const RULES: [Rule; 5] = [
    Rule {
        name: "StackwalkerError",
        note: None,
        apply: stackwalker_error,
    },
    Rule {
        name: "HungProcess",
        note: None,
        apply: hung_process,
    },
    Rule {
        name: "SigPrintableCharsOnly",
        note: Some("unprintable characters removed"),
        apply: |_, signature| Some(printable(signature).into_owned()),
    },
    Rule {
        name: "SigFixWhitespace",
        note: None,
        apply: |_, signature| Some(fix_whitespace(signature)),
    },
    Rule {
        name: "SigTruncate",
        note: Some("signature truncated due to length"),
        apply: truncate,
    },
];

/// Lets every rule have its say, and records those that changed something.
pub(crate) fn apply(stack: &CrashStack, signature: &mut Signature) {
    for Rule { name, note, apply } in RULES {
        let Some(changed) = apply(stack, &signature.signature) else {
            continue;
        };
        if changed == signature.signature {
            continue;
        }
        signature
            .notes
            .extend(note.map(|note| format!("{name}: {note}")));
        signature.steps.push(Step::Rule {
            rule: name,
            signature: changed.clone(),
        });
        signature.signature = changed;
    }
}

/// Stacks that are empty for different reasons are different crashes.
fn stackwalker_error(stack: &CrashStack, signature: &str) -> Option<String> {
    let status = stack.mdsw_status.as_deref().map(str::trim)?;
    let says_why = !matches!(status, "" | "OK");
    (signature.starts_with("EMPTY") && says_why).then(|| format!("{signature}; {status}"))
}

fn hung_process(stack: &CrashStack, signature: &str) -> Option<String> {
    let prefix = match stack.hang_type? {
        HangType::Browser => "chromehang",
        HangType::Plugin => "hang",
    };
    Some(format!("{prefix}{DELIMITER}{signature}"))
}

/// The longest signature that is stored, in characters.
const MAX_CHARS: usize = 255;
const ELLIPSIS: &str = "...";

fn truncate(_: &CrashStack, signature: &str) -> Option<String> {
    if signature.chars().count() <= MAX_CHARS {
        return None;
    }
    let head: String = signature.chars().take(MAX_CHARS - ELLIPSIS.len()).collect();
    Some(head + ELLIPSIS)
}
