//! `socorro schema`: the tables in HBase.

use std::process::ExitCode;

use clap::Subcommand;

use super::context::Cli;
use crate::service::Error;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the tables that are missing; those that are there stay as they are
    Create,
    /// Say which tables and column families are missing
    Check,
    /// Drop all tables with all crashes in them
    Drop {
        /// Yes, all crashes
        #[arg(long, required = true)]
        yes: bool,
    },
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let hbase = cli.hbase_as_configured();
    let report = |what: &str, nothing: &str, names: &[String]| {
        let text = match names {
            [] => nothing.to_owned(),
            names => format!("{what}: {}", names.join(", ")),
        };
        cli.answer(&text, &serde_json::json!({ what: names }))
    };
    match command {
        Command::Create => {
            let made = hbase.create_tables().await?;
            let made: Vec<_> = made.into_iter().map(str::to_owned).collect();
            report("made", "all tables are there", &made)?;
        }
        Command::Check => {
            let missing = hbase.missing_tables().await?;
            report("missing", "all tables and families are there", &missing)?;
            if !missing.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Drop { yes: _ } => {
            hbase.drop_tables().await?;
            cli.print("all tables dropped")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
