//! `socorro expire`: whole crashes of old days go.

use std::process::ExitCode;

use clap::Args;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::json;

use super::context::Cli;
use super::progress::Progress;
use super::walk::{Walk, crashes};
use crate::service::Error;
use crate::storage::filesystem::Swept;
use crate::storage::trees::{ConfiguredTree, Role, trees};

/// Remove whole crashes of old days from the primary storage: raw, processed, and every trace of
/// them in indices and queues
///
/// On the file system also what is left of half crashes, and empty directories.
#[derive(Debug, Args)]
pub(super) struct Expire {
    /// Remove crashes of days more than so many days before today (UTC)
    #[arg(long, value_name = "DAYS")]
    older_than: u32,
    /// Only tell how many would go
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(cli: &Cli, expire: Expire) -> Result<ExitCode, Error> {
    let Expire {
        older_than,
        dry_run,
    } = expire;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let last = last_day(today, older_than)?;
    let storage = cli.patient(cli.primary().storage);
    let mut ids = crashes(cli, &storage, date(2000, 1, 1)..=last).await?;
    let mut progress = Progress::new(None);
    let mut expired = 0u64;
    let ended = loop {
        let id = match ids.next().await {
            Ok(Some(id)) => id,
            Ok(None) => break Ok(ExitCode::SUCCESS),
            Err(error) => break Err(error),
        };
        if !dry_run {
            match storage.remove(&id).await {
                // Somebody else was first.
                Err(error) if error.is_not_found() => continue,
                other => other?,
            }
        }
        expired += 1;
        progress.advance();
    };
    drop(progress);
    let swept = match &ended {
        Ok(_) => sweep(cli, last, dry_run).await?,
        Err(_) => Swept::default(),
    };
    let what = if dry_run {
        "would be removed"
    } else {
        "removed"
    };
    let Swept {
        remains,
        directories,
    } = swept;
    let remains_too = match remains {
        0 => String::new(),
        _ => format!(", and what is left of {remains} half ones,"),
    };
    let text = format!("{expired} crashes{remains_too} of {last} and earlier {what}");
    let counts = json!({
        "expired": expired, "remains": remains, "directories": directories,
        "until": last.to_string(), "dry_run": dry_run,
    });
    cli.answer(&text, &counts)?;
    ended
}

/// Clears the trees of what no crash is left of.
async fn sweep(cli: &Cli, until: Date, dry_run: bool) -> Result<Swept, Error> {
    let mut sum = Swept::default();
    let kept = trees(&cli.settings).into_iter();
    for ConfiguredTree { tree, .. } in kept.filter(|tree| tree.role != Role::Spool) {
        let mut days = Walk::start(cli, move || tree.sweep(until, dry_run)).await?;
        while let Some(Swept {
            remains,
            directories,
        }) = days.next().await?
        {
            sum.remains += remains;
            sum.directories += directories;
        }
    }
    Ok(sum)
}

/// The newest day that is older than so many days.
fn last_day(today: Date, older_than: u32) -> Result<Date, Error> {
    let days = i64::from(older_than) + 1;
    let far = |_| Error::from(format!("{older_than} days ago there were no crashes"));
    let span = Span::new().try_days(days);
    let last = span.and_then(|span| today.checked_sub(span));
    last.map_err(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_exactly_so_old_stay() {
        let today = date(2026, 3, 1);
        assert_eq!(last_day(today, 0).unwrap(), date(2026, 2, 28));
        assert_eq!(last_day(today, 28).unwrap(), date(2026, 1, 31));
        assert!(last_day(today, u32::MAX).is_err());
    }
}
