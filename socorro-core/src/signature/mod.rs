//! From a crashing stack to its signature: the one line by which crashes are counted as the same.
//!
//! One crash's way: `frame` finds a text for every call, which `normalize` takes from the
//! function's name (cut up by `pieces`); `walk` picks the calls that matter by the `lists`, unless
//! there is a stack of `java`; `rules` then change the line for what else is known of the `crash`. `explain` holds what comes out, with
//! every step on the way.
//!
//! The algorithm is today's, in its documented order. It parts from the model where that is wrong:
//! names that end in "const", operators, names that are nothing but a bracket, letters beyond
//! ASCII.

mod crash;
mod explain;
mod frame;
mod java;
mod lists;
mod normalize;
mod pieces;
mod python_re;
mod rules;
mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use crash::{CrashStack, HangType, SignatureOptions};
pub use explain::{Signature, Step, Verdict};
pub use frame::{Frame, Inline};
pub use lists::{ListError, ListLine, Lists};

/// Stands between the frames of a signature.
const DELIMITER: &str = " | ";

/// Makes the signature of a crash. It is never blank, whatever the stack holds.
pub fn generate(stack: &CrashStack, lists: &Lists) -> Signature {
    let mut signature = match java::signature(stack) {
        Some(java) => java,
        None => walk::from_frames(stack, stack.frames.as_deref(), lists),
    };
    rules::apply(stack, lists, &mut signature);
    signature
}
