//! Inflates gzip within limits.

use std::io::Write;

use flate2::write::GzDecoder;

use crate::config::Options;
use crate::reject::Reject;

/// Compressed bytes inflated at a time. Deflate makes at most about a thousand of one, so that at
/// most a megabyte is held.
pub(crate) const INFLATE_STEP: usize = 1024;
/// Less than that inflated is not held against a body: small bodies may be nearly empty.
const INFLATION_GRACE: u64 = 1 << 20;
/// Inflates gzip as it arrives.
pub(crate) struct Inflate {
    decoder: GzDecoder<Vec<u8>>,
    most: u64,
    most_times: u64,
    taken: u64,
    given: u64,
    ended: bool,
}

impl Inflate {
    pub(crate) fn new(options: &Options) -> Self {
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
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<&[u8], Reject> {
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
    pub(crate) fn finish(&mut self) -> Result<&[u8], Reject> {
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
