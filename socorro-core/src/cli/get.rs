//! The commands that print a part of a crash.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value};

use super::context::{Cli, visible};
use super::new_file::write_file;
use super::report;
use crate::crash_id::CrashId;
use crate::dumps::DumpName;
use crate::processed_crash::key;
use crate::raw_crash::{RawCrash, ThrottleResult, field};
use crate::service::Error;
use crate::storage::{CrashStorage, Result as StorageResult};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a crash's report: reason, signature and the crashing thread
    #[command(name = "get_report")]
    Report {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// Wait up to so many seconds for the crash to be processed
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        wait: u64,
    },
    /// Print a raw crash: its annotations, private ones included
    #[command(name = "get_json")]
    Json {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// Read the row that a Socorro older than salted row keys has written (HBase)
        #[arg(value_parser = ["old", "old_format"])]
        format: Option<String>,
    },
    /// Write the main dump, or the one named, to a file or a pipe
    #[command(name = "get_dump")]
    Dump {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// The dump's name
        #[arg(default_value = crate::dumps::MAIN_DUMP)]
        name: String,
        /// The file to write; else standard output, which must not be a terminal
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// List a crash's dumps with their sizes
    #[command(name = "get_dumps")]
    Dumps {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Print a processed crash
    #[command(name = "get_processed_json")]
    ProcessedJson {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Print where a crash is on its way: processed or not, accepted or not, when it came
    #[command(name = "get_report_processing_state")]
    ProcessingState {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let storage = cli.primary().storage;
    match command {
        Command::Report { id, wait } => return report::run(cli, &*storage, &id, wait).await,
        Command::Json { id, format } => {
            let raw = match format {
                None => storage.get_raw_crash(&id).await?,
                Some(_) => {
                    let json = cli.hbase()?.raw_crash_of_old_format(&id).await?;
                    RawCrash::from_json(&json)?
                }
            };
            cli.print(&serde_json::to_string_pretty(&raw)?)?;
        }
        Command::Dump { id, name, output } => dump(cli, &*storage, &id, &name, output).await?,
        Command::Dumps { id } => dumps(cli, &*storage, &id).await?,
        Command::ProcessedJson { id } => {
            let processed = storage.get_processed(&id).await?;
            cli.print(&serde_json::to_string_pretty(&processed)?)?;
        }
        Command::ProcessingState { id } => processing_state(cli, &*storage, &id).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn dumps(cli: &Cli, storage: &dyn CrashStorage, id: &CrashId) -> Result<(), Error> {
    let dumps = storage.get_dumps(id).await?;
    let mut sizes = Map::new();
    for (name, dump) in &dumps {
        sizes.insert(name.to_string(), Value::from(dump.size()?));
    }
    let lines = sizes
        .iter()
        .map(|(name, size)| format!("{name}: dump length = {size}"));
    let text = lines.collect::<Vec<_>>().join("\n");
    if text.is_empty() && !cli.json {
        return Ok(());
    }
    cli.answer(&text, &Value::Object(sizes))
}

async fn dump(
    cli: &Cli,
    storage: &dyn CrashStorage,
    id: &CrashId,
    name: &str,
    output: Option<PathBuf>,
) -> Result<(), Error> {
    let name = DumpName::parse(name).ok_or_else(|| format!("{name:?} is not a dump's name"))?;
    if output.is_none() && cli.is_terminal {
        return Err("a dump is binary: write it with --output FILE, or into a pipe".into());
    }
    let bytes = storage.get_dump(id, &name).await?.read()?;
    match output {
        None => cli.write(&bytes).map(drop),
        Some(path) => write_file(&path, &bytes),
    }
}

/// On HBase, what the row says; elsewhere the same by what is stored.
async fn processing_state(
    cli: &Cli,
    storage: &dyn CrashStorage,
    id: &CrashId,
) -> Result<(), Error> {
    let row = match cli.primary().hbase {
        // Not there: it may be deferred to another storage.
        Some(hbase) => found(hbase.processing_state(id).await)?,
        None => None,
    };
    let text = |value: Vec<u8>| Value::from(String::from_utf8_lossy(&value).into_owned());
    let state = match row {
        Some(row) => {
            let cells = row.cells.into_iter();
            cells.map(|(name, value)| (name, text(value))).collect()
        }
        None => stored_state(storage, id).await?,
    };
    let line = |(name, value): (&String, &Value)| {
        let value = value.as_str().unwrap_or_default();
        format!("{name}: {}", visible(value))
    };
    let text = state.iter().map(line).collect::<Vec<_>>().join("\n");
    cli.answer(&text, &Value::Object(state))
}

fn found<T>(answer: StorageResult<T>) -> StorageResult<Option<T>> {
    match answer {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

async fn stored_state(
    storage: &dyn CrashStorage,
    id: &CrashId,
) -> Result<Map<String, Value>, Error> {
    let raw = storage.get_raw_crash(id).await?;
    let processed = found(storage.get_processed(id).await)?;
    let mut state = Map::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            state.insert(name.into(), value.into());
        }
    };
    let is_processed = if processed.is_some() { "Y" } else { "N" };
    set("flags:processed", Some(is_processed));
    let is_accepted = raw.throttle_result() == ThrottleResult::Accept;
    set("flags:legacy_processing", is_accepted.then_some("Y"));
    let submitted = raw.get_str(field::SUBMITTED_TIMESTAMP);
    set("timestamps:submitted", submitted);
    let ended = processed.as_ref().and_then(|p| p.get_str(key::COMPLETED));
    set("timestamps:processed", ended);
    Ok(state)
}
