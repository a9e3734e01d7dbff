//! Reads a request's body as it arrives: limits, time-outs, gzip.

use std::io;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::{HeaderMap, header};

use crate::config::Options;
use crate::inflate::{INFLATE_STEP, Inflate};
use crate::intake::Intake;
use crate::reject::Reject;

/// How long a refused body is read on.
const LINGER: Duration = Duration::from_secs(5);

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// The encoding that the head of a request tells.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Reject> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else {
            return Ok(Self::Identity);
        };
        match value
            .to_str()
            .map(str::trim)
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Ok("" | "identity") => Ok(Self::Identity),
            Ok("gzip" | "x-gzip") => Ok(Self::Gzip),
            _ => Err(Reject::UnknownEncoding),
        }
    }
}

/// What was read of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// Its size on the wire, in bytes.
    pub(crate) wire_bytes: u64,
    /// Whether it came to its end as HTTP has it; otherwise the client went away.
    pub(crate) ended: bool,
}

/// Reads a body to its end, and gives it to the intake piece by piece, inflated.
pub(crate) async fn read(
    body: &mut Incoming,
    encoding: Encoding,
    options: &Options,
    intake: &mut Intake<'_>,
) -> Result<Received, Reject> {
    if body.size_hint().lower() > options.max_body_bytes {
        return Err(Reject::TooLarge);
    }
    let mut decoding = Decoding::new(encoding, options);
    let mut pace = Pace::new(options);
    let mut wire_bytes = 0;
    let ended = loop {
        let data = match pace.next(body).await? {
            Piece::Data(data) => data,
            Piece::End => break true,
            Piece::Cut => break false,
        };
        wire_bytes += data.len() as u64;
        if wire_bytes > options.max_body_bytes {
            return Err(Reject::TooLarge);
        }
        decoding.push(&data, intake).await?;
    };
    decoding.finish(ended, intake).await?;
    Ok(Received { wire_bytes, ended })
}

/// Gives a body to the intake as its sender meant it.
pub(crate) struct Decoding {
    inflating: Option<Inflate>,
}

impl Decoding {
    pub(crate) fn new(encoding: Encoding, options: &Options) -> Self {
        let inflating = match encoding {
            Encoding::Identity => None,
            Encoding::Gzip => Some(Inflate::new(options)),
        };
        Self { inflating }
    }

    pub(crate) async fn push(
        &mut self,
        data: &Bytes,
        intake: &mut Intake<'_>,
    ) -> Result<(), Reject> {
        let Some(inflating) = &mut self.inflating else {
            return intake.take(data).await;
        };
        for step in data.chunks(INFLATE_STEP) {
            intake.copy(inflating.push(step)?).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(
        mut self,
        ended: bool,
        intake: &mut Intake<'_>,
    ) -> Result<(), Reject> {
        let Some(inflating) = &mut self.inflating else {
            return Ok(());
        };
        match inflating.finish() {
            Err(_) if !ended => Err(Reject::Incomplete),
            rest => intake.copy(rest?).await,
        }
    }
}

/// Reads what is left of a refused body, for a while, and drops it.
pub(crate) async fn drain(mut body: Incoming) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever sends for longer will not see the answer.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

enum Piece {
    Data(Bytes),
    End,
    /// The client went away.
    Cut,
}

/// Holds a client to a least rate: slow is fine, silent or a trickle is not. Only the time that we
/// wait for the client counts.
struct Pace {
    window: Duration,
    least: f64,
    waited: Duration,
    bytes: f64,
}

impl Pace {
    fn new(options: &Options) -> Self {
        let window = options.body_timeout.get();
        Self {
            window,
            // One byte at least, or silence would do.
            least: (options.min_body_rate as f64 * window.as_secs_f64()).max(1.0),
            waited: Duration::ZERO,
            bytes: 0.0,
        }
    }

    async fn next(&mut self, body: &mut Incoming) -> Result<Piece, Reject> {
        loop {
            let left = self.window.saturating_sub(self.waited);
            let started = Instant::now();
            let frame = tokio::time::timeout(left, body.frame()).await;
            self.waited += started.elapsed();
            match frame {
                Err(_) if self.bytes < self.least => return Err(Reject::Stalled),
                Err(_) => (self.waited, self.bytes) = (Duration::ZERO, 0.0),
                Ok(None) => return Ok(Piece::End),
                Ok(Some(Err(error))) if is_bad_chunk(&error) => return Err(Reject::BadChunks),
                Ok(Some(Err(_))) => return Ok(Piece::Cut),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.bytes += data.len() as f64;
                        return Ok(Piece::Data(data));
                    }
                }
            }
        }
    }
}

/// Hyper tells chunks that are none by the kind of an I/O error.
fn is_bad_chunk(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    let bad = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    io.is_some_and(|io| bad.contains(&io.kind()))
}
