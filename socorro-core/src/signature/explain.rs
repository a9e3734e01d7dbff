//! A signature, and how it came to be.

use std::fmt;

use super::frame::Call;
use super::lists::ListLine;

/// What [`generate`](super::generate) makes of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The bucket of the crash: at most 255 characters, never blank.
    pub signature: String,
    /// All frames that were looked at, normalised, whatever the lists say of them; empty without
    /// frames.
    pub proto_signature: String,
    /// What a reader of the report should know of, for the processor's notes.
    pub notes: Vec<String>,
    /// Every step, in order.
    pub steps: Vec<Step>,
}

/// One step on the way to a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A call on the stack was judged.
    Frame {
        /// What was known of it.
        raw: String,
        /// What stands for it in a signature.
        normalized: String,
        /// Whether the compiler inlined it into the next call that was not.
        inlined: bool,
        /// What became of it.
        verdict: Verdict,
    },
    /// A rule changed the signature.
    Rule {
        /// The rule's name.
        rule: &'static str,
        /// The signature after it.
        signature: String,
    },
}

impl Step {
    pub(crate) fn frame(call: Call, verdict: Verdict) -> Self {
        Self::Frame {
            raw: call.raw,
            normalized: call.text,
            inlined: call.inlined,
            verdict,
        }
    }
}

/// What became of a frame, and by which line of which list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Left out: a frame further down is a sentinel, and nothing above it counts.
    AboveSentinel(ListLine),
    /// Left out: says nothing about the crash.
    Irrelevant(ListLine),
    /// Left out: the same module as the frame before.
    Repeated,
    /// Kept, and not enough by itself.
    Prefix(ListLine),
    /// Kept, and enough.
    Last,
    /// Kept though irrelevant, since every frame is.
    OnlyChoice(ListLine),
    /// Not looked at: the signature was complete.
    NotReached,
}

impl Verdict {
    /// Whether the frame is part of the signature.
    pub fn is_kept(&self) -> bool {
        match self {
            Self::Prefix(_) | Self::Last | Self::OnlyChoice(_) => true,
            Self::AboveSentinel(_) | Self::Irrelevant(_) | Self::Repeated | Self::NotReached => {
                false
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AboveSentinel(line) => write!(f, "skipped, above a sentinel: {line}"),
            Self::Irrelevant(line) => write!(f, "skipped, irrelevant: {line}"),
            Self::Repeated => f.write_str("skipped, the same module again"),
            Self::Prefix(line) => write!(f, "kept, goes on: {line}"),
            Self::Last => f.write_str("kept, complete"),
            Self::OnlyChoice(line) => write!(f, "kept, all frames are irrelevant: {line}"),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}
