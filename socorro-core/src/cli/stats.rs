//! `socorro stats`: how many crashes there are, day by day, counted.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::context::Cli;
use super::days::Days;
use super::progress::Progress;
use super::queue;
use super::walk::crashes;
use crate::service::Error;
use crate::storage::Lane;

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
    reprocess: u64,
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
    for lane in Lane::ALL {
        let mut ids = queue::walk(cli, lane).await?;
        while let Some(id) = ids.next().await? {
            if days.contains(&id.date()) {
                let counts = by_day.entry(id.date()).or_default();
                match lane {
                    Lane::Waiting => counts.waiting += 1,
                    Lane::Requested => counts.requested += 1,
                    Lane::Reprocess => counts.reprocess += 1,
                }
            }
            progress.advance();
        }
    }
    drop(progress);
    let mut total = Counts::default();
    let mut text = format!(
        "{:<10} {:>10} {:>10} {:>10} {:>10}",
        "day", "stored", "waiting", "requested", "reprocess"
    );
    let mut line = |name: &str, counts: &Counts| {
        let Counts {
            stored,
            waiting,
            requested,
            reprocess,
        } = counts;
        text.push_str(&format!(
            "\n{name:<10} {stored:>10} {waiting:>10} {requested:>10} {reprocess:>10}"
        ));
    };
    for (day, counts) in &by_day {
        line(&day.to_string(), counts);
        total.stored += counts.stored;
        total.waiting += counts.waiting;
        total.requested += counts.requested;
        total.reprocess += counts.reprocess;
    }
    line("total", &total);
    let value = |counts: &Counts| {
        let Counts {
            stored,
            waiting,
            requested,
            reprocess,
        } = counts;
        json!({
            "stored": stored, "waiting": waiting, "requested": requested, "reprocess": reprocess,
        })
    };
    let days = by_day
        .iter()
        .map(|(day, counts)| (day.to_string(), value(counts)));
    let days: serde_json::Map<_, _> = days.collect();
    cli.answer(&text, &json!({ "days": days, "total": value(&total) }))?;
    Ok(ExitCode::SUCCESS)
}
