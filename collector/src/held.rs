//! [`Held`]: what is in memory of a dump that comes in.

use hyper::body::Bytes;
use socorro_core::dumps::Dump;
use socorro_core::storage::Result;
use socorro_core::storage::spool_file::SpoolFile;

/// Less than that is copied; more stays in the buffer in which it was received.
const SHARED: usize = 4 << 10;

/// A dump's content, or what its file lacks of it, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pieces: Vec<Bytes>,
    /// Behind the pieces: small ones, joined.
    tail: Vec<u8>,
    len: usize,
}

impl Held {
    /// Adds data, which may be a part of that received piece.
    pub(crate) fn push(&mut self, data: &[u8], received: &Bytes) {
        self.len += data.len();
        match part_of(received, data) {
            Some(part) if part.len() >= SHARED => {
                self.end_tail();
                self.pieces.push(part);
            }
            _ => self.tail.extend_from_slice(data),
        }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Moves it to the end of a file. What could not be written is kept.
    pub(crate) fn write(&mut self, file: &mut SpoolFile) -> Result<()> {
        self.end_tail();
        let mut written = 0;
        let outcome = self.pieces.iter().try_for_each(|piece| {
            file.append(piece)?;
            written += 1;
            self.len -= piece.len();
            Ok(())
        });
        self.pieces.drain(..written);
        outcome
    }

    /// All of it, as a dump.
    pub(crate) fn into_dump(mut self) -> Dump {
        self.end_tail();
        match self.pieces.len() {
            0 | 1 => Dump::Bytes(self.pieces.pop().unwrap_or_default()),
            _ => Dump::Pieces(self.pieces),
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).into());
        }
    }
}

/// The data as a part of what was received, if it is one.
fn part_of(received: &Bytes, data: &[u8]) -> Option<Bytes> {
    let (all, part) = (received.as_ptr_range(), data.as_ptr_range());
    (all.start <= part.start && part.end <= all.end).then(|| received.slice_ref(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_make_the_whole_whether_shared_or_copied() {
        let received = Bytes::from(vec![7; 3 * SHARED]);
        let mut held = Held::default();
        held.push(b"copied", &received);
        held.push(&received[1..=SHARED], &received);
        held.push(&received[..2], &received);
        held.push(&[9; 2 * SHARED], &received);
        assert_eq!(held.len(), 6 + SHARED + 2 + 2 * SHARED);
        assert_eq!(held.pieces.len(), 2);
        assert_eq!(
            held.pieces[1].as_ptr(),
            received[1..].as_ptr(),
            "not copied"
        );
        let expected = [&b"copied"[..], &[7; SHARED + 2], &[9; 2 * SHARED]].concat();
        assert_eq!(held.into_dump().read().unwrap(), expected);
    }
}
