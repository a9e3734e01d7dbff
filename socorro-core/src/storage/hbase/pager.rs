//! Reading a range of rows a page at a time. Between pages nothing is open at the server: a reader
//! that stops early, or thinks for an hour, leaves nothing behind, and one whose server went away
//! goes on behind the last row that it has.

use super::client::{Row, Scan};

/// A place in a range of rows.
#[derive(Debug, Clone)]
pub(super) struct Pager {
    start: Vec<u8>,
    stop: Vec<u8>,
    next: Vec<u8>,
}

impl Pager {
    /// The rows from `start` to before `stop`; an empty `stop` is the table's end.
    pub(super) fn new(start: Vec<u8>, stop: Vec<u8>) -> Self {
        Self {
            next: start.clone(),
            start,
            stop,
        }
    }

    /// The rows whose keys begin with `prefix`.
    pub(super) fn with_prefix(prefix: &[u8]) -> Self {
        Self::new(prefix.to_vec(), behind(prefix))
    }

    /// The next page, of at most so many rows.
    pub(super) fn page(&self, limit: i32) -> Scan {
        Scan {
            start: self.next.clone(),
            stop: self.stop.clone(),
            limit,
        }
    }

    /// Goes on behind these rows, a page of at most `limit`; says whether there may be more.
    pub(super) fn advance(&mut self, rows: &[Row], limit: i32) -> bool {
        if let Some(last) = rows.last() {
            // The smallest key behind the last row.
            self.next = [last.key.as_slice(), &[0]].concat();
        }
        i32::try_from(rows.len()).is_ok_and(|count| count >= limit)
    }

    pub(super) fn restart(&mut self) {
        self.next = self.start.clone();
    }
}

/// The first key behind all that begin with `prefix`; empty, the table's end, if there is none.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            break;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(behind(b"ab"), b"ac");
        assert_eq!(behind(b"a\xff\xff"), b"b");
        assert_eq!(behind(b"\xff"), b"");
        assert_eq!(behind(b""), b"");
    }

    #[test]
    fn pages_follow_each_other_until_one_is_not_full() {
        let row = |key: &str| Row {
            key: key.into(),
            ..Row::default()
        };
        let mut pager = Pager::with_prefix(b"a");
        assert!(pager.advance(&[row("a1"), row("a2")], 2));
        let page = pager.page(7);
        assert_eq!(
            (&page.start[..], &page.stop[..], page.limit),
            (&b"a2\0"[..], &b"b"[..], 7)
        );
        assert!(!pager.advance(&[row("a3")], 2));
        pager.restart();
        assert_eq!(pager.page(1).start, b"a");
    }
}
