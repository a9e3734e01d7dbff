//! A scan over all sixteen salts at once, in the order of what follows the salt: by date.
//!
//! Each salt has a scanner of its own that reads a few rows ahead, so that memory is flat however
//! long the scan is: the fewer, the larger the rows are. Between reads nothing is open at the server: a reader that stops early, or
//! thinks for an hour, leaves nothing behind.

use std::collections::VecDeque;

use tokio::runtime::Handle;

use super::client::{Row, Scan};
use super::error::CallResult;
use super::pool::Pool;
use super::row_key::SALTS;
use super::schema::Table;

/// At most so many rows are read ahead for each salt,
const BATCH: i32 = 200;
/// and about so many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// The rows of one or sixteen ranges, merged. Blocks while it reads: not for async code.
pub(super) struct MergeScan {
    pool: Pool,
    runtime: Handle,
    table: &'static Table,
    columns: Vec<String>,
    ranges: Vec<Range>,
}

struct Range {
    cursor: Vec<u8>,
    stop: Vec<u8>,
    ahead: VecDeque<Row>,
    /// How many rows to read next: one at first, which tells how large they are.
    batch: i32,
    ended: bool,
}

impl Range {
    fn new(start: Vec<u8>, stop: Vec<u8>) -> Self {
        Self {
            cursor: start,
            stop,
            ahead: VecDeque::new(),
            batch: 1,
            ended: false,
        }
    }

    fn advance(&mut self, rows: Vec<Row>) {
        let Some(last) = rows.last() else {
            self.ended = true;
            return;
        };
        self.ended = rows.len() < self.batch as usize;
        // The smallest key behind the last row.
        self.cursor = [last.key.as_slice(), &[0]].concat();
        let size = |row: &Row| -> usize {
            let cells = row.cells.iter();
            cells
                .map(|(name, cell)| name.len() + cell.value.len())
                .sum()
        };
        let mean = rows.iter().map(size).sum::<usize>() / rows.len();
        let fits = BATCH_BYTES / mean.max(1);
        self.batch = i32::try_from(fits).unwrap_or(BATCH).clamp(1, BATCH);
        self.ahead.extend(rows);
    }
}

impl MergeScan {
    /// Rows whose key after the salt is `start` or later, and before `stop`.
    pub(super) fn new(
        pool: Pool,
        table: &'static Table,
        columns: &[&str],
        start: &str,
        stop: &str,
    ) -> Self {
        let key = |salt: &u8, rest: &str| [&[*salt], rest.as_bytes()].concat();
        let range = |salt: &u8| Range::new(key(salt, start), key(salt, stop));
        let ranges = SALTS.iter().map(range).collect();
        Self::of(pool, table, columns, ranges)
    }

    /// Rows whose key after the salt begins with `prefix`.
    pub(super) fn with_prefix(
        pool: Pool,
        table: &'static Table,
        columns: &[&str],
        prefix: &str,
    ) -> Self {
        let range = |salt: &u8| {
            let start = [&[*salt], prefix.as_bytes()].concat();
            Range::new(start.clone(), behind(&start))
        };
        let ranges = SALTS.iter().map(range).collect();
        Self::of(pool, table, columns, ranges)
    }

    /// Rows whose whole key, salt included, begins with `prefix`.
    pub(super) fn unsalted(
        pool: Pool,
        table: &'static Table,
        columns: &[&str],
        prefix: &[u8],
    ) -> Self {
        let range = Range::new(prefix.to_vec(), behind(prefix));
        Self::of(pool, table, columns, vec![range])
    }

    fn of(pool: Pool, table: &'static Table, columns: &[&str], ranges: Vec<Range>) -> Self {
        Self {
            pool,
            runtime: Handle::current(),
            table,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            ranges,
        }
    }

    fn read_ahead(&mut self) -> CallResult<()> {
        for range in self
            .ranges
            .iter_mut()
            .filter(|range| range.ahead.is_empty() && !range.ended)
        {
            let scan = Scan {
                start: range.cursor.clone(),
                stop: range.stop.clone(),
                limit: range.batch,
            };
            let (table, columns) = (self.table, self.columns.clone());
            let read = self.pool.run(move |connection| {
                let columns: Vec<_> = columns.iter().map(String::as_str).collect();
                connection.scan(table, &scan, &columns)
            });
            let rows = self.runtime.block_on(read)?;
            range.advance(rows);
        }
        Ok(())
    }
}

impl Iterator for MergeScan {
    type Item = CallResult<Row>;

    fn next(&mut self) -> Option<CallResult<Row>> {
        if let Err(error) = self.read_ahead() {
            // Reading on would leave rows out.
            self.ranges.clear();
            return Some(Err(error));
        }
        let after_salt = |range: &Range| Some(range.ahead.front()?.key.get(1..)?.to_vec());
        let first = self
            .ranges
            .iter_mut()
            .filter(|range| !range.ahead.is_empty());
        first
            .min_by_key(|range| after_salt(range))?
            .ahead
            .pop_front()
            .map(Ok)
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
    use super::super::client::Cell;
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(behind(b"ab"), b"ac");
        assert_eq!(behind(b"a\xff\xff"), b"b");
        assert_eq!(behind(b"\xff"), b"");
        assert_eq!(behind(b""), b"");
    }

    #[test]
    fn the_larger_the_rows_the_fewer_are_read_ahead() {
        let row = |size: usize| {
            let value = vec![0; size];
            let cell = Cell {
                value,
                timestamp: 0,
            };
            Row {
                key: b"k".to_vec(),
                cells: [(b"c".to_vec(), cell)].into(),
            }
        };
        let mut range = Range::new(Vec::new(), Vec::new());
        range.advance(vec![row(10)]);
        assert_eq!((range.batch, range.ended), (BATCH, false));
        range.advance(vec![row(BATCH_BYTES / 4); BATCH as usize]);
        assert_eq!((range.batch, range.ended), (3, false));
        range.advance(vec![row(20 * BATCH_BYTES); 3]);
        assert_eq!((range.batch, range.ended), (1, false));
        range.advance(Vec::new());
        assert!(range.ended);
    }
}
