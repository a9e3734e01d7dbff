//! Out of memory, out of stack.

use super::{CrashStack, DELIMITER, Lists, known};

/// Up to that size, in bytes, any allocation might have been the one that failed: the stack says
/// nothing.
const SMALL: u64 = 256 * 1024;

/// Parts of the names of functions that are called when memory can't be had.
const FUNCTIONS: [&str; 9] = [
    "NS_ABORT_OOM",
    "mozalloc_handle_oom",
    "CrashAtUnhandlableOOM",
    "AutoEnterOOMUnsafeRegion",
    "alloc::oom::oom",
    // Better than the model, which knows only old Rust's: what today's and other allocators call.
    "alloc::alloc::handle_alloc_error",
    "std::alloc::rust_oom",
    "base::TerminateBecauseOutOfMemory",
    "partition_alloc::internal::OnNoMemory",
];
const REASONS: [&str; 2] = ["STATUS_FATAL_MEMORY_EXHAUSTION", "STATUS_NO_MEMORY"];
const LAST_ERRORS: [&str; 2] = ["ERROR_COMMITMENT_LIMIT", "ERROR_NOT_ENOUGH_MEMORY"];

pub(super) fn out_of_memory(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    let size = stack.oom_allocation_size.filter(|size| *size > 0);
    let large = known(&stack.js_large_allocation_failure) == Some("Reporting");
    let one_of = |text, list: [&str; 2]| known(text).is_some_and(|text| list.contains(&text));
    let is_oom = size.is_some()
        || large
        || FUNCTIONS.iter().any(|name| signature.contains(name))
        || one_of(&stack.reason, REASONS)
        || one_of(&stack.last_error, LAST_ERRORS);
    if !is_oom {
        return None;
    }
    let kind = match size {
        _ if large => "large",
        None => "unknown",
        Some(..=SMALL) => return Some(format!("OOM{DELIMITER}small")),
        Some(_) => "large",
    };
    Some(format!("OOM{DELIMITER}{kind}{DELIMITER}{signature}"))
}

/// Windows names it; elsewhere it shows as an access to the guard page.
pub(super) fn stack_overflow(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    let named = known(&stack.reason) == Some("EXCEPTION_STACK_OVERFLOW");
    (named || stack.guard_page).then(|| format!("stackoverflow{DELIMITER}{signature}"))
}
