//! What the mover counts.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use socorro_core::service::Error;
use socorro_core::telemetry::Metrics as Rendered;

use crate::config::Options;
use crate::mover::Summary;

/// The counters of one mover.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Crashes moved.
    pub moved: Counter,
    /// Bytes of their dumps.
    pub moved_bytes: Counter,
    /// Crashes that could not be moved.
    pub failed: Counter,
    /// Places in the spool that the last run left alone.
    pub left_alone: Gauge,
    /// When the last run ended, seconds since 1970.
    pub last_run: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// New counters in that registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            moved,
            moved_bytes,
            failed,
            left_alone,
            last_run,
        } = &metrics;
        let registry = registry.sub_registry_with_prefix("socorro_crashmover");
        registry.register("moved", "Crashes moved", moved.clone());
        registry.register_with_unit(
            "moved_dumps",
            "Size of the dumps moved",
            Unit::Bytes,
            moved_bytes.clone(),
        );
        registry.register("failed", "Crashes that could not be moved", failed.clone());
        registry.register("left_alone", LEFT_ALONE, left_alone.clone());
        registry.register_with_unit(
            "last_run_timestamp",
            "When the last run ended",
            Unit::Seconds,
            last_run.clone(),
        );
        metrics
    }
}

const LEFT_ALONE: &str = "Files, links and half crashes in the spool that were left alone";

/// Writes what a run did for node_exporter, if a file is configured. Gauges: a counter that begins
/// anew with each run would tell nothing. The file is replaced at once.
pub(crate) fn write_textfile(options: &Options, summary: &Summary) -> Result<(), Error> {
    let path = &options.metrics_textfile;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let mut registry = Registry::default();
    let of_run = registry.sub_registry_with_prefix("socorro_crashmover_last_run");
    let mut gauge = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        of_run.register(name, help, gauge);
    };
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default();
    gauge("moved", "Crashes moved", summary.moved as f64);
    gauge(
        "moved_dumps_bytes",
        "Size of the dumps moved",
        summary.bytes as f64,
    );
    gauge(
        "failed",
        "Crashes that could not be moved",
        summary.failed as f64,
    );
    gauge("left_alone", LEFT_ALONE, summary.left_alone.total() as f64);
    gauge("timestamp_seconds", "When the run ended", now.as_secs_f64());
    let partial = path.with_extension("prom.partial");
    let write = |partial: &Path| {
        std::fs::write(partial, Rendered::new(registry).render())?;
        std::fs::rename(partial, path)
    };
    write(&partial).map_err(|error| {
        format!(
            "can't write crashmover.metrics_textfile = {}: {error}",
            path.display()
        )
        .into()
    })
}
