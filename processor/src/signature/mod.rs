//! From a crashing stack to its signature: the one line by which crashes are counted as the same.
//!
//! One crash's way: `frame` finds a text for every call, which `normalize` takes from the
//! function's name (cut up by `pieces`); `walk` picks the calls that matter by the `lists`; `rules`
//! then change the line for what else is known of the crash. `explain` holds what comes out, with
//! every step on the way.
//!
//! The algorithm is today's, in its documented order. It parts from the model where that is wrong:
//! names that end in "const", operators, names that are nothing but a bracket, letters beyond
//! ASCII.

mod explain;
mod frame;
mod lists;
mod normalize;
mod pieces;
mod python_re;
mod rules;
mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use explain::{Signature, Step, Verdict};
pub use frame::{Frame, Inline};
pub use lists::{ListError, ListLine, Lists};

/// Stands between the frames of a signature.
const DELIMITER: &str = " | ";

/// What is known of a crash, as far as its signature goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashStack {
    /// Name of the operating system, as minidumps give it: `Windows NT`, `Linux`, `Mac OS X`,
    /// `Android`.
    pub os: Option<String>,
    /// The stack to make a signature of, innermost frame first: the crashing thread's, or thread
    /// 0's when the dump names none or the process hung. `None` without any thread.
    pub frames: Option<Vec<Frame>>,
    /// Set when the process did not crash but hung.
    pub hang_type: Option<HangType>,
    /// What the stack walker said in the end, `OK` or the name of its error.
    pub mdsw_status: Option<String>,
}

/// Which part of a product hung; the number is what `hang_type` holds in a processed crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangType {
    /// The product itself (1).
    Browser,
    /// A plug-in, or a process that serves one (-1).
    Plugin,
}

/// Makes the signature of a crash. It is never blank, whatever the stack holds.
pub fn generate(stack: &CrashStack, lists: &Lists) -> Signature {
    let mut signature = walk::from_frames(stack, lists);
    rules::apply(stack, &mut signature);
    signature
}
