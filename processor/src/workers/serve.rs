//! A worker process: takes dumps from its standard input, walks them, answers there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use super::jail;
use super::wire::{Kind, receive_dump, send};
use crate::walk::{Walk, WalkOptions, Walker};

/// Serves until the processor is gone. `options` are [`WalkOptions`] as JSON.
pub(crate) fn serve(options: &str) -> ExitCode {
    match try_serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn try_serve(options: &str) -> io::Result<()> {
    let options: WalkOptions = serde_json::from_str(options)?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // What a panic says may hold parts of the dump.
    std::panic::set_hook(Box::new(|_| {}));
    let open = jail::lock(&options);
    send(&socket, Kind::Ready, open.join("; ").as_bytes())?;
    let cpu_seconds = options.cpu_time.get().as_secs();
    let walker = Walker::new(options);
    let mut dump = Vec::new();
    while let Some(file) = receive_dump(&socket)? {
        jail::grant_cpu_time(cpu_seconds);
        // If the processor is gone, the answer will tell.
        let announce = |symbols: Option<&str>| {
            let _ = match symbols {
                Some(place) => send(&socket, Kind::Symbols, place.as_bytes()),
                None => send(&socket, Kind::Dump, &[]),
            };
        };
        read(&file.into(), &mut dump)?;
        let walk = catch_unwind(AssertUnwindSafe(|| walker.walk(&dump, &announce)));
        let answer = walk.unwrap_or_else(|_panic| {
            Walk::failed("Panic", "the dump: the stack walker broke down").to_json()
        });
        send(&socket, Kind::Answer, &answer)?;
        // One large dump must not be paid for ever after.
        dump.shrink_to(1 << 20);
    }
    Ok(())
}

/// Reads a whole file, whatever its position.
fn read(file: &File, into: &mut Vec<u8>) -> io::Result<()> {
    let length = file.metadata()?.len();
    into.clear();
    into.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    file.read_exact_at(into, 0)
}
