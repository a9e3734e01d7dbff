//! The commands that store a crash, be it one that was removed before.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::context::Cli;
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps};
use crate::raw_crash::RawCrash;
use crate::service::Error;
use crate::storage::open::PrimaryStorage;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Store a crash given as text: its annotations and its main dump
    #[command(name = "put_json_dump")]
    Texts {
        /// The id that it is to have
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// The raw crash: one JSON object
        #[arg(value_name = "JSON")]
        raw: String,
        /// The bytes of the main dump
        dump: String,
    },
    /// Store a crash from two files: its annotations and its main dump
    #[command(name = "put_json_dump_from_files")]
    Files {
        /// The id that it is to have
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// The file of the raw crash: one JSON object
        json_path: PathBuf,
        /// The file of the main dump
        dump_path: PathBuf,
    },
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let (id, json, dump, from) = match command {
        Command::Texts { id, raw, dump } => {
            (id, raw.into_bytes(), dump.into_bytes(), "JSON".to_owned())
        }
        Command::Files {
            id,
            json_path,
            dump_path,
        } => {
            let read = |path: &PathBuf| {
                std::fs::read(path)
                    .map_err(|error| format!("can't read {}: {error}", path.display()))
            };
            let (json, dump) = (read(&json_path)?, read(&dump_path)?);
            (id, json, dump, json_path.display().to_string())
        }
    };
    let raw = RawCrash::from_json(&json)
        .map_err(|error| format!("{from} is not one JSON object: {error}"))?;
    let mut settings = cli.settings.clone();
    settings.storage.restores = true;
    let storage = PrimaryStorage::new(&settings).storage;
    match storage.get_raw_crash(&id).await {
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(format!("{id} is there already; remove it first").into()),
    }
    let dumps = Dumps::from([(DumpName::main(), Dump::Bytes(dump.into()))]);
    storage.save_raw_crash(&id, &raw, &dumps).await?;
    cli.answer(&format!("{id} stored"), &json!({ "stored": id.as_str() }))?;
    Ok(ExitCode::SUCCESS)
}
