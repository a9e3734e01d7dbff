//! The commands that ask for crashes, and remove them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Cli;
use super::days::Days;
use super::progress::Progress;
use super::walk::{Interrupted, Walk, crashes};
use crate::crash_id::CrashId;
use crate::processed_crash::ProcessedCrash;
use crate::service::Error;
use crate::storage::open::PrimaryStorage;
use crate::storage::{CrashStorage, StorageError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask for a crash to be processed soon, be it deferred, processed before, or not arrived yet
    #[command(name = "request-priority")]
    RequestPriority {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Ask for stored crashes to be processed, again where they have been, without keeping others
    /// waiting
    Reprocess(Reprocess),
    /// Remove a crash for good: raw, processed, and every trace of it in indices and queues
    Remove {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Reprocess {
    /// The crashes
    #[arg(value_name = "ID", value_parser = CrashId::parse_prefixed)]
    ids: Vec<CrashId>,
    /// All crashes that have this signature; ##null## and ##empty## for those that have none
    #[arg(long)]
    signature: Option<String>,
    /// All crashes of a day, or of days from first to last, deferred ones included
    #[arg(long, value_name = "YYMMDD[-YYMMDD]", value_parser = Days::parse)]
    date: Option<Days>,
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::RequestPriority { id } => {
            cli.primary().queue.request(&id).await?;
            let text = format!("{id} will be processed soon");
            cli.answer(&text, &json!({ "requested": [id.as_str()] }))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Remove { id } => {
            cli.primary().storage.remove(&id).await?;
            cli.answer(
                &format!("{id} removed"),
                &json!({ "removed": [id.as_str()] }),
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reprocess(which) => reprocess(cli, which).await,
    }
}

async fn reprocess(cli: &Cli, which: Reprocess) -> Result<ExitCode, Error> {
    let Reprocess {
        ids,
        signature,
        date,
    } = which;
    let PrimaryStorage {
        storage,
        queue,
        hbase,
    } = cli.primary();
    let (storage, transactions) = (cli.patient(storage), cli.transactions());
    let request = async |id: &CrashId| {
        let request = || queue.reprocess(id);
        transactions.run("ask for a crash", request).await
    };
    let mut progress = Progress::new((!ids.is_empty()).then_some(ids.len() as u64));
    let (mut requested, mut missing) = (0u64, 0u64);
    for id in &ids {
        if cli.stop.is_cancelled() {
            return Err(Interrupted.into());
        }
        match storage.get_raw_crash(id).await {
            // Readable or not, it is there.
            Ok(_) | Err(StorageError::Refused { .. }) => {
                request(id).await?;
                requested += 1;
            }
            Err(error) if error.is_not_found() => {
                eprintln!("socorro: {error}");
                missing += 1;
            }
            Err(error) => return Err(error.into()),
        }
        progress.advance();
    }
    let days = date.unwrap_or(Days::ALL).range();
    let walk = match (&signature, hbase) {
        _ if !ids.is_empty() => None,
        (Some(signature), Some(hbase)) => {
            let indexed = hbase.with_signature(signature);
            Some(Walk::start(cli, || Ok(indexed)).await?)
        }
        _ => Some(crashes(cli, &storage, days).await?),
    };
    if let Some(mut walk) = walk {
        while let Some(id) = walk.next().await? {
            let wanted = match &signature {
                // The index may have a row that a killed processor left.
                Some(signature) => has_signature(&*storage, &id, signature).await?,
                None => true,
            };
            if wanted {
                request(&id).await?;
                requested += 1;
            }
            progress.advance();
        }
    }
    drop(progress);
    let mut text = format!("{requested} will be processed");
    if missing > 0 {
        text.push_str(&format!(", {missing} not there"));
    }
    cli.answer(
        &text,
        &json!({ "requested": requested, "missing": missing }),
    )?;
    Ok(match missing {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn has_signature(
    storage: &dyn CrashStorage,
    id: &CrashId,
    signature: &str,
) -> Result<bool, Error> {
    match storage.get_processed(id).await {
        Ok(processed) => Ok(signature_of(&processed) == signature),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error @ StorageError::Refused { .. }) => {
            eprintln!("socorro: {error}");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// As the index by signature has it.
fn signature_of(processed: &ProcessedCrash) -> &str {
    match processed.signature() {
        None => "##null##",
        Some("") => "##empty##",
        Some(signature) => signature,
    }
}
