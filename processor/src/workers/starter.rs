//! The thread that starts workers.
//!
//! The kernel kills a worker when its parent ends (`jail.rs`), be that killed itself. By parent it means
//! the thread that started it, so that must be one which stays as long as the processor.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};

/// Starts processes, on a thread of its own that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Starter(Sender<(Command, Sender<io::Result<Child>>)>);

impl Starter {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel::<(Command, Sender<io::Result<Child>>)>();
        std::thread::spawn(move || {
            for (mut command, started) in receiver {
                // Whoever asked waits for it.
                let _ = started.send(command.spawn());
            }
        });
        Self(sender)
    }

    pub(super) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (sender, started) = channel();
        let gone = |_| io::Error::other("the thread that starts workers is gone");
        self.0.send((command, sender)).map_err(|_| gone(()))?;
        started.recv().map_err(|_| gone(()))?
    }
}
