//! One worker process, as the processor sees it.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tracing::warn;

use super::starter::Starter;
use super::wire::{Kind, receive, send_dump};
use crate::walk::WalkOptions;

/// A worker that waits for a dump. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    socket: UnixStream,
    timeout: Duration,
    max_answer: usize,
}

/// How a worker ended that should have answered.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) cause: Cause,
    /// The symbol file that it was reading.
    pub(crate) symbols: Option<String>,
    /// Processor time that it took for this dump, where known.
    pub(crate) cpu_time: Option<Duration>,
}

/// Why a worker ended.
#[derive(Debug)]
pub(crate) enum Cause {
    /// It was killed because it had not answered in time.
    Timeout,
    /// By itself or by a signal, with the last words that it wrote.
    Ended(ExitStatus, String),
    /// It could not be started, or the talk with it failed.
    Io(io::Error),
}

/// What a worker may say besides the answer: paths, and what its jail lacks.
const MAX_WORDS: usize = 64 << 10;

impl Process {
    /// Starts a worker, and waits until it is ready.
    pub(super) fn start(
        starter: &Starter,
        program: &Path,
        options: &WalkOptions,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(program);
        command
            .arg("worker")
            .arg(serde_json::to_string(options)?)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            // Only a dying worker writes there, a line or two.
            .stderr(Stdio::piped());
        let child = starter.spawn(command)?;
        let process = Self {
            child,
            socket: ours,
            timeout: options.timeout.get(),
            // Beside frames, which are bounded, there are lists that grow with the dump.
            max_answer: options.max_output_bytes.saturating_mul(4),
        };
        let until = Instant::now() + process.timeout;
        let (Kind::Ready, open) = process.receive(until)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if !open.is_empty() {
            let open = String::from_utf8_lossy(&open).into_owned();
            warn!(pid = process.child.id(), %open, "the worker's jail is not complete");
        }
        Ok(process)
    }

    /// Has a dump walked; the answer is a `Walk` as JSON. After an error the worker is of no more use.
    pub(crate) fn walk(&mut self, dump: &impl AsFd) -> Result<Vec<u8>, Death> {
        let until = Instant::now() + self.timeout;
        let before = self.cpu_time();
        let mut symbols = None;
        let error = match send_dump(&self.socket, dump) {
            Ok(()) => loop {
                match self.receive(until) {
                    Ok((Kind::Answer, answer)) => return Ok(answer),
                    Ok((Kind::Symbols, path)) => {
                        symbols = Some(String::from_utf8_lossy(&path).into_owned());
                    }
                    Ok((Kind::Dump | Kind::Ready, _)) => symbols = None,
                    Err(error) => break error,
                }
            },
            Err(error) => error,
        };
        let cpu_time = match (self.cpu_time(), before) {
            (Some(now), Some(before)) => Some(now.saturating_sub(before)),
            _ => None,
        };
        Err(Death {
            cause: self.autopsy(error),
            symbols,
            cpu_time,
        })
    }

    fn receive(&self, until: Instant) -> io::Result<(Kind, Vec<u8>)> {
        receive(Until(&self.socket, until), self.max_answer.max(MAX_WORDS))
    }

    /// Ends the worker, if it has not ended, and says why it did.
    fn autopsy(&mut self, error: io::Error) -> Cause {
        match error.kind() {
            io::ErrorKind::TimedOut => return Cause::Timeout,
            // It closed its end, and so has ended or will at once.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => {}
            _ => return Cause::Io(error),
        }
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            // What can't be read is no loss: the signal tells most.
            let _ = stderr.take(4096).read_to_end(&mut words);
        }
        match self.child.wait() {
            Ok(status) => Cause::Ended(status, String::from_utf8_lossy(&words).into_owned()),
            Err(error) => Cause::Io(error),
        }
    }

    /// The processor time that the worker has taken since its start.
    fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name of the program, in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        let ticks = ticks()? + ticks()?;
        Some(Duration::from_secs_f64(
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        ))
    }

    /// The address space of the worker in bytes.
    pub(crate) fn size(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = statm.split_whitespace().next()?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Death {
    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        match &self.cause {
            Cause::Ended(status, _) => status.signal(),
            Cause::Timeout | Cause::Io(_) => None,
        }
    }
}

/// Reads until a moment.
struct Until<'a>(&'a UnixStream, Instant);

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.1.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.0.set_read_timeout(Some(left))?;
        (&mut &*self.0)
            .read(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => error,
            })
    }
}
