//! The `socorro` command: look at crashes, ask for them, and set up the storage, from a terminal.

mod get;
mod report;
mod schema;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

use crate::config::{NoSection, Settings};
use crate::crash_id::CrashId;
use crate::service::{CommonArgs, Context, Error, launch};
use crate::storage::open::{PrimaryStorage, StorageClass};

/// Looks at crashes, asks for them, and sets up the storage.
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
    /// Print a crash's report: reason, signature and the crashing thread
    #[command(name = "get_report")]
    GetReport {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// Wait up to so many seconds for the crash to be processed
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        wait: u64,
    },
    /// Print a raw crash: its annotations, private ones included
    #[command(name = "get_json")]
    GetJson {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Write the main dump, or the one named, to a file or a pipe
    #[command(name = "get_dump")]
    GetDump {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
        /// The dump's name
        #[arg(default_value = crate::dumps::MAIN_DUMP)]
        name: String,
        /// The file to write; else standard output, which must not be a terminal
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// List a crash's dumps with their sizes
    #[command(name = "get_dumps")]
    GetDumps {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Print a processed crash
    #[command(name = "get_processed_json")]
    GetProcessedJson {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Ask for a crash to be processed soon, be it deferred, processed before, or not arrived yet
    #[command(name = "request-priority")]
    RequestPriority {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Remove a crash for good: raw, processed, and every trace of it in indices and queues
    Remove {
        /// The crash
        #[arg(value_parser = CrashId::parse_prefixed)]
        id: CrashId,
    },
    /// Make, check or drop the tables in HBase
    #[command(subcommand)]
    Schema(schema::Command),
}

/// Runs the command.
pub fn main() -> ExitCode {
    let Args {
        common,
        host,
        json,
        command,
        help: _,
    } = Args::parse();
    launch("socorro", &common, async |context: Context<NoSection>| {
        let settings = with_host(context.shared, host);
        run(command, &settings, json).await
    })
}

/// `-h` means that HBase.
fn with_host(mut settings: Settings, host: Option<String>) -> Settings {
    if let Some(host) = host {
        settings.storage.class = StorageClass::HBaseCrashStorage;
        settings.hbase.thrift = match host.contains(':') {
            true => host,
            false => format!("{host}:9090"),
        };
    }
    settings
}

async fn run(command: Command, settings: &Settings, json: bool) -> Result<ExitCode, Error> {
    if let Command::Schema(command) = command {
        return schema::run(command, settings, json).await;
    }
    let PrimaryStorage { storage, queue, .. } = PrimaryStorage::new(settings);
    match command {
        Command::Schema(_) => {}
        Command::GetReport { id, wait } => return report::run(&*storage, &id, wait, json).await,
        Command::GetJson { id } => get::raw_crash(&*storage, &id).await?,
        Command::GetDump { id, name, output } => get::dump(&*storage, &id, &name, output).await?,
        Command::GetDumps { id } => get::dumps(&*storage, &id, json).await?,
        Command::GetProcessedJson { id } => get::processed(&*storage, &id).await?,
        Command::RequestPriority { id } => {
            queue.request(&id).await?;
            print(&format!("{id} will be processed soon"))?;
        }
        Command::Remove { id } => {
            storage.remove(&id).await?;
            print(&format!("{id} removed"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a line, or several.
fn print(text: &str) -> Result<(), Error> {
    write_out(format!("{text}\n").as_bytes())
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no error.
fn write_out(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_host_without_a_port_gets_hbases() {
        let thrift = |host: &str| {
            with_host(Settings::default(), Some(host.into()))
                .hbase
                .thrift
        };
        assert_eq!(thrift("db1"), "db1:9090");
        assert_eq!(thrift("db1:1234"), "db1:1234");
    }
}
