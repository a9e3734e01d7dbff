#![doc = include_str!("../README.md")]

mod body;
pub mod config;
#[cfg(fuzzing)]
pub mod fuzz;
mod health;
mod held;
mod incoming;
mod inflate;
mod intake;
mod json;
mod metrics;
mod multipart;
mod reject;
mod routes;
mod submission;
mod submit;
#[cfg(test)]
mod tests;
pub mod throttle;
mod uploads;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use prometheus_client::registry::Registry;
use socorro_core::http::{self, Limits};
use socorro_core::service::{CommonArgs, Context, Error, args, bind, launch, serve_metrics};
use socorro_core::storage::open::Spool;
use socorro_core::telemetry::Metrics as Rendered;
use tokio::net::TcpListener;
use tracing::{info, warn};

use config::Options;
use health::Probe;
use metrics::Metrics;
use throttle::Throttler;
use throttle::check::check_rules;
use uploads::{Memory, Saving, Uploads};

/// Takes crashes from Breakpad and Crashpad clients into the spool.
///
/// Clients post to /submit. The answer `CrashID=bp-...` is sent when the crash is on stable storage.
///
/// Exit codes: 0 after a stop by signal; 1 a mistake in the configuration, 2 one in the flags.
#[derive(Debug, Parser)]
#[command(name = "collector", version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells which throttle rule counts for a crash, and why no earlier one
    ///
    /// Reads the crash, a JSON object of annotations, from standard input.
    CheckRules {
        /// A configuration file with [[collector.throttle]]
        file: PathBuf,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let Args { common, command } = Args::parse_from(args());
    let Some(Command::CheckRules { file }) = command else {
        return launch("collector", &common, run);
    };
    let read = std::io::read_to_string(std::io::stdin());
    let explained = read.map_err(Error::from);
    match explained.and_then(|crash| check_rules(&file, crash.as_bytes())) {
        Ok(explanation) => {
            print!("{explanation}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("collector: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the stop.
pub async fn run(context: Context<Options>) -> Result<ExitCode, Error> {
    let listener = bind("collector.listen", &context.own.listen).await?;
    serve(listener, context).await
}

/// Serves on this listener until the stop; then finishes the uploads that have begun.
pub async fn serve(listener: TcpListener, context: Context<Options>) -> Result<ExitCode, Error> {
    let mut registry = Registry::default();
    let collector = Arc::new(Collector::new(&context, &mut registry)?);
    for tree in &collector.spool.trees {
        // Told early; a disk that is away may come back, so it is no reason not to start.
        if let Err(error) = tree.open_for_writing() {
            warn!(%error, "a spool can't be used now");
        }
    }
    let listen = &context.own.metrics_listen;
    let rendered = Rendered::new(registry);
    serve_metrics(
        "collector.metrics_listen",
        listen,
        rendered,
        context.stop.clone(),
    )
    .await?;
    allow_open_files(&context.own);
    let limits = Limits {
        connections: context.own.connections,
        header_timeout: context.own.header_timeout.get(),
        drain_timeout: context.own.drain_timeout.get(),
    };
    info!(address = %listener.local_addr()?, "listening");
    http::serve(listener, limits, context.stop, move |request, _| {
        routes::route(Arc::clone(&collector), request)
    })
    .await;
    Ok(ExitCode::SUCCESS)
}

/// Raises the limit on open files to what the settings need, if the system allows it.
fn allow_open_files(options: &Options) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // An upload has a dump's file and its copy open; the rest is for listeners, directories and saves.
    let needed = (options.connections + 2 * options.uploads + 500) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let allowed = maximum.map_or(needed, |maximum| maximum.min(needed));
    let current = Some(allowed);
    let raised = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    if raised.is_err() || allowed < needed {
        warn!(
            needed,
            allowed,
            "too few open files are allowed for collector.connections and collector.uploads"
        );
    }
}

/// What all requests share.
#[derive(Debug)]
struct Collector {
    options: Options,
    spool: Spool,
    throttler: Throttler,
    submit_token: String,
    metrics: Metrics,
    uploads: Uploads,
    memory: Arc<Memory>,
    saving: Saving,
    probe: Probe,
}

impl Collector {
    fn new(context: &Context<Options>, registry: &mut Registry) -> Result<Self, Error> {
        let options = context.own.clone();
        options.check()?;
        let metrics = Metrics::register(registry);
        Ok(Self {
            throttler: Throttler::new(&options),
            submit_token: submit_token(&options)?,
            spool: Spool::new(&context.shared),
            uploads: Uploads::new(&options, metrics.in_flight.clone()),
            memory: Memory::new(&options),
            saving: Saving::default(),
            probe: Probe::default(),
            metrics,
            options,
        })
    }
}

/// The token for submitted crash ids; empty, which nobody can show, where they are not accepted.
fn submit_token(options: &Options) -> Result<String, Error> {
    if !options.accept_submitted_crash_id {
        return Ok(String::new());
    }
    let path = &options.submit_token_file;
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!(
            "collector.accept_submitted_crash_id needs a token, and collector.submit_token_file = \
             {path:?} can't be read: {error}"
        )
    })?;
    match text.trim() {
        "" => Err(format!("collector.submit_token_file = {path:?} is empty").into()),
        token => Ok(token.to_owned()),
    }
}
