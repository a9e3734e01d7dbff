//! `socorro schema`: the tables in HBase.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::context::Cli;
use crate::service::Error;
use crate::storage::hbase::{HBaseCrashStorage, SchemaCheck};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the tables that are missing; those that are there stay as they are, and it says how to add
    /// families that they lack
    Create,
    /// Say what is missing of the tables, or differs, and whether the largest dump would be taken
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
    match command {
        Command::Create => create(cli, &hbase).await,
        Command::Check => check(cli, &hbase).await,
        Command::Drop { yes: _ } => {
            hbase.drop_tables().await?;
            cli.print("all tables dropped")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn create(cli: &Cli, hbase: &HBaseCrashStorage) -> Result<ExitCode, Error> {
    let made = hbase.create_tables().await?;
    let found = hbase.check_tables().await?;
    let alter = hbase.alter_commands(&found);
    let mut lines = vec![match made.as_slice() {
        [] => "all tables are there".to_owned(),
        made => format!("made: {}", made.join(", ")),
    }];
    lines.extend(hints(&alter));
    let value = json!({
        "made": made,
        "missing_families": found.missing_families,
        "hbase_shell": alter,
    });
    cli.answer(&lines.join("\n"), &value)?;
    Ok(match found.missing_families.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Exit code 1 if crashes can't all be stored.
async fn check(cli: &Cli, hbase: &HBaseCrashStorage) -> Result<ExitCode, Error> {
    let mut found = hbase.check_tables().await?;
    if found.missing_tables.is_empty() && found.missing_families.is_empty() {
        let largest = cli.limits.max_inflated_bytes;
        found.wrong.extend(hbase.try_cell(largest).await?);
    }
    let alter = hbase.alter_commands(&found);
    let is_good = found.is_good();
    let SchemaCheck {
        missing_tables,
        missing_families,
        wrong,
        notes,
    } = found;
    let told = |what: &'static str, names: &[String]| {
        let line = |name: &String| format!("{what}: {name}");
        names.iter().map(line).collect::<Vec<_>>()
    };
    let mut lines = [
        told("missing table", &missing_tables),
        told("missing family", &missing_families),
        told("wrong", &wrong),
        told("note", &notes),
    ]
    .concat();
    if !missing_tables.is_empty() {
        lines.push("`socorro schema create` makes the missing tables".into());
    }
    lines.extend(hints(&alter));
    if is_good {
        lines.push("all tables and families are there, and the largest dump fits".into());
    }
    let missing = [missing_tables, missing_families].concat();
    let value = json!({
        "missing": missing,
        "wrong": wrong,
        "notes": notes,
        "hbase_shell": alter,
    });
    cli.answer(&lines.join("\n"), &value)?;
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// How families are added: the Thrift server has no call that changes a table.
fn hints(alter: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if !alter.is_empty() {
        let how = "families can't be added over Thrift: `deploy/hbase/tables create WHERE --alter` \
                   does, or in `hbase shell`:";
        lines.push(how.into());
        lines.extend(alter.iter().map(|command| format!("  {command}")));
    }
    lines
}
