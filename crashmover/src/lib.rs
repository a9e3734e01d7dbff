#![doc = include_str!("../README.md")]

pub mod config;
mod lock;
pub mod metrics;
pub mod mover;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use prometheus_client::registry::Registry;
use socorro_core::service::{
    CommonArgs, Context, EXIT_TEMPFAIL, Error, args, launch, serve_metrics,
};
use socorro_core::storage::open::Spool;
use socorro_core::telemetry::Metrics as Rendered;
use tracing::info;

use config::Options;
use lock::SpoolLock;
use metrics::Metrics;
use mover::{Mover, Summary};

/// Moves crashes from the spool into the primary storage.
///
/// One run moves all that waits, oldest first, and ends; start it from cron or a timer. Two runs
/// never overlap: the second says so and ends. A crash leaves the spool only after the primary
/// storage has confirmed all of it, so a run may be killed at any time.
///
/// Exit codes: 0 all moved, nothing to move, or another mover at work; 75 crashes remain, run it
/// again later; 1 a mistake in the configuration; 2 one in the flags.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "crashmover", version)]
pub struct CrashMover {
    #[command(flatten)]
    common: CommonArgs,

    /// Keep running, and move crashes as they arrive
    #[arg(long)]
    pub watch: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let args = CrashMover::parse_from(args());
    launch("crashmover", &args.common, async |context| {
        args.run(context).await
    })
}

impl CrashMover {
    /// One run, or with `--watch` one after the other until the stop.
    pub async fn run(&self, context: Context<Options>) -> Result<ExitCode, Error> {
        let spool = Spool::new(&context.shared);
        let Some(_lock) = SpoolLock::take(&context.own, &spool)? else {
            println!("another crash mover is at work on this spool; nothing done");
            return Ok(ExitCode::SUCCESS);
        };
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let rendered = Rendered::new(registry);
        let mover = Mover::new(&context, &spool, metrics);
        if !self.watch {
            let summary = mover.run().await;
            println!("{summary}");
            metrics::write_textfile(&context.own, &summary)?;
            return Ok(exit_code(&summary));
        }
        let Options { metrics_listen, .. } = &context.own;
        serve_metrics(
            "crashmover.metrics_listen",
            metrics_listen,
            rendered,
            context.stop.clone(),
        )
        .await?;
        let mut arrivals = watch::Arrivals::of(&spool, context.own.poll_interval.get());
        let mut pause = context.own.poll_interval.get();
        while !context.stop.is_cancelled() {
            let summary = mover.run().await;
            if summary.did_something() {
                info!("{summary}");
            }
            let wait = async {
                if summary.ended_badly() {
                    // What remains would fail again at each arrival.
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                } else {
                    pause = context.own.poll_interval.get();
                    arrivals.wait().await;
                }
            };
            tokio::select! {
                () = wait => {}
                () = context.stop.cancelled() => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// With `--watch`: the longest wait after runs that left crashes in the spool.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

fn exit_code(summary: &Summary) -> ExitCode {
    match summary.crashes_remain() {
        true => ExitCode::from(EXIT_TEMPFAIL),
        false => ExitCode::SUCCESS,
    }
}
