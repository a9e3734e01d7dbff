//! Letting the disk begin early.

use std::fs::File;
use std::os::fd::AsRawFd;

/// Begins to write a file's data to the disk, without waiting for it: the next sync has less to do.
/// It promises nothing and need not succeed; only a sync tells errors.
#[expect(unsafe_code, reason = "no library offers the call")]
pub(super) fn start_write_back(file: &File) {
    // SAFETY: the descriptor is open as long as `file` is borrowed, and the call takes no pointer.
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}
