//! The shared bootstrap: flags, configuration, logging, signals, the runtime, exit codes.
//!
//! A program parses its flags, of which [`CommonArgs`] are a part, and calls [`launch`] with what is
//! to run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{self, Config, Section, Settings, Sources};
use crate::http;
use crate::storage::allow_brief_work;
use crate::telemetry::{self, Metrics};

/// Whatever ends a program with an error; its text is for the operator.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The work is not done, but trying again later may do it: `EX_TEMPFAIL` of `sysexits.h`.
pub const EXIT_TEMPFAIL: u8 = 75;

/// The flags that every program has.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CommonArgs {
    /// The configuration file [default: /etc/socorro/socorro.toml, if it exists]
    #[arg(
        short,
        long,
        value_name = "FILE",
        global = true,
        env = "SOCORRO_CONFIG"
    )]
    pub config: Option<PathBuf>,

    /// Set a value of the configuration, such as hbase.thrift=db1:9090; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE", global = true)]
    pub set: Vec<String>,

    /// Print the configuration in force, and where each value is from, and exit
    #[arg(long, global = true)]
    pub print_config: bool,
}

/// The arguments of this process, with all `--set` before any subcommand. Of a flag given before and
/// behind a subcommand clap would silently keep only the latter.
pub fn args() -> Vec<OsString> {
    gather_settings(std::env::args_os())
}

fn gather_settings(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let program = args.next();
    let (mut settings, mut others) = (Vec::new(), Vec::new());
    while let Some(arg) = args.next() {
        match arg.as_encoded_bytes() {
            b"--" => {
                others.push(arg);
                others.extend(args.by_ref());
            }
            b"--set" => {
                settings.push(arg);
                settings.extend(args.next());
            }
            other if other.starts_with(b"--set=") => settings.push(arg),
            _ => others.push(arg),
        }
    }
    program.into_iter().chain(settings).chain(others).collect()
}

impl CommonArgs {
    /// Where the configuration comes from.
    pub fn sources(&self) -> Sources {
        Sources {
            file: self.config.clone(),
            env: std::env::vars_os().collect(),
            set: self.set.clone(),
        }
    }
}

/// What a running program gets.
#[derive(Debug, Clone)]
pub struct Context<S> {
    /// The sections that several programs read.
    pub shared: Settings,
    /// The program's own section.
    pub own: S,
    /// Cancelled when the program is to stop: finish what is begun, begin nothing new.
    pub stop: CancellationToken,
}

impl<S> Context<S> {
    /// A context of this configuration.
    pub fn new(config: Config<S>, stop: CancellationToken) -> Self {
        Self {
            shared: config.shared,
            own: config.own,
            stop,
        }
    }
}

/// Runs a program, or one subcommand of it, from its flags to its exit code: 1 for a mistake in
/// the configuration and for all that ends it early, otherwise what `run` says. (Mistakes in flags end
/// with 2 before that.)
pub fn launch<S, F>(name: &str, common: &CommonArgs, run: impl FnOnce(Context<S>) -> F) -> ExitCode
where
    S: Section,
    F: Future<Output = Result<ExitCode, Error>>,
{
    match start(common, run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Threads of the runtime beyond the cores: those on which all goes on while a disk is slow.
const SPARE_THREADS: usize = 2;

fn start<S, F>(common: &CommonArgs, run: impl FnOnce(Context<S>) -> F) -> Result<ExitCode, Error>
where
    S: Section,
    F: Future<Output = Result<ExitCode, Error>>,
{
    let loaded = config::load::<S>(&common.sources())?;
    if common.print_config {
        print!("{}", loaded.print());
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::start_logging(&loaded.config.shared.log)?;
    let cores = std::thread::available_parallelism()?.get();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + SPARE_THREADS)
        .enable_all()
        .build()?;
    allow_brief_work(cores);
    let stop = CancellationToken::new();
    let code = runtime.block_on(async {
        stop_on_signals(stop.clone())?;
        run(Context::new(loaded.config, stop)).await
    });
    // Blocking work that nobody waits for any more must not hold up the exit.
    runtime.shutdown_background();
    code
}

/// SIGTERM, SIGINT and SIGHUP ask for a graceful stop; a further one while it goes on only says so.
/// They are caught from the return of this function on.
fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                _ = hup.recv() => {}
            }
            if stop.is_cancelled() {
                warn!("already stopping: finishing what is begun");
            } else {
                info!("stopping: finishing what is begun");
                stop.cancel();
            }
        }
    });
    Ok(())
}

/// Binds a listener; the error names the setting.
pub async fn bind(setting: &str, address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("can't listen on {setting} = {address:?}: {error}").into())
}

/// Serves metrics at `/metrics` until `stop`; nowhere if the address is empty.
pub async fn serve_metrics(
    setting: &str,
    address: &str,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), Error> {
    if address.is_empty() {
        return Ok(());
    }
    let listener = bind(setting, address).await?;
    info!(address = %listener.local_addr()?, "metrics at /metrics");
    tokio::spawn(http::serve_metrics(listener, metrics, stop));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{Parser, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        common: CommonArgs,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        Say { words: Vec<String> },
    }

    #[test]
    fn settings_before_and_behind_a_subcommand_all_count_in_their_order() {
        let line = "program --set a.b=1 say --set=a.b=2 hello --set c.d=3 -- --set e.f=4";
        let args = gather_settings(line.split(' ').map(OsString::from));
        let Program { common, command } = Program::try_parse_from(args).unwrap();
        assert_eq!(common.set, ["a.b=1", "a.b=2", "c.d=3"]);
        let Command::Say { words } = command;
        assert_eq!(words, ["hello", "--set", "e.f=4"]);
    }
}
