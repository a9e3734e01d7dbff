//! Hands dumps to workers, and says what became of those over which workers died.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};
use socorro_core::dumps::Dump;
use tracing::{error, warn};

use super::process::{Cause, Death, Process};
use super::starter::Starter;
use crate::metrics::WorkerDeaths;
use crate::walk::{Walk, WalkOptions};

/// Workers that wait for dumps. There are as many as dumps were walked at the same time.
#[derive(Debug)]
pub struct Pool {
    program: PathBuf,
    options: WalkOptions,
    starter: Starter,
    idle: Mutex<Vec<Process>>,
    deaths: WorkerDeaths,
}

impl Pool {
    /// A pool whose workers are this program, started again, and counted when they die.
    pub fn new(options: WalkOptions, deaths: WorkerDeaths) -> Self {
        // The link leads to this very program, even after another has taken its place.
        let pool = Self::of(PathBuf::from("/proc/self/exe"), options);
        Self { deaths, ..pool }
    }

    /// A pool of workers of that program.
    pub fn of(program: PathBuf, options: WalkOptions) -> Self {
        Self {
            program,
            options,
            starter: Starter::new(),
            idle: Mutex::default(),
            deaths: WorkerDeaths::default(),
        }
    }

    /// The workers that died so far.
    pub fn deaths(&self) -> &WorkerDeaths {
        &self.deaths
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks a dump in a worker. Blocks for at most twice `timeout`: a worker that dies is replaced, and
    /// the dump tried once more, since it need not have been the dump's fault. An error if no worker
    /// can be started.
    pub fn walk(&self, dump: &Dump) -> io::Result<Walk> {
        let dump = match open(dump) {
            Ok(dump) => dump,
            Err(error) => return Ok(Walk::failed("Unreadable", error.to_string())),
        };
        let waiting = self.idle().pop();
        let first = match waiting {
            Some(process) => process,
            None => self.start()?,
        };
        match self.walk_in(first, &dump) {
            Ok(walk) => return Ok(walk),
            Err(death) => warn!(?death, "a worker died, its dump is tried once more"),
        }
        self.walk_in(self.start()?, &dump).or_else(|death| {
            error!(?death, "a dump ended two workers");
            Ok(self.explain(&death))
        })
    }

    fn start(&self) -> io::Result<Process> {
        Process::start(&self.starter, &self.program, &self.options)
    }

    fn walk_in(&self, mut process: Process, dump: &File) -> Result<Walk, Death> {
        let answer = process.walk(dump).inspect_err(|death| {
            let reason = self.explain(death).status;
            self.deaths.get_or_create(&[("reason", reason)]).inc();
        })?;
        // What a dump left behind must not be the next one's trouble.
        let has_room = |size| size < self.options.memory_bytes / 4 * 3;
        if process.size().is_some_and(has_room) {
            self.idle().push(process);
        }
        Ok(serde_json::from_slice(&answer)
            .unwrap_or_else(|_| Walk::failed("BadAnswer", "the dump: a worker answered nonsense")))
    }

    /// The walk of a dump that ended its workers: who is to blame, and why.
    fn explain(&self, death: &Death) -> Walk {
        let (status, why) = match &death.cause {
            Cause::Timeout => {
                let limit = self.options.timeout;
                let computed = death.cpu_time.map(|time| time.as_secs_f64());
                if computed.is_some_and(|seconds| seconds < limit.get().as_secs_f64() / 2.0) {
                    let why = "the host: the stack walker got too little processor time";
                    return Walk::failed("Timeout", format!("{why} in {limit}"));
                }
                (
                    "Timeout",
                    format!("the stack walker took longer than {limit}"),
                )
            }
            Cause::Ended(_, words) if words.contains("memory allocation of") => {
                let limit = self.options.memory_bytes;
                (
                    "OutOfMemory",
                    format!("the stack walker needed more than {limit} bytes"),
                )
            }
            Cause::Ended(..) if death.signal() == Some(libc::SIGXCPU) => {
                let limit = self.options.cpu_time;
                (
                    "Timeout",
                    format!("the stack walker computed for longer than {limit}"),
                )
            }
            // Nothing in a dump sends this: the kernel does, short of memory, or somebody.
            Cause::Ended(..) if death.signal() == Some(libc::SIGKILL) => {
                return Walk::failed("Killed", "the host: the stack walker was killed");
            }
            Cause::Ended(status, _) => ("Died", format!("the stack walker ended with {status}")),
            Cause::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let limit = self.options.max_output_bytes;
                (
                    "OutputTooLarge",
                    format!("the answer is far larger than {limit} bytes"),
                )
            }
            Cause::Io(error) => {
                return Walk::failed("Died", format!("the host: no talk with a worker: {error}"));
            }
        };
        let blamed = match &death.symbols {
            Some(place) => format!("the symbols {place}"),
            None => "the dump".to_owned(),
        };
        Walk::failed(status, format!("{blamed}: {why}"))
    }
}

/// The dump as a file: its own, or one in memory.
fn open(dump: &Dump) -> io::Result<File> {
    match dump {
        Dump::File(path) => File::open(path),
        Dump::Bytes(_) | Dump::Pieces(_) => {
            let mut file = File::from(memfd_create("dump", MemfdFlags::CLOEXEC)?);
            file.write_all(&dump.read()?)?;
            Ok(file)
        }
    }
}
