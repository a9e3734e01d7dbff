//! The way of a body from the wire to a submission, for fuzzing: limits, gzip, parts, annotations.

use hyper::body::Bytes;
use prometheus_client::registry::Registry;
use serde_json::Value;
use socorro_core::config::Config;
use socorro_core::service::Context;
use tokio::runtime::{Builder, Runtime};

use crate::Collector;
use crate::body::{Decoding, Encoding, Received};
use crate::intake::Intake;
use crate::reject::Reject;

/// The boundary of the bodies.
const BOUNDARY: &str = "b";

/// What bodies are given to.
#[derive(Debug)]
pub struct Target {
    collector: Collector,
    runtime: Runtime,
}

impl Target {
    /// A collector whose spool is below this directory, with the default limits but for small ones of
    /// memory, so that large dumps go to the disk early.
    pub fn new(dir: &std::path::Path) -> Self {
        let mut context = Context::new(
            Config::<crate::config::Options>::default(),
            Default::default(),
        );
        context.shared.spool.primary = dir.to_owned();
        context.own.spill_bytes = 4096;
        Self {
            // Unwrap safety: the defaults are sound, and a runtime of one thread needs little.
            collector: Collector::new(&context, &mut Registry::default()).unwrap(),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// Takes a body. The first byte of the input says whether it is gzip and whether its sender goes
    /// away at the end, the second how large the pieces are in which it comes.
    ///
    /// # Panics
    /// If a submission comes out that breaks a promise.
    pub fn take(&self, input: &[u8]) {
        let [flags, size, body @ ..] = input else {
            return;
        };
        let encoding = match flags & 1 {
            0 => Encoding::Identity,
            _ => Encoding::Gzip,
        };
        let received = Received {
            wire_bytes: body.len() as u64,
            ended: flags & 2 == 0,
        };
        let pieces = body.chunks(usize::from(*size) * 16 + 1);
        let taken: Result<_, Reject> = self.runtime.block_on(async {
            let mut intake = Intake::new(&self.collector, BOUNDARY, None);
            let mut decoding = Decoding::new(encoding, &self.collector.options);
            for piece in pieces {
                decoding
                    .push(&Bytes::copy_from_slice(piece), &mut intake)
                    .await?;
            }
            decoding.finish(received.ended, &mut intake).await?;
            intake.finish(received, Some("product=Arena"))
        });
        let Ok(submission) = taken else {
            return;
        };
        assert!(!submission.annotations.is_empty());
        for (name, value) in &submission.annotations {
            assert!(!name.contains('\0') && !has_nul(value));
        }
        for name in submission.dump_sizes().into_keys() {
            assert!(!name.contains(['/', '.', '\0']) && !name.is_empty());
        }
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
