//! `socorro stats`: how many crashes there are, day by day, counted.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::context::Cli;
use super::days::Days;
use super::progress::Progress;
use super::queue::{self, State};
use super::walk::crashes;
use crate::service::Error;

/// Count the crashes of the primary storage by day, and those in its queue
///
/// All are walked, so it takes a while, and the numbers are exact.
#[derive(Debug, Args)]
pub(super) struct Stats {
    /// Only crashes of a day, or of days from first to last
    #[arg(long, value_name = "YYMMDD[-YYMMDD]", value_parser = Days::parse)]
    date: Option<Days>,
}

/// The counts of a day. A request may be for a crash that has not arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    stored: u64,
    waiting: u64,
    requested: u64,
}

pub(super) async fn run(cli: &Cli, stats: Stats) -> Result<ExitCode, Error> {
    let days = stats.date.unwrap_or(Days::ALL).range();
    let storage = cli.primary().storage;
    let mut by_day = BTreeMap::<Date, Counts>::new();
    let mut progress = Progress::new(None);
    let mut ids = crashes(cli, &storage, days.clone()).await?;
    while let Some(id) = ids.next().await? {
        by_day.entry(id.date()).or_default().stored += 1;
        progress.advance();
    }
    for state in State::ALL {
        let mut ids = queue::walk(cli, state).await?;
        while let Some(id) = ids.next().await? {
            if days.contains(&id.date()) {
                let counts = by_day.entry(id.date()).or_default();
                match state {
                    State::Waiting => counts.waiting += 1,
                    State::Requested => counts.requested += 1,
                }
            }
            progress.advance();
        }
    }
    drop(progress);
    let mut total = Counts::default();
    let mut text = format!(
        "{:<10} {:>10} {:>10} {:>10}",
        "day", "stored", "waiting", "requested"
    );
    let mut line = |name: &str, counts: &Counts| {
        let Counts {
            stored,
            waiting,
            requested,
        } = counts;
        text.push_str(&format!(
            "\n{name:<10} {stored:>10} {waiting:>10} {requested:>10}"
        ));
    };
    for (day, counts) in &by_day {
        line(&day.to_string(), counts);
        total.stored += counts.stored;
        total.waiting += counts.waiting;
        total.requested += counts.requested;
    }
    line("total", &total);
    let value = |counts: &Counts| {
        let Counts {
            stored,
            waiting,
            requested,
        } = counts;
        json!({ "stored": stored, "waiting": waiting, "requested": requested })
    };
    let days = by_day
        .iter()
        .map(|(day, counts)| (day.to_string(), value(counts)));
    let days: serde_json::Map<_, _> = days.collect();
    cli.answer(&text, &json!({ "days": days, "total": value(&total) }))?;
    Ok(ExitCode::SUCCESS)
}
