//! `socorro queue`: what waits for the processors.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::context::Cli;
use super::walk::Walk;
use crate::config::Settings;
use crate::crash_id::CrashId;
use crate::service::Error;
use crate::storage::filesystem::{FileSystemCrashStorage, Roots};
use crate::storage::open::{FileSystemOptions, StorageClass};
use crate::storage::{CrashIds, CrashStorage};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the crashes that somebody asked for, then those that wait, oldest first
    List {
        /// At most so many of each
        #[arg(long)]
        limit: Option<usize>,
    },
}

/// Why a crash is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Somebody asked for it.
    Requested,
    /// It was accepted and not processed yet.
    Waiting,
}

impl State {
    pub(super) const ALL: [Self; 2] = [Self::Requested, Self::Waiting];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Waiting => "waiting",
        }
    }
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let Command::List { limit } = command;
    let limit = limit.unwrap_or(usize::MAX);
    for state in State::ALL {
        let mut ids = walk(cli, state).await?;
        let mut listed = 0;
        while listed < limit
            && let Some(id) = ids.next().await?
        {
            let line = match cli.json {
                true => json!({ "id": id.as_str(), "state": state.as_str() }).to_string(),
                false => format!("{:<9} {id}", state.as_str()),
            };
            if !cli.write(format!("{line}\n").as_bytes())? {
                return Ok(ExitCode::SUCCESS);
            }
            listed += 1;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Walks the crashes in that part of the primary storage's queue.
pub(super) async fn walk(cli: &Cli, state: State) -> Result<Walk<CrashId>, Error> {
    match cli.settings.storage.class {
        StorageClass::HBaseCrashStorage => {
            let hbase = cli.hbase()?;
            let ids = match state {
                State::Requested => hbase.requested(),
                State::Waiting => hbase.waiting(),
            };
            Walk::start(cli, || Ok(ids)).await
        }
        StorageClass::FileSystemCrashStorage => {
            let files = file_system(&cli.settings);
            Walk::start(cli, move || match state {
                State::Requested => {
                    let ids = files.requested()?.into_iter().map(Ok);
                    Ok(Box::new(ids) as CrashIds)
                }
                State::Waiting => files.new_crashes(),
            })
            .await
        }
    }
}

/// The primary storage on the file system, as the type that it is.
fn file_system(settings: &Settings) -> FileSystemCrashStorage {
    let FileSystemOptions {
        standard,
        deferred,
        processed,
        allow_network_fs,
    } = settings.filesystem.clone();
    let roots = Roots {
        standard,
        deferred,
        processed,
    };
    FileSystemCrashStorage::new(roots, &settings.storage.host(), allow_network_fs)
}
