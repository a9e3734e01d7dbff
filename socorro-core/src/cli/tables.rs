//! The commands that look at HBase itself: scans, rows, tables.

use std::process::ExitCode;

use clap::{ArgAction, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::context::{Cli, visible};
use super::walk::Walk;
use crate::service::Error;
use crate::storage::hbase::FullRow;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print rows whose keys begin with a prefix after the salt, salt by salt (HBase)
    #[command(name = "union_scan_with_prefix")]
    UnionScan(Scan),
    /// Print rows whose keys begin with a prefix after the salt, ordered by date (HBase)
    #[command(name = "merge_scan_with_prefix")]
    MergeScan(Scan),
    /// Print a table's column families and their settings (HBase)
    #[command(name = "describe_table")]
    DescribeTable {
        /// The table, such as crash_reports
        table: String,
    },
    /// Print all cells of a row (HBase)
    #[command(name = "get_full_row")]
    FullRow {
        /// The table, such as crash_reports
        table: String,
        /// The whole row key
        row: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Scan {
    /// The table, such as crash_reports
    table: String,
    /// What follows the salt: a day as YYMMDD, a time as 2009-09-28T13, or nothing ("")
    prefix: String,
    /// Columns as family:qualifier, or whole families; "" for all
    #[arg(
        value_name = "COLUMN,COLUMN",
        value_delimiter = ',',
        action = ArgAction::Set,
        num_args = 1,
        required = true
    )]
    columns: Vec<String>,
    /// At most so many rows
    #[arg(default_value_t = 10)]
    limit: usize,
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let hbase = cli.hbase()?;
    match command {
        Command::UnionScan(scan) => {
            let rows = hbase.union_scan(&scan.table, &scan.prefix, &scan.columns);
            print_rows(cli, Walk::start(cli, || Ok(rows)).await?, scan.limit).await?;
        }
        Command::MergeScan(scan) => {
            let rows = hbase.merge_scan(&scan.table, &scan.prefix, &scan.columns);
            print_rows(cli, Walk::start(cli, || Ok(rows)).await?, scan.limit).await?;
        }
        Command::DescribeTable { table } => {
            let mut families = Map::new();
            let mut lines = Vec::new();
            for family in hbase.describe(&table).await? {
                let setting = |(name, value): &(&str, String)| format!("{name} {value}");
                let settings: Vec<_> = family.settings.iter().map(setting).collect();
                lines.push(format!("{}: {}", family.name, settings.join(", ")));
                families.insert(family.name, family.settings.into_iter().collect());
            }
            cli.answer(&lines.join("\n"), &json!({ table: families }))?;
        }
        Command::FullRow { table, row } => {
            let Some(row) = hbase.full_row(&table, row.as_bytes()).await? else {
                return Err(format!("{table} has no row {row:?}").into());
            };
            print_row(cli, &row)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn print_rows(cli: &Cli, mut rows: Walk<FullRow>, limit: usize) -> Result<(), Error> {
    for _ in 0..limit {
        let Some(row) = rows.next().await? else {
            break;
        };
        if !print_row(cli, &row)? {
            break;
        }
    }
    Ok(())
}

/// Prints a row; `false` if nobody reads on.
fn print_row(cli: &Cli, row: &FullRow) -> Result<bool, Error> {
    let mut cells = Map::from_iter([("_rowkey".into(), cell("", &row.key))]);
    cells.extend(
        row.cells
            .iter()
            .map(|(name, v)| (name.clone(), cell(name, v))),
    );
    if cli.json {
        return cli.write(format!("{}\n", Value::Object(cells)).as_bytes());
    }
    let mut text = format!("{}\n", visible(&String::from_utf8_lossy(&row.key)));
    for (name, value) in cells.iter().filter(|(name, _)| *name != "_rowkey") {
        let value = match value {
            Value::String(text) => visible(text),
            Value::Object(binary) => format!("({} bytes)", binary["bytes"]),
            other => other.to_string(),
        };
        text.push_str(&format!("  {}: {value}\n", visible(name)));
    }
    cli.write(text.as_bytes())
}

/// A cell's value: a text, a counter as a number, of other bytes how many.
fn cell(column: &str, value: &[u8]) -> Value {
    if let (true, Ok(count)) = (column.starts_with("counters:"), value.try_into()) {
        return i64::from_be_bytes(count).into();
    }
    match std::str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => json!({ "bytes": value.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_text_a_count_or_bytes() {
        assert_eq!(cell("ids:ooid", b"x"), json!("x"));
        assert_eq!(cell("counters:c", &7i64.to_be_bytes()), json!(7));
        assert_eq!(cell("raw_data:dump", b"\xff\xfe"), json!({ "bytes": 2 }));
    }
}
