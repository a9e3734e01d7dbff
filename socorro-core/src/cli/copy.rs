//! `socorro copy`: crashes from one storage to another.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio::task::JoinSet;

use super::context::Cli;
use super::days::Days;
use super::progress::Progress;
use super::walk::{Interrupted, crashes};
use crate::config::{self, NoSection, Settings, Sources};
use crate::crash_id::CrashId;
use crate::service::Error;
use crate::storage::named::{FILESYSTEM, HBASE};
use crate::storage::open::storage_named;
use crate::storage::places::{Place, places};
use crate::storage::{Blame, CrashStorage, StorageError};

/// Crashes on their way at a time.
const AT_A_TIME: usize = 4;

/// Copy crashes between two storages: raw, dumps, and processed where they are
///
/// It may be repeated: crashes that are there stay as they are, and processed crashes are written
/// anew. Crashes that were removed from the target come back. Nothing is removed. A crash that throttling
/// accepted and that is not processed yet waits in the target, too.
///
/// A storage is `spool`, `filesystem`, `hbase` or a name in `[storages]` of the configuration in force;
/// or a configuration file, which stands for its primary storage; or both, as FILE:spool. The names
/// of the classes do as well: FileSystemRawCrashStorage, FileSystemCrashStorage, HBaseCrashStorage.
#[derive(Debug, Args)]
pub(super) struct Copy {
    /// Where the crashes are
    #[arg(long, value_name = "STORAGE")]
    from: String,
    /// Where they are to be as well
    #[arg(long, value_name = "STORAGE")]
    to: String,
    /// Only crashes of a day, or of days from first to last
    #[arg(long, value_name = "YYMMDD[-YYMMDD]", value_parser = Days::parse)]
    date: Option<Days>,
}

pub(super) async fn run(cli: &Cli, copy: Copy) -> Result<ExitCode, Error> {
    let Copy { from, to, date } = copy;
    let (source, target) = (find(cli, &from)?, find(cli, &to)?);
    if whereabouts(&source) == whereabouts(&target) {
        return Err(format!("--from {from} and --to {to} are the same storage").into());
    }
    let (source, target) = (open(cli, source), open(cli, target));
    let mut ids = crashes(cli, &source, date.unwrap_or(Days::ALL).range()).await?;
    let mut progress = Progress::new(None);
    let mut running = JoinSet::new();
    let (mut copied, mut left_out) = (0u64, 0u64);
    let mut done = |result: Result<(), StorageError>| {
        progress.advance();
        match result {
            Ok(()) => copied += 1,
            Err(error) if error.blame() == Blame::Crash => {
                eprintln!("socorro: left out: {error}");
                left_out += 1;
            }
            Err(error) => return Err(Error::from(error)),
        }
        Ok(())
    };
    let ended = loop {
        let id = match ids.next().await {
            Ok(Some(id)) => id,
            Ok(None) => break Ok(()),
            // What is begun is finished.
            Err(error) => break Err(error),
        };
        if running.len() >= AT_A_TIME
            && let Some(result) = running.join_next().await
        {
            done(result?)?;
        }
        let (source, target) = (Arc::clone(&source), Arc::clone(&target));
        running.spawn(async move { copy_one(&*source, &*target, id).await });
    };
    while let Some(result) = running.join_next().await {
        done(result?)?;
    }
    drop(progress);
    let mut text = format!("{copied} copied");
    if left_out > 0 {
        text.push_str(&format!(", {left_out} left out"));
    }
    cli.answer(&text, &json!({ "copied": copied, "left_out": left_out }))?;
    match ended {
        Err(error) if error.is::<Interrupted>() => {
            Err("interrupted; repeat the command to copy the rest".into())
        }
        Err(error) => Err(error),
        Ok(()) if left_out > 0 => Ok(ExitCode::FAILURE),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

async fn copy_one(
    source: &dyn CrashStorage,
    target: &dyn CrashStorage,
    id: CrashId,
) -> Result<(), StorageError> {
    let raw = match source.get_raw_crash(&id).await {
        Ok(raw) => {
            let dumps = source.get_dumps(&id).await?;
            target.save_raw_crash(&id, &raw, &dumps).await?;
            Ok(())
        }
        // Perhaps only its processed crash is left.
        Err(error) if error.is_not_found() => Err(error),
        Err(error) => return Err(error),
    };
    match source.get_processed(&id).await {
        Ok(processed) => target.save_processed(&id, &processed).await,
        Err(error) if error.is_not_found() => raw,
        Err(error) => Err(error),
    }
}

/// What a name on the command line stands for: a configuration, and a storage in it.
fn find(cli: &Cli, text: &str) -> Result<(Settings, String), Error> {
    if let Some(name) = named(&cli.settings, text) {
        return Ok((cli.settings.clone(), name));
    }
    let is_file = |file: &str| Path::new(file).is_file();
    let (file, name) = match text.rsplit_once(':') {
        Some((file, name)) if is_file(file) => (file, Some(name)),
        _ if is_file(text) => (text, None),
        _ => {
            return Err(format!(
                "{text:?} is neither a configuration file nor one of spool, filesystem, hbase and \
                 the names in [storages]"
            )
            .into());
        }
    };
    let sources = Sources {
        file: Some(file.into()),
        ..Sources::default()
    };
    let settings = config::load::<NoSection>(&sources)?.config.shared;
    let name = match name {
        None => settings.primary_name().to_owned(),
        Some(name) => named(&settings, name)
            .ok_or_else(|| format!("{file} has no storage {name:?} in [storages]"))?,
    };
    Ok((settings, name))
}

fn named(settings: &Settings, text: &str) -> Option<String> {
    let name = match text {
        "spool" | "FileSystemRawCrashStorage" => settings.spool_name(),
        "filesystem" | "FileSystemCrashStorage" => FILESYSTEM,
        "hbase" | "HBaseCrashStorage" => HBASE,
        name if settings.storages.contains_key(name) => name,
        _ => return None,
    };
    Some(name.to_owned())
}

/// That storage, patient, and bringing back what was removed from it.
fn open(cli: &Cli, (mut settings, name): (Settings, String)) -> Arc<dyn CrashStorage> {
    settings.transactions = cli.settings.transactions.clone();
    settings.storage.restores = true;
    cli.patient(storage_named(&settings, &name))
}

/// Where a storage keeps crashes, whatever its settings are called.
fn whereabouts((settings, name): &(Settings, String)) -> BTreeSet<Place> {
    let places = places(settings, name).into_iter();
    places.map(|(_, place)| place).collect()
}
