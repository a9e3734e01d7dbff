//! Takes a body piece by piece to the end: parser and builder, and the disk where it is needed.

use hyper::body::Bytes;

use crate::Collector;
use crate::body::Received;
use crate::multipart::Parser;
use crate::reject::Reject;
use crate::submission::{Builder, Submission};

/// The body that is coming in.
pub(crate) struct Intake<'a> {
    parser: Parser,
    builder: Builder<'a>,
}

impl<'a> Intake<'a> {
    /// For a body of which the sender says that it has so many bytes.
    pub(crate) fn new(collector: &'a Collector, boundary: &str, declared: Option<u64>) -> Self {
        Self {
            parser: Parser::new(boundary, collector.options.max_part_head_bytes),
            builder: Builder::new(collector, declared),
        }
    }

    /// Takes the next piece as it was received; returns when there is room for another.
    pub(crate) async fn take(&mut self, received: &Bytes) -> Result<(), Reject> {
        self.push(received, received).await
    }

    /// Takes the next piece, which lies in a buffer that is used again.
    pub(crate) async fn copy(&mut self, piece: &[u8]) -> Result<(), Reject> {
        self.push(piece, &Bytes::new()).await
    }

    async fn push(&mut self, piece: &[u8], received: &Bytes) -> Result<(), Reject> {
        let Self { parser, builder } = self;
        parser.push(piece, &mut |event| builder.on(event, received))?;
        builder.settle().await
    }

    /// The submission, which must be whole. That its sender went away too early is no matter then.
    pub(crate) fn finish(
        self,
        received: Received,
        query: Option<&str>,
    ) -> Result<Submission, Reject> {
        let whole = self.parser.finish();
        whole.map_err(|broken| match received.ended {
            true => broken,
            false => Reject::Incomplete,
        })?;
        self.builder.finish(query)
    }
}
