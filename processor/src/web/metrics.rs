//! What the web pages count.

use hyper::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The counters of the web pages.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    answers: Family<[(&'static str, String); 1], Counter>,
    /// Crashes that visitors asked to be processed.
    pub(super) asked: Counter,
}

impl Metrics {
    /// New counters in that registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("socorro_web");
        let help = "Answers by status";
        registry.register("answers", help, metrics.answers.clone());
        let help = "Crashes that visitors asked to be processed";
        registry.register("asked", help, metrics.asked.clone());
        metrics
    }

    pub(super) fn count_answer(&self, status: StatusCode) {
        let status = [("status", status.as_str().to_owned())];
        self.answers.get_or_create(&status).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_status() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.count_answer(StatusCode::OK);
        metrics.count_answer(StatusCode::NOT_FOUND);
        metrics.count_answer(StatusCode::OK);
        let text = socorro_core::telemetry::Metrics::new(registry).render();
        for line in [
            "socorro_web_answers_total{status=\"200\"} 2",
            "socorro_web_answers_total{status=\"404\"} 1",
            "socorro_web_asked_total 0",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
