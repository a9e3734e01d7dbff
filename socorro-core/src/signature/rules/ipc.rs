//! Messages between processes.

use super::{CrashStack, DELIMITER, Lists, first_chars, known};

/// The longest error that a signature quotes, in characters.
const MAX_ERROR: usize = 100;

/// Why the parent ended its child says more than where either stood.
pub(super) fn channel_error(stack: &CrashStack, _: &Lists, _: &str) -> Option<String> {
    let error = first_chars(known(&stack.ipc_channel_error)?, MAX_ERROR);
    let side = if stack.browser_dump {
        "browser"
    } else {
        "content"
    };
    Some(format!("IPCError-{side}{DELIMITER}{error}"))
}

pub(super) fn message_name(stack: &CrashStack, _: &Lists, signature: &str) -> Option<String> {
    let name = known(&stack.ipc_message_name)?;
    Some(format!("{signature}{DELIMITER}IPC_Message_Name={name}"))
}
