//! What every command gets: the configuration, whether to stop, and where its output goes.

use std::fmt;
use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::patient::PatientCrashStorage;
use super::walk::Interrupted;
use crate::config::{CollectorLimits, Settings};
use crate::retry::TransactionExecutor;
use crate::service::Error;
use crate::storage::hbase::HBaseCrashStorage;
use crate::storage::open::PrimaryStorage;
use crate::storage::{CrashStorage, blocking};

/// The surroundings of a command.
pub(super) struct Cli {
    pub(super) settings: Settings,
    pub(super) limits: CollectorLimits,
    /// Print JSON for programs.
    pub(super) json: bool,
    /// Cancelled by Ctrl-C.
    pub(super) stop: CancellationToken,
    out: Mutex<Box<dyn Write + Send>>,
    input: Arc<Mutex<Box<dyn Read + Send>>>,
    /// Whether `out` shows binary output to a person.
    pub(super) is_terminal: bool,
}

impl fmt::Debug for Cli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cli").finish_non_exhaustive()
    }
}

impl Cli {
    /// A command on this terminal.
    pub(super) fn new(settings: Settings, json: bool, stop: CancellationToken) -> Self {
        let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
        Self {
            is_terminal: stdout.is_terminal(),
            ..Self::with(stdin, stdout, settings, json, stop)
        }
    }

    /// A command with this input, whose output goes there.
    pub(super) fn with(
        input: impl Read + Send + 'static,
        out: impl Write + Send + 'static,
        settings: Settings,
        json: bool,
        stop: CancellationToken,
    ) -> Self {
        Self {
            settings,
            limits: CollectorLimits::default(),
            json,
            stop,
            out: Mutex::new(Box::new(out)),
            input: Arc::new(Mutex::new(Box::new(input))),
            is_terminal: false,
        }
    }

    /// The primary storage and its queue.
    pub(super) fn primary(&self) -> PrimaryStorage {
        PrimaryStorage::new(&self.settings)
    }

    /// A storage whose operations are tried again as [`Cli::transactions`] has it: for commands that
    /// work long. Others fail at once.
    pub(super) fn patient(&self, storage: Arc<dyn CrashStorage>) -> Arc<dyn CrashStorage> {
        Arc::new(PatientCrashStorage {
            storage,
            transactions: self.transactions(),
        })
    }

    /// The HBase of the primary storage: that itself, or the one that has its queue.
    pub(super) fn hbase(&self) -> Result<Arc<HBaseCrashStorage>, Error> {
        self.primary().hbase.ok_or_else(|| {
            "this needs HBase, and the primary storage is the file system: name a Thrift server with \
             -h HOST[:PORT], or set storage.class"
                .into()
        })
    }

    /// HBase as `[hbase]` has it where the primary storage has none.
    pub(super) fn hbase_as_configured(&self) -> Arc<HBaseCrashStorage> {
        let Settings { hbase, storage, .. } = &self.settings;
        let configured = || Arc::new(HBaseCrashStorage::new(hbase, &storage.host()));
        self.primary().hbase.unwrap_or_else(configured)
    }

    /// Tries again what a storage does not answer, as `[transactions]` has it.
    pub(super) fn transactions(&self) -> TransactionExecutor {
        TransactionExecutor::new(self.settings.transactions.clone(), self.stop.clone())
    }

    /// Reads all of the input, unless Ctrl-C comes first.
    pub(super) async fn read_input(&self) -> Result<String, Error> {
        let input = Arc::clone(&self.input);
        let read = blocking(move || {
            let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
            std::io::read_to_string(&mut **input)
        });
        tokio::select! {
            () = self.stop.cancelled() => Err(Interrupted.into()),
            text = read => {
                Ok(text.map_err(|error| format!("can't read standard input: {error}"))?)
            }
        }
    }

    /// Prints a line, or several.
    pub(super) fn print(&self, text: &str) -> Result<(), Error> {
        self.write(format!("{text}\n").as_bytes()).map(drop)
    }

    /// Prints a result: the text for people, or the value for programs.
    pub(super) fn answer(&self, text: &str, value: &Value) -> Result<(), Error> {
        match self.json {
            true => self.print(&value.to_string()),
            false => self.print(text),
        }
    }

    /// Writes bytes; `false` if nobody reads on. A reader that has seen enough, such as `head`, is
    /// no error.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<bool, Error> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }
}

/// What a crash holds must not move a terminal's cursor.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
