//! The `socorro` command: look at crashes, move, export and remove them, and set up the storage,
//! from a terminal.
//!
//! One file for each group of commands: `get` and `report`, `put`, `tables`, `export` and `sample`,
//! `change`, `copy`, `expire`, `queue`, `spool`, `stats`, `schema`, `signature`, `shell`. `context` is
//! what all get; long ones read through `walk` and `patient`, which outlast an outage, tell how far
//! they are through `progress`, and write through `new_file` and `archive`, so that Ctrl-C leaves
//! nothing half.

mod archive;
mod change;
mod context;
mod copy;
mod days;
mod expire;
mod export;
mod get;
mod new_file;
mod patient;
mod progress;
mod put;
mod queue;
mod report;
mod sample;
mod schema;
mod shell;
mod signature;
mod spool;
mod stats;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use crate::config::{CollectorLimits, Settings};
use crate::service::{self, CommonArgs, Context, Error, launch};
use crate::storage::open::StorageClass;
use context::Cli;

/// Looks at crashes, moves, exports and removes them, and sets up the storage.
///
/// Works on the primary storage of the configuration, be it HBase or the file system. Crash ids may
/// have the prefix bp-.
///
/// Exit codes: 0 done; 1 it failed, and standard error says why; 75 not processed yet.
#[derive(Debug, Parser)]
#[command(name = "socorro", version, disable_help_flag = true)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,

    /// The Thrift server of HBase, instead of the configured storage [default port: 9090]
    #[arg(short = 'h', long, value_name = "HOST[:PORT]", global = true)]
    host: Option<String>,

    /// Print JSON for programs
    #[arg(long, global = true)]
    json: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help, global = true)]
    help: Option<bool>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Get(get::Command),
    #[command(flatten)]
    Put(put::Command),
    #[command(flatten)]
    Tables(tables::Command),
    #[command(flatten)]
    Export(export::Command),
    #[command(flatten)]
    Sample(sample::Command),
    #[command(flatten)]
    Change(change::Command),
    Copy(copy::Copy),
    Expire(expire::Expire),
    /// Look at the queue of the processors
    #[command(subcommand)]
    Queue(queue::Command),
    /// Look at the trees on disk: the spool, and the primary storage on the file system
    #[command(subcommand)]
    Spool(spool::Command),
    Stats(stats::Stats),
    /// Make, check or drop the tables in HBase
    #[command(subcommand)]
    Schema(schema::Command),
    /// Look into signatures
    #[command(subcommand)]
    Signature(signature::Command),
    #[command(flatten)]
    Shell(shell::Command),
}

/// Runs the command.
pub fn main() -> ExitCode {
    let Args {
        common,
        host,
        json,
        command,
        help: _,
    } = match Args::try_parse_from(service::args()) {
        Ok(args) => args,
        Err(answer) => return tell(&answer),
    };
    if let Command::Shell(command) = &command {
        return match describe(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("socorro: {error}");
                ExitCode::FAILURE
            }
        };
    }
    launch(
        "socorro",
        &common,
        async |context: Context<CollectorLimits>| {
            let settings = with_host(context.shared, host);
            let mut cli = Cli::new(settings, json, context.stop);
            cli.limits = context.own;
            run(&cli, command).await
        },
    )
}

/// Help, the version, or a mistake in the arguments, which counts as any other: exit code 1. Without
/// any arguments, help is what was wanted.
fn tell(answer: &clap::Error) -> ExitCode {
    // Nobody may be reading.
    let _ = answer.print();
    match answer.use_stderr() && std::env::args_os().len() > 1 {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// `-h` means that HBase.
fn with_host(mut settings: Settings, host: Option<String>) -> Settings {
    if let Some(host) = host {
        settings.storage.class = StorageClass::HBaseCrashStorage;
        settings.storage.r#use = String::new();
        settings.hbase.thrift = match host.contains(':') {
            true => host,
            false => format!("{host}:9090"),
        };
    }
    settings
}

async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Get(command) => get::run(cli, command).await,
        Command::Put(command) => put::run(cli, command).await,
        Command::Tables(command) => tables::run(cli, command).await,
        Command::Export(command) => export::run(cli, command).await,
        Command::Sample(command) => sample::run(cli, command).await,
        Command::Change(command) => change::run(cli, command).await,
        Command::Copy(copy) => copy::run(cli, copy).await,
        Command::Expire(expire) => expire::run(cli, expire).await,
        Command::Queue(command) => queue::run(cli, command).await,
        Command::Spool(command) => spool::run(cli, command).await,
        Command::Stats(stats) => stats::run(cli, stats).await,
        Command::Schema(command) => schema::run(cli, command).await,
        Command::Signature(command) => signature::run(cli, command).await,
        Command::Shell(command) => describe(&command).map(|()| ExitCode::SUCCESS),
    }
}

/// Completions and man pages.
fn describe(command: &shell::Command) -> Result<(), Error> {
    match command {
        shell::Command::Completions { shell } => {
            let script = shell::completions(Args::command(), *shell);
            match std::io::stdout().write_all(&script) {
                // Enough was seen.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                other => Ok(other?),
            }
        }
        shell::Command::Man { dir } => shell::man(Args::command(), dir),
    }
}
