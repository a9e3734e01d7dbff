//! A scan over all sixteen salts at once, in the order of what follows the salt: by date.
//!
//! Each salt is read a few rows ahead, so that memory is flat however long the scan is: the fewer,
//! the larger the rows are. A scan that has begun outlasts an outage: it waits as `[transactions]`
//! has it, and goes on behind the last row.

use std::collections::VecDeque;

use tokio::runtime::Handle;

use super::client::{Connection, Row};
use super::pager::Pager;
use super::pool::Pool;
use super::row_key::SALTS;
use super::schema::Table;
use crate::retry::TransactionExecutor;
use crate::storage::Result;

/// At most so many rows are read ahead for each salt,
const BATCH: i32 = 200;
/// and about so many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Reads, and waits for a server that went away in the middle.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) pool: Pool,
    pub(super) waits: TransactionExecutor,
}

/// The rows of one or sixteen ranges, merged. Blocks while it reads: not for async code.
pub(super) struct MergeScan {
    reader: Reader,
    /// Something was read: the server is the right one, and may be waited for.
    begun: bool,
    runtime: Handle,
    table: &'static Table,
    columns: Vec<String>,
    ranges: Vec<Range>,
}

struct Range {
    pager: Pager,
    ahead: VecDeque<Row>,
    /// How many rows to read next: one at first, which tells how large they are.
    batch: i32,
    ended: bool,
}

impl Range {
    fn new(pager: Pager) -> Self {
        Self {
            pager,
            ahead: VecDeque::new(),
            batch: 1,
            ended: false,
        }
    }

    fn advance(&mut self, rows: Vec<Row>) {
        self.ended = !self.pager.advance(&rows, self.batch);
        let size = |row: &Row| -> usize {
            let cells = row.cells.iter();
            cells
                .map(|(name, cell)| name.len() + cell.value.len())
                .sum()
        };
        let mean = rows.iter().map(size).sum::<usize>() / rows.len().max(1);
        let fits = BATCH_BYTES / mean.max(1);
        self.batch = i32::try_from(fits).unwrap_or(BATCH).clamp(1, BATCH);
        self.ahead.extend(rows);
    }
}

impl MergeScan {
    /// Rows whose key after the salt is `start` or later, and before `stop`.
    pub(super) fn new(
        reader: &Reader,
        table: &'static Table,
        columns: &[&str],
        start: &str,
        stop: &str,
    ) -> Self {
        let key = |salt: &u8, rest: &str| [&[*salt], rest.as_bytes()].concat();
        let range = |salt: &u8| Range::new(Pager::new(key(salt, start), key(salt, stop)));
        let ranges = SALTS.iter().map(range).collect();
        Self::of(reader, table, columns, ranges)
    }

    /// Rows whose key after the salt begins with `prefix`.
    pub(super) fn with_prefix(
        reader: &Reader,
        table: &'static Table,
        columns: &[&str],
        prefix: &str,
    ) -> Self {
        let prefixed = |salt: &u8| [&[*salt], prefix.as_bytes()].concat();
        let range = |salt: &u8| Range::new(Pager::with_prefix(&prefixed(salt)));
        let ranges = SALTS.iter().map(range).collect();
        Self::of(reader, table, columns, ranges)
    }

    /// Rows whose whole key, salt included, begins with `prefix`.
    pub(super) fn unsalted(
        reader: &Reader,
        table: &'static Table,
        columns: &[&str],
        prefix: &[u8],
    ) -> Self {
        let range = Range::new(Pager::with_prefix(prefix));
        Self::of(reader, table, columns, vec![range])
    }

    fn of(reader: &Reader, table: &'static Table, columns: &[&str], ranges: Vec<Range>) -> Self {
        Self {
            reader: reader.clone(),
            begun: false,
            runtime: Handle::current(),
            table,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            ranges,
        }
    }

    fn read_ahead(&mut self) -> Result<()> {
        for range in self
            .ranges
            .iter_mut()
            .filter(|range| range.ahead.is_empty() && !range.ended)
        {
            let scan = range.pager.page(range.batch);
            let (table, columns) = (self.table, self.columns.clone());
            let read = move |connection: &mut Connection| {
                let columns: Vec<_> = columns.iter().map(String::as_str).collect();
                connection.scan(table, &scan, &columns)
            };
            let Reader { pool, waits } = &self.reader;
            let rows = self.runtime.block_on(async {
                let page = || async { Ok(pool.read(read.clone()).await?) };
                match self.begun {
                    true => waits.run("read on in a scan of HBase", page).await,
                    false => page().await,
                }
            })?;
            self.begun = true;
            range.advance(rows);
        }
        Ok(())
    }
}

impl Iterator for MergeScan {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
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

#[cfg(test)]
mod tests {
    use super::super::client::Cell;
    use super::*;

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
        let mut range = Range::new(Pager::with_prefix(b""));
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
