//! Reads a request's body as it arrives: limits, time-outs, gzip.

use std::io::Write;
use std::time::Duration;

use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, header};

use crate::config::Options;
use crate::reject::Reject;

/// Compressed bytes inflated at a time. Deflate makes at most about a thousand of one, so that a
/// bomb is seen after a few megabytes.
const INFLATE_STEP: usize = 4 * 1024;

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

/// Reads a body to its end and gives it to `sink` piece by piece, inflated. Returns its size on the
/// wire in bytes.
pub(crate) async fn read(
    mut body: Incoming,
    encoding: Encoding,
    options: &Options,
    sink: &mut (impl FnMut(&[u8]) -> Result<(), Reject> + Send),
) -> Result<u64, Reject> {
    if body.size_hint().lower() > options.max_body_bytes {
        return Err(Reject::TooLarge);
    }
    let mut inflating = match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => Some(Inflate::new(options.max_inflated_bytes)),
    };
    let mut wire_bytes = 0;
    while let Some(data) = next(&mut body, options.body_timeout.get()).await? {
        wire_bytes += data.len() as u64;
        if wire_bytes > options.max_body_bytes {
            return Err(Reject::TooLarge);
        }
        match &mut inflating {
            None => sink(&data)?,
            Some(inflating) => inflating.push(&data, sink)?,
        }
    }
    if let Some(inflating) = inflating {
        inflating.finish(sink)?;
    }
    Ok(wire_bytes)
}

/// The next piece of the body. Time runs from piece to piece: slow is fine, silent is not.
async fn next(
    body: &mut Incoming,
    patience: Duration,
) -> Result<Option<hyper::body::Bytes>, Reject> {
    loop {
        match tokio::time::timeout(patience, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => continue,
            },
            Ok(Some(Err(_))) | Err(_) => return Err(Reject::Stalled),
        }
    }
}

/// Inflates gzip as it arrives.
struct Inflate {
    decoder: GzDecoder<Vec<u8>>,
    room: u64,
    ended: bool,
}

impl Inflate {
    fn new(limit: u64) -> Self {
        Self {
            decoder: GzDecoder::new(Vec::new()),
            room: limit,
            ended: false,
        }
    }

    fn push(
        &mut self,
        data: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), Reject>,
    ) -> Result<(), Reject> {
        for step in data.chunks(INFLATE_STEP) {
            let mut rest = step;
            // What stands behind the end of the gzip member is ignored, as everywhere.
            while !rest.is_empty() && !self.ended {
                match self.decoder.write(rest) {
                    Ok(0) => self.ended = true,
                    Ok(taken) => rest = &rest[taken..],
                    Err(_) => return Err(Reject::BadGzip),
                }
            }
            self.give(sink)?;
        }
        Ok(())
    }

    fn give(&mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), Reject>) -> Result<(), Reject> {
        let inflated = self.decoder.get_mut();
        self.room = self
            .room
            .checked_sub(inflated.len() as u64)
            .ok_or(Reject::TooLarge)?;
        sink(inflated)?;
        inflated.clear();
        Ok(())
    }

    fn finish(mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), Reject>) -> Result<(), Reject> {
        self.decoder.try_finish().map_err(|_| Reject::BadGzip)?;
        self.give(sink)
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

    fn inflate(zipped: &[u8], piece: usize, limit: u64) -> Result<Vec<u8>, Reject> {
        let mut out = Vec::new();
        let mut sink = |data: &[u8]| {
            out.extend(data);
            Ok(())
        };
        let mut inflating = Inflate::new(limit);
        for piece in zipped.chunks(piece) {
            inflating.push(piece, &mut sink)?;
        }
        inflating.finish(&mut sink)?;
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
        let mut most = 0;
        let mut inflating = Inflate::new(8 << 20);
        let result = inflating.push(&bomb, &mut |data: &[u8]| {
            most = most.max(data.len());
            Ok(())
        });
        assert_eq!(result, Err(Reject::TooLarge));
        assert!(inflating.decoder.get_ref().len() <= 16 << 20 && most <= 8 << 20);
    }
}
