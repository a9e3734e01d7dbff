//! The rules that change a signature after the frames have given it, in their order.

mod ipc;
mod memory;
mod shutdown;

use super::explain::{Signature, Step};
use super::lists::Lists;
use super::text::{fix_whitespace, printable};
use super::{CrashStack, DELIMITER, HangType};

/// A rule, by its name in the field.
struct Rule {
    name: &'static str,
    /// Goes to the notes when the signature no longer says all that it could.
    note: Option<&'static str>,
    /// The changed signature, `None` when the rule has nothing to say about this crash.
    apply: fn(&CrashStack, &Lists, &str) -> Option<String>,
}

impl Rule {
    const fn new(
        name: &'static str,
        apply: fn(&CrashStack, &Lists, &str) -> Option<String>,
    ) -> Self {
        let note = None;
        Self { name, note, apply }
    }

    const fn noting(self, note: &'static str) -> Self {
        let note = Some(note);
        Self { note, ..self }
    }
}

/// Truncation comes last, so that no rule makes a signature too long again.
const RULES: [Rule; 14] = [
    Rule::new("StackwalkerError", stackwalker_error),
    Rule::new("BadHardware", bad_hardware),
    Rule::new("OOM", memory::out_of_memory),
    Rule::new("Abort", abort),
    Rule::new("ShutdownTimeout", shutdown::timeout).noting("the signature was replaced"),
    Rule::new("RunWatchDog", shutdown::run_watch_dog),
    Rule::new("IPCChannelError", ipc::channel_error).noting("the signature was replaced"),
    Rule::new("IPCMessageName", ipc::message_name),
    Rule::new("StackOverflow", memory::stack_overflow),
    Rule::new("HungProcess", hung_process),
    Rule::new("SigPrintableCharsOnly", |_, _, signature| {
        Some(printable(signature).into_owned())
    })
    .noting("unprintable characters removed"),
    Rule::new("SigFixWhitespace", |_, _, signature| {
        Some(fix_whitespace(signature))
    }),
    Rule::new("SigNotBlank", not_blank),
    Rule::new("SigTruncate", truncate).noting("signature truncated due to length"),
];

/// Lets every rule have its say, and records those that changed something.
pub(crate) fn apply(stack: &CrashStack, lists: &Lists, signature: &mut Signature) {
    for Rule { name, note, apply } in RULES {
        let Some(changed) = apply(stack, lists, &signature.signature) else {
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

/// A text that is there and says something.
fn known(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn first_chars(text: &str, count: usize) -> String {
    text.chars().take(count).collect()
}

/// Stacks that are empty for different reasons are different crashes.
fn stackwalker_error(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    let status = known(&stack.mdsw_status).filter(|status| *status != "OK")?;
    signature
        .starts_with("EMPTY")
        .then(|| format!("{signature}; {status}"))
}

/// A disk or a memory bar that fails makes crashes everywhere.
fn bad_hardware(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    let reason = known(&stack.reason)?;
    reason
        .contains("STATUS_DEVICE_DATA_ERROR")
        .then(|| format!("bad hardware{DELIMITER}{signature}"))
}

/// The longest message that a signature quotes, in characters.
const MAX_MESSAGE: usize = 80;

/// The words of a program that gave up, without those that only say where.
fn abort(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    const MARK: &str = "###!!! ABORT:";
    let message = known(&stack.abort_message)?;
    let message = message
        .split_once(MARK)
        .map_or(message, |(_, behind)| behind)
        .trim();
    let message = match message.strip_prefix("file ") {
        Some(_) => "",
        None => message.split(": file ").next().unwrap_or_default().trim(),
    };
    let message = fix_whitespace(&printable(message));
    Some(match message.chars().count() {
        0 => format!("Abort{DELIMITER}{signature}"),
        1..=MAX_MESSAGE => format!("Abort{DELIMITER}{message}{DELIMITER}{signature}"),
        _ => {
            let message = first_chars(&message, MAX_MESSAGE - ELLIPSIS.len());
            format!("Abort{DELIMITER}{message}{ELLIPSIS}{DELIMITER}{signature}")
        }
    })
}

fn hung_process(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    let prefix = match stack.hang_type? {
        HangType::Browser => "chromehang",
        HangType::Plugin => "hang",
    };
    Some(format!("{prefix}{DELIMITER}{signature}"))
}

fn not_blank(_: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    signature
        .is_empty()
        .then(|| "EMPTY: no frame data available".to_owned())
}

/// The longest signature that is stored, in characters.
const MAX_CHARS: usize = 255;
const ELLIPSIS: &str = "...";

fn truncate(_: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    if signature.chars().count() <= MAX_CHARS {
        return None;
    }
    Some(first_chars(signature, MAX_CHARS - ELLIPSIS.len()) + ELLIPSIS)
}
