//! `socorro export_sampled_crashes_tarball_for_dates`: crashes drawn at random, with their dumps.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Subcommand};
use jiff::civil::Date;
use serde_json::json;

use super::archive::{Archive, Packing};
use super::context::Cli;
use super::days::parse_day;
use super::progress::Progress;
use super::walk::{Interrupted, crashes};
use crate::crash_id::CrashId;
use crate::public_annotations::PublicAnnotations;
use crate::raw_crash::RawCrash;
use crate::service::Error;
use crate::storage::{Blame, CrashStorage, StorageError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write N crashes of some days, drawn at random, into a compressed archive, as aa/bb/ID.json
    /// and aa/bb/ID.dump
    ///
    /// Of the annotations only the public ones are exported. Dumps are exported as they are: they
    /// hold parts of the memory of people's programs.
    #[command(name = "export_sampled_crashes_tarball_for_dates")]
    Sample(Sample),
}

#[derive(Debug, Args)]
pub(super) struct Sample {
    /// How many crashes
    #[arg(value_name = "N")]
    size: usize,
    /// The days
    #[arg(value_name = "YYMMDD,YYMMDD", value_delimiter = ',', action = ArgAction::Set, num_args = 1, required = true, value_parser = parse_day)]
    days: Vec<Date>,
    /// A directory for temporary files; not needed any more
    path: PathBuf,
    /// The archive to write
    tarball: PathBuf,
    /// Export all annotations, private ones too
    #[arg(long)]
    private: bool,
}

/// So many items drawn of a stream of unknown length, each with the same chance.
struct Reservoir<T> {
    size: usize,
    met: usize,
    drawn: Vec<T>,
}

impl<T> Reservoir<T> {
    fn offer(&mut self, item: T) {
        self.met += 1;
        if self.drawn.len() < self.size {
            self.drawn.push(item);
            return;
        }
        let place = fastrand::usize(..self.met);
        if place < self.size {
            self.drawn[place] = item;
        }
    }
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let Command::Sample(Sample {
        size,
        days,
        tarball,
        private,
        path: _,
    }) = command;
    let storage = cli.patient(cli.primary().storage);
    let mut archive = Archive::new(&tarball, Packing::Gzip)?;
    let mut sample = Reservoir {
        size,
        met: 0,
        drawn: Vec::new(),
    };
    // A day named twice has its crashes once.
    for day in BTreeSet::from_iter(days) {
        let mut ids = crashes(cli, &storage, day..=day).await?;
        while let Some(id) = ids.next().await? {
            sample.offer(id);
        }
    }
    let public = (!private).then(PublicAnnotations::default);
    let mut progress = Progress::new(Some(sample.drawn.len() as u64));
    let (mut exported, mut missing) = (0, 0);
    for id in &sample.drawn {
        if cli.stop.is_cancelled() {
            return Err(Interrupted.into());
        }
        match add(&mut archive, &*storage, id, public.as_ref()).await? {
            Ok(()) => exported += 1,
            Err(error) if error.blame() == Blame::Crash => {
                eprintln!("socorro: left out: {error}");
                missing += 1;
            }
            Err(error) => return Err(error.into()),
        }
        progress.advance();
    }
    archive.finish()?;
    let met = sample.met;
    let mut text = format!("{exported} of {met} crashes exported");
    if missing > 0 {
        text.push_str(&format!(", {missing} drawn and left out"));
    }
    let counts = json!({ "exported": exported, "met": met, "missing": missing });
    cli.answer(&text, &counts)?;
    Ok(ExitCode::SUCCESS)
}

/// Adds a crash whole, or tells why the storage does not give it.
async fn add(
    archive: &mut Archive,
    storage: &dyn CrashStorage,
    id: &CrashId,
    public: Option<&PublicAnnotations>,
) -> Result<Result<(), StorageError>, Error> {
    let mut raw = match storage.get_raw_crash(id).await {
        Ok(raw) => raw,
        Err(error) => return Ok(Err(error)),
    };
    let dumps = match storage.get_dumps(id).await {
        Ok(dumps) => dumps,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(public) = public {
        let entries = raw.entries().clone().into_iter();
        raw = RawCrash::new(entries.filter(|(name, _)| public.is_public(name)).collect());
    }
    archive.add(id, ".json", &raw.to_json())?;
    for (name, dump) in &dumps {
        let ending = match name.is_main() {
            true => ".dump".to_owned(),
            false => format!(".{name}.dump"),
        };
        archive.add(id, &ending, &dump.read()?)?;
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservoir_draws_each_item_with_the_same_chance() {
        let mut often = [0u32; 20];
        for _ in 0..20_000 {
            let mut sample = Reservoir {
                size: 5,
                met: 0,
                drawn: Vec::new(),
            };
            (0..20).for_each(|item| sample.offer(item));
            assert_eq!(sample.drawn.len(), 5);
            sample
                .drawn
                .iter()
                .for_each(|item: &usize| often[*item] += 1);
        }
        // Expected: 5,000 each, with a standard deviation of 61.
        for (item, often) in often.iter().enumerate() {
            assert!((4_500..5_500).contains(often), "{item}: {often}");
        }
    }
}
