//! `socorro queue`: what waits for the processors.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::civil::date;
use serde_json::json;

use super::context::Cli;
use super::walk::Walk;
use crate::crash_id::CrashId;
use crate::service::Error;
use crate::storage::Lane;
use crate::storage::hbase::QueueFsck;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the crashes that somebody asked for, those that wait, oldest first, and those to be
    /// processed again
    List {
        /// At most so many of each
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Compare the queue in HBase with the crashes: find queue rows that are missing or stale
    Fsck {
        /// Put back what is missing, and drop what is stale
        #[arg(long)]
        repair: bool,
    },
}

/// Exit code 1 if something is wrong and was not mended.
async fn fsck(cli: &Cli, repair: bool) -> Result<ExitCode, Error> {
    let hbase = cli.primary().hbase.ok_or(
        "the primary storage is on the file system, where the date branch is the queue: \
         there are no queue rows to check",
    )?;
    let all_days = date(2000, 1, 1)..=date(2099, 12, 31);
    let QueueFsck {
        crashes,
        missing,
        stale,
    } = hbase.queue_fsck(all_days, repair).await?;
    let text = match cli.json {
        true => json!({
            "crashes": crashes, "missing": missing, "stale": stale, "repaired": repair,
        })
        .to_string(),
        false => {
            let done = if repair {
                ", all mended"
            } else {
                "; --repair mends them"
            };
            let done = if missing + stale == 0 { "" } else { done };
            format!("{crashes} crashes: {missing} queue rows missing, {stale} stale{done}")
        }
    };
    cli.write(format!("{text}\n").as_bytes())?;
    match repair || missing + stale == 0 {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let limit = match command {
        Command::List { limit } => limit,
        Command::Fsck { repair } => return fsck(cli, repair).await,
    };
    let limit = limit.unwrap_or(usize::MAX);
    for lane in Lane::ALL {
        let mut ids = walk(cli, lane).await?;
        let mut listed = 0;
        while listed < limit
            && let Some(id) = ids.next().await?
        {
            let line = match cli.json {
                true => json!({ "id": id.as_str(), "state": lane.as_str() }).to_string(),
                false => format!("{:<9} {id}", lane.as_str()),
            };
            if !cli.write(format!("{line}\n").as_bytes())? {
                return Ok(ExitCode::SUCCESS);
            }
            listed += 1;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Walks the crashes in that lane of the primary storage's queue.
pub(super) async fn walk(cli: &Cli, lane: Lane) -> Result<Walk<CrashId>, Error> {
    let queue = cli.primary().queue;
    Walk::start(cli, move || queue.queued(lane)).await
}
