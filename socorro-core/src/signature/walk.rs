//! From the calls on a stack to the few that tell one crash from another.

use super::explain::{Signature, Step, Verdict};
use super::frame::{Call, Frame, calls};
use super::lists::Lists;
use super::{CrashStack, DELIMITER};

/// So many calls are looked at, inlined ones counted.
pub(super) const MAX_CALLS: usize = 40;

/// The signature that the frames alone give.
pub(crate) fn from_frames(
    stack: &CrashStack,
    frames: Option<&[Frame]>,
    lists: &Lists,
) -> Signature {
    let Some(frames) = frames else {
        return empty("no crashing thread identified");
    };
    let windows = stack.os.as_deref() == Some("Windows NT");
    let calls: Vec<Call> = calls(frames, windows)
        .take(MAX_CALLS)
        .map(|call| with_line_number(call, lists))
        .collect();
    if calls.is_empty() {
        return empty("no frame data available");
    }
    let verdicts = judge(&calls, lists);
    let judged = || calls.iter().map(|call| call.text.as_str()).zip(&verdicts);
    let all: Vec<&str> = judged().map(|(text, _)| text).collect();
    let kept: Vec<&str> = judged()
        .filter(|(_, verdict)| verdict.is_kept())
        .map(|(text, _)| text)
        .collect();
    Signature {
        signature: kept.join(DELIMITER),
        proto_signature: all.join(DELIMITER),
        notes: Vec::new(),
        steps: calls
            .into_iter()
            .zip(verdicts)
            .map(|(call, verdict)| Step::frame(call, verdict))
            .collect(),
    }
}

/// The signature of a stack with nothing on it. People know to look for this word.
fn empty(reason: &str) -> Signature {
    Signature {
        signature: format!("EMPTY: {reason}"),
        proto_signature: String::new(),
        notes: vec![format!("SignatureGeneration: {reason}")],
        steps: Vec::new(),
    }
}

fn with_line_number(mut call: Call, lists: &Lists) -> Call {
    if let Some(line) = call.line
        && lists.line_numbers.find(&call.text).is_some()
    {
        call.text = format!("{}:{line}", call.text);
    }
    call
}

/// Decides on each of `calls`, innermost first, until one is enough.
fn judge(calls: &[Call], lists: &Lists) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(calls.len());
    let sentinel = calls
        .iter()
        .enumerate()
        .find_map(|(index, call)| Some((index, lists.sentinels.find(&call.text)?)));
    let start = match sentinel {
        Some((index, line)) => {
            verdicts.resize(index, Verdict::AboveSentinel(line.clone()));
            index
        }
        None => 0,
    };
    let mut last_kept: Option<&Call> = None;
    for call in &calls[start..] {
        let verdict = if verdicts.last() == Some(&Verdict::Last) {
            break;
        } else if let Some(line) = lists.irrelevant.find(&call.text) {
            Verdict::Irrelevant(line.clone())
        } else if call.is_module && last_kept.is_some_and(|last| last.text == call.text) {
            Verdict::Repeated
        } else {
            last_kept = Some(call);
            match lists.prefix.find(&call.text) {
                Some(line) => Verdict::Prefix(line.clone()),
                None => Verdict::Last,
            }
        };
        verdicts.push(verdict);
    }
    if last_kept.is_none()
        && let Verdict::Irrelevant(line) = &verdicts[start]
    {
        verdicts[start] = Verdict::OnlyChoice(line.clone());
    }
    verdicts.resize(calls.len(), Verdict::NotReached);
    verdicts
}
