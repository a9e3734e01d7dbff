//! What the collector counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::reject::Reject;
use crate::throttle::Decision;

/// One label and its value.
type Label = [(&'static str, &'static str); 1];

/// The counters of one collector.
#[derive(Debug)]
pub(crate) struct Metrics {
    throttled: Family<Label, Counter>,
    refused: Family<Label, Counter>,
    pub(crate) body_bytes: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) duration: Histogram,
}

impl Metrics {
    /// New counters in that registry.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            throttled: Family::default(),
            refused: Family::default(),
            body_bytes: Counter::default(),
            in_flight: Gauge::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
        };
        let Self {
            throttled,
            refused,
            body_bytes,
            in_flight,
            duration,
        } = &metrics;
        let registry = registry.sub_registry_with_prefix("socorro_collector");
        registry.register(
            "submissions",
            "Submissions stored, or by a throttle rule not stored, by throttle result",
            throttled.clone(),
        );
        registry.register("refused", "Requests refused, by reason", refused.clone());
        registry.register_with_unit(
            "bodies",
            "Size of the bodies on the wire",
            Unit::Bytes,
            body_bytes.clone(),
        );
        registry.register(
            "uploads_in_flight",
            "Uploads being received",
            in_flight.clone(),
        );
        registry.register_with_unit(
            "submission_duration",
            "Time from a submission's head to its answer",
            Unit::Seconds,
            duration.clone(),
        );
        metrics
    }

    pub(crate) fn throttled(&self, decision: Decision) {
        self.throttled
            .get_or_create(&[("result", decision.as_str())])
            .inc();
    }

    pub(crate) fn refused(&self, reject: Reject) {
        self.refused
            .get_or_create(&[("reason", reject.reason())])
            .inc();
    }
}
