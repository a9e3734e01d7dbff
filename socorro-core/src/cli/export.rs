//! The commands that write many crashes into files.
//!
//! A `.jsonz` file is a processed crash, gzip, as in the file-system storage. An archive has its
//! members at `aa/bb/<id>...`, and appears under its name when it is whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::civil::Date;
use serde_json::json;

use super::archive::{Archive, Packing, gzip};
use super::context::Cli;
use super::days::parse_day;
use super::new_file::write_file;
use super::progress::Progress;
use super::walk::{Interrupted, crashes};
use crate::crash_id::CrashId;
use crate::service::Error;
use crate::storage::{Blame, CrashStorage, StorageError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write each processed crash of a day into a directory, as ID.jsonz
    #[command(name = "export_jsonz_for_date")]
    Files {
        /// The day
        #[arg(value_name = "YYMMDD", value_parser = parse_day)]
        day: Date,
        /// The directory, which is made where it is missing
        path: PathBuf,
    },
    /// Write the processed crashes of a day into a compressed archive, as aa/bb/ID.jsonz
    #[command(name = "export_jsonz_tarball_for_date")]
    Tarball {
        /// The day
        #[arg(value_name = "YYMMDD", value_parser = parse_day)]
        day: Date,
        /// A directory for temporary files; not needed any more
        temp: PathBuf,
        /// The archive to write
        tarball: PathBuf,
    },
    /// Write the processed crashes whose ids are on standard input, one a line, into an archive, as
    /// aa/bb/ID.jsonz
    #[command(name = "export_jsonz_tarball_for_ooids")]
    TarballOfIds {
        /// A directory for temporary files; not needed any more
        temp: PathBuf,
        /// The archive to write
        tarball: PathBuf,
    },
}

/// What became of the crashes of an export.
#[derive(Debug, Default)]
struct Tally {
    exported: u64,
    /// Not there, or not processed yet.
    missing: u64,
    /// There, and not readable.
    unreadable: u64,
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let storage = cli.patient(cli.primary().storage);
    let mut tally = Tally::default();
    match command {
        Command::Files { day, path } => {
            std::fs::create_dir_all(&path)
                .map_err(|error| format!("can't make {}: {error}", path.display()))?;
            let mut ids = crashes(cli, &storage, day..=day).await?;
            let mut progress = Progress::new(None);
            while let Some(id) = ids.next().await? {
                if let Some(jsonz) = jsonz(&*storage, &id, &mut tally).await? {
                    write_file(&path.join(format!("{id}.jsonz")), &jsonz)?;
                }
                progress.advance();
            }
        }
        Command::Tarball { day, tarball, .. } => {
            let mut archive = Archive::new(&tarball, Packing::Gzip)?;
            let mut ids = crashes(cli, &storage, day..=day).await?;
            let mut progress = Progress::new(None);
            while let Some(id) = ids.next().await? {
                if let Some(jsonz) = jsonz(&*storage, &id, &mut tally).await? {
                    archive.add(&id, ".jsonz", &jsonz)?;
                }
                progress.advance();
            }
            archive.finish()?;
        }
        Command::TarballOfIds { tarball, .. } => {
            // So many ids fit into memory, and their number tells the time left.
            let ids = cli.read_input().await?;
            export_ids(cli, &*storage, &ids, &tarball, &mut tally).await?;
        }
    }
    tally.tell(cli)
}

async fn export_ids(
    cli: &Cli,
    storage: &dyn CrashStorage,
    lines: &str,
    tarball: &Path,
    tally: &mut Tally,
) -> Result<(), Error> {
    let mut archive = Archive::new(tarball, Packing::Plain)?;
    let mut progress = Progress::new(Some(lines.lines().count() as u64));
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if cli.stop.is_cancelled() {
            return Err(Interrupted.into());
        }
        match CrashId::parse_prefixed(line) {
            Ok(id) => {
                if let Some(jsonz) = jsonz(storage, &id, tally).await? {
                    archive.add(&id, ".jsonz", &jsonz)?;
                }
            }
            Err(error) => {
                eprintln!("socorro: {error}");
                tally.missing += 1;
            }
        }
        progress.advance();
    }
    archive.finish()
}

/// A processed crash as a gzip file; `None`, and counted, if there is none that can be read.
async fn jsonz(
    storage: &dyn CrashStorage,
    id: &CrashId,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, Error> {
    match storage.get_processed(id).await {
        Ok(processed) => {
            tally.exported += 1;
            Ok(Some(gzip(&processed.to_json())))
        }
        Err(error) => tally.leave_out(error).map(|()| None),
    }
}

impl Tally {
    /// Counts a crash that can't be exported; gives back errors that are not about the crash.
    fn leave_out(&mut self, error: StorageError) -> Result<(), Error> {
        if error.is_not_found() {
            self.missing += 1;
        } else if error.blame() == Blame::Crash {
            eprintln!("socorro: {error}");
            self.unreadable += 1;
        } else {
            return Err(error.into());
        }
        Ok(())
    }

    fn tell(&self, cli: &Cli) -> Result<ExitCode, Error> {
        let Self {
            exported,
            missing,
            unreadable,
        } = self;
        let mut text = format!("{exported} exported");
        if *missing > 0 {
            text.push_str(&format!(", {missing} skipped: not processed, or not there"));
        }
        if *unreadable > 0 {
            text.push_str(&format!(", {unreadable} skipped: can't be read"));
        }
        let counts = json!({
            "exported": exported, "missing": missing, "unreadable": unreadable,
        });
        cli.answer(&text, &counts)?;
        Ok(match unreadable {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}
