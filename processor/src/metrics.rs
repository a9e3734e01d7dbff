//! What a processor counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Worker processes that died, by reason: what the `mdsw_status_string` of a dump would say.
pub type WorkerDeaths = Family<[(&'static str, String); 1], Counter>;

/// The counters of one processor.
#[derive(Debug)]
pub struct Metrics {
    /// Crashes processed and stored.
    pub processed: Counter,
    /// Those of them whose main dump could not be walked.
    pub failed: Counter,
    /// Crashes given up after too many attempts.
    pub given_up: Counter,
    /// Results dropped because another processor had taken the crash over.
    pub taken_over: Counter,
    /// Calls to the storage that failed.
    pub storage_errors: Counter,
    /// Worker processes that died over a dump, or while they waited for one.
    pub worker_deaths: WorkerDeaths,
    /// Crashes being processed now.
    pub in_progress: Gauge,
    /// Time from the claim to the stored result.
    pub duration: Histogram,
}

impl Metrics {
    /// New counters in that registry.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("socorro_processor");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let metrics = Self {
            processed: counter("processed", "Crashes processed and stored"),
            failed: counter("failed", "Crashes whose main dump could not be walked"),
            given_up: counter("given_up", "Crashes given up after too many attempts"),
            taken_over: counter(
                "taken_over",
                "Results dropped, another processor was faster",
            ),
            storage_errors: counter("storage_errors", "Calls to the storage that failed"),
            worker_deaths: WorkerDeaths::default(),
            in_progress: Gauge::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 18)),
        };
        registry.register(
            "worker_deaths",
            "Worker processes that died, by reason",
            metrics.worker_deaths.clone(),
        );
        registry.register(
            "in_progress",
            "Crashes being processed now",
            metrics.in_progress.clone(),
        );
        registry.register_with_unit(
            "duration",
            "Time from the claim to the stored result",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        metrics
    }
}
