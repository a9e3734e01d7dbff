//! A scan over all sixteen salts at once, in the order of what follows the salt: by date.
//!
//! Each salt has a scanner of its own that reads a few rows ahead, so that memory is flat however
//! long the scan is. Between reads nothing is open at the server: a reader that stops early, or
//! thinks for an hour, leaves nothing behind.

use std::collections::VecDeque;

use tokio::runtime::Handle;

use super::client::{Row, Scan};
use super::error::CallResult;
use super::pool::Pool;
use super::row_key::SALTS;
use super::schema::Table;

/// Rows read ahead for each salt.
const BATCH: i32 = 200;

/// The rows of sixteen ranges, merged. Blocks while it reads: not for async code.
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
    ended: bool,
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
        let range = |salt: &u8| Range {
            cursor: key(salt, start),
            stop: key(salt, stop),
            ahead: VecDeque::new(),
            ended: false,
        };
        Self {
            pool,
            runtime: Handle::current(),
            table,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            ranges: SALTS.iter().map(range).collect(),
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
                limit: BATCH,
            };
            let (table, columns) = (self.table, self.columns.clone());
            let read = self.pool.run(move |connection| {
                let columns: Vec<_> = columns.iter().map(String::as_str).collect();
                connection.scan(table, &scan, &columns)
            });
            let rows = self.runtime.block_on(read)?;
            range.ended = rows.len() < BATCH as usize;
            if let Some(last) = rows.last() {
                // The smallest key behind the last row.
                range.cursor = [last.key.as_slice(), &[0]].concat();
            }
            range.ahead.extend(rows);
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
