#![doc = include_str!("../README.md")]

pub mod config;
mod making;
pub mod metrics;
mod rewrite;
mod rules;
pub mod transform;
pub mod walk;
pub mod web;
pub mod worker;
pub mod workers;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use prometheus_client::registry::Registry;
use socorro_core::service::{CommonArgs, Context, Error, args, launch, serve_metrics};
use socorro_core::telemetry::Metrics as Rendered;

use config::Options;
use metrics::Metrics;
use worker::Processor;

/// Processes crashes, and shows them to people.
///
/// Exit codes: 0 after a stop by signal; 1 a mistake in the configuration, 2 one in the flags.
#[derive(Debug, Parser)]
#[command(name = "processor", version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Process the crashes of the queue, until stopped
    Run,
    /// Serve the report pages and the JSON API, until stopped
    Web,
    /// Walk dumps for a processor that started this
    #[command(hide = true)]
    Worker {
        /// The section processor.walk as JSON
        options: String,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let Args { common, command } = Args::parse_from(args());
    match command {
        Command::Run => launch("processor run", &common, run),
        Command::Web => launch("processor web", &common, web::run),
        Command::Worker { options } => workers::serve(&options),
    }
}

/// Processes the crashes of the queue until the stop.
pub async fn run(context: Context<Options>) -> Result<ExitCode, Error> {
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let processor = Processor::new(&context, metrics)?;
    let listen = &context.own.metrics_listen;
    let rendered = Rendered::new(registry);
    serve_metrics(
        "processor.metrics_listen",
        listen,
        rendered,
        context.stop.clone(),
    )
    .await?;
    processor.run().await;
    Ok(ExitCode::SUCCESS)
}
