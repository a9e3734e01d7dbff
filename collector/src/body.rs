//! Reads a request's body as it arrives: limits, time-outs, gzip.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::{HeaderMap, header};

use crate::config::Options;
use crate::intake::Intake;
use crate::reject::Reject;

/// Compressed bytes inflated at a time. Deflate makes at most about a thousand of one, so that at
/// most a megabyte is held.
const INFLATE_STEP: usize = 1024;
/// Less than that inflated is not held against a body: small bodies may be nearly empty.
const INFLATION_GRACE: u64 = 1 << 20;
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
    let mut inflating = match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => Some(Inflate::new(options)),
    };
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
        match &mut inflating {
            None => intake.take(&data).await?,
            Some(inflating) => {
                for step in data.chunks(INFLATE_STEP) {
                    intake.take(inflating.push(step)?).await?;
                }
            }
        }
    };
    if let Some(inflating) = &mut inflating {
        match inflating.finish() {
            Err(_) if !ended => return Err(Reject::Incomplete),
            rest => intake.take(rest?).await?,
        }
    }
    Ok(Received { wire_bytes, ended })
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

/// Inflates gzip as it arrives.
struct Inflate {
    decoder: GzDecoder<Vec<u8>>,
    most: u64,
    most_times: u64,
    taken: u64,
    given: u64,
    ended: bool,
}

impl Inflate {
    fn new(options: &Options) -> Self {
        Self {
            decoder: GzDecoder::new(Vec::new()),
            most: options.max_inflated_bytes,
            most_times: options.max_inflation,
            taken: 0,
            given: 0,
            ended: false,
        }
    }

    /// What a piece inflates to.
    fn push(&mut self, mut piece: &[u8]) -> Result<&[u8], Reject> {
        self.decoder.get_mut().clear();
        self.taken += piece.len() as u64;
        // What stands behind the end of the gzip member is ignored, as everywhere.
        while !piece.is_empty() && !self.ended {
            match self.decoder.write(piece) {
                Ok(0) => self.ended = true,
                Ok(taken) => piece = &piece[taken..],
                Err(_) => return Err(Reject::BadGzip),
            }
        }
        self.inflated()
    }

    /// What was still held back.
    fn finish(&mut self) -> Result<&[u8], Reject> {
        self.decoder.get_mut().clear();
        self.decoder.try_finish().map_err(|_| Reject::BadGzip)?;
        self.inflated()
    }

    fn inflated(&mut self) -> Result<&[u8], Reject> {
        self.given += self.decoder.get_ref().len() as u64;
        if self.given > self.most {
            return Err(Reject::TooLarge);
        }
        if self.given > INFLATION_GRACE.max(self.taken.saturating_mul(self.most_times)) {
            return Err(Reject::InflatesTooMuch);
        }
        Ok(self.decoder.get_ref())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn inflating(limit: u64) -> Inflate {
        Inflate::new(&Options {
            max_inflated_bytes: limit,
            ..Options::default()
        })
    }

    fn inflate(zipped: &[u8], piece: usize, limit: u64) -> Result<Vec<u8>, Reject> {
        let mut out = Vec::new();
        let mut inflating = inflating(limit);
        for piece in zipped.chunks(piece) {
            out.extend(inflating.push(piece)?);
        }
        out.extend(inflating.finish()?);
        Ok(out)
    }

    #[test]
    fn gzip_is_inflated_in_pieces_of_any_size() {
        let content: Vec<u8> = (0..50_000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        let zipped = gzip(&content);
        for piece in [1, 7, 4096, 1 << 20] {
            assert_eq!(inflate(&zipped, piece, 1 << 20).as_ref(), Ok(&content));
        }
    }

    #[test]
    fn what_is_not_gzip_or_cut_off_or_spoiled_is_refused() {
        let mut zipped = gzip(&[7; 10_000]);
        assert_eq!(inflate(b"not gzip at all", 4, 99), Err(Reject::BadGzip));
        assert_eq!(inflate(b"", 4, 99), Err(Reject::BadGzip));
        let short = zipped.len() - 5;
        assert_eq!(inflate(&zipped[..short], 9, 99_999), Err(Reject::BadGzip));
        let crc = zipped.len() - 8;
        zipped[crc] ^= 1;
        assert_eq!(inflate(&zipped, 9, 99_999), Err(Reject::BadGzip));
    }

    #[test]
    fn what_follows_the_end_of_gzip_is_ignored() {
        let zipped = [gzip(b"body"), b"junk".to_vec()].concat();
        assert_eq!(inflate(&zipped, 3, 99), Ok(b"body".to_vec()));
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_memory() {
        let bomb = gzip(&vec![0; 64 << 20]);
        for (limit, reason) in [
            (512 << 10, Reject::TooLarge),
            (u64::MAX, Reject::InflatesTooMuch),
        ] {
            let mut inflating = inflating(limit);
            let mut most = 0;
            let refused = bomb.chunks(INFLATE_STEP).find_map(|step| {
                let refused = inflating.push(step).err();
                most = most.max(inflating.decoder.get_ref().len());
                refused
            });
            assert_eq!(refused, Some(reason));
            assert!(most <= 2 << 20, "{most}");
        }
    }
}
