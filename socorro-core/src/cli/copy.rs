//! `socorro copy`: crashes from one storage to another.

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
use crate::storage::open::{PrimaryStorage, Spool, StorageClass};
use crate::storage::{Blame, CrashStorage, StorageError};

/// Crashes on their way at a time.
const AT_A_TIME: usize = 4;

/// Copy crashes between two storages: raw, dumps, and processed where they are
///
/// It may be repeated: crashes that are there stay as they are, and processed crashes are written
/// anew. Nothing is removed. On the file system, a copied crash that throttling accepted waits to be
/// processed, be it processed already or not.
///
/// A storage is `spool`, `filesystem` or `hbase` of the configuration in force; or a configuration
/// file, which stands for its primary storage; or both, as FILE:spool. The names of the classes do
/// as well: FileSystemRawCrashStorage, FileSystemCrashStorage, HBaseCrashStorage.
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

/// A storage by its name in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Spool,
    FileSystem,
    HBase,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "spool" | "FileSystemRawCrashStorage" => Some(Self::Spool),
            "filesystem" | "FileSystemCrashStorage" => Some(Self::FileSystem),
            "hbase" | "HBaseCrashStorage" => Some(Self::HBase),
            _ => None,
        }
    }
}

pub(super) async fn run(cli: &Cli, copy: Copy) -> Result<ExitCode, Error> {
    let Copy { from, to, date } = copy;
    let (source, target) = (find(cli, &from)?, find(cli, &to)?);
    if source == target {
        return Err(format!("--from {from} and --to {to} are the same storage").into());
    }
    let (source, target) = (open(&source), open(&target));
    let transactions = cli.transactions();
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
        let transactions = transactions.clone();
        running.spawn(async move {
            let copy = || copy_one(&*source, &*target, id);
            transactions.run("copy a crash", copy).await
        });
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
    let raw = source.get_raw_crash(&id).await?;
    let dumps = source.get_dumps(&id).await?;
    target.save_raw_crash(&id, &raw, &dumps).await?;
    match source.get_processed(&id).await {
        Ok(processed) => target.save_processed(&id, &processed).await,
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a name on the command line stands for: a storage of some configuration, which holds nothing
/// but that storage.
fn find(cli: &Cli, text: &str) -> Result<(Kind, Settings), Error> {
    if let Some(kind) = Kind::named(text) {
        return Ok((kind, only(kind, &cli.settings)));
    }
    let named = text.rsplit_once(':');
    let (file, kind) = match named.and_then(|(file, name)| Some((file, Kind::named(name)?))) {
        Some((file, kind)) => (file, Some(kind)),
        None => (text, None),
    };
    if !Path::new(file).is_file() {
        return Err(format!(
            "{text:?} is neither a configuration file nor one of spool, filesystem, hbase"
        )
        .into());
    }
    let sources = Sources {
        file: Some(file.into()),
        ..Sources::default()
    };
    let settings = config::load::<NoSection>(&sources)?.config.shared;
    let primary = match settings.storage.class {
        StorageClass::FileSystemCrashStorage => Kind::FileSystem,
        StorageClass::HBaseCrashStorage => Kind::HBase,
    };
    let kind = kind.unwrap_or(primary);
    Ok((kind, only(kind, &settings)))
}

fn only(kind: Kind, settings: &Settings) -> Settings {
    let mut only = Settings::default();
    only.storage.host = settings.storage.host.clone();
    match kind {
        Kind::Spool => only.spool = settings.spool.clone(),
        Kind::FileSystem => only.filesystem = settings.filesystem.clone(),
        Kind::HBase => {
            only.storage.class = StorageClass::HBaseCrashStorage;
            only.hbase = settings.hbase.clone();
        }
    }
    only
}

fn open((kind, settings): &(Kind, Settings)) -> Arc<dyn CrashStorage> {
    match kind {
        Kind::Spool => Spool::new(settings).storage,
        Kind::FileSystem | Kind::HBase => PrimaryStorage::new(settings).storage,
    }
}
