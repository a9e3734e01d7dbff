//! Reading a queue table: a few rows at a time, from all its ranges in turn.
//!
//! Rows are hints only: the claim is in the crash row. A lane reads on behind the rows that it has
//! given out, and restarts now and then so that rows behind its cursors are met too.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::{Row, Scan};
use super::pager::Pager;
use super::row_key::SALTS;
use super::schema::Table;

/// Rows read at a time from one range.
const BATCH: i32 = 16;
/// After that long a lane reads from the start again.
const RESTART: Duration = Duration::from_secs(60);

/// One queue table as one process reads it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) table: &'static Table,
    ranges: Vec<Pager>,
    next: usize,
    started: Instant,
    /// Nothing was there lately: look at the whole table in one scan.
    idle: bool,
    pub(super) rows: VecDeque<Row>,
}

impl Lane {
    /// A table whose sixteen ranges are read in turn, so that old rows of each are met early.
    pub(super) fn salted(table: &'static Table) -> Self {
        let range = |salt: &u8| (vec![*salt], vec![salt + 1]);
        Self::new(
            table,
            SALTS.iter().map(range),
            fastrand::usize(..SALTS.len()),
        )
    }

    /// A table that is small, and read as one range.
    pub(super) fn small(table: &'static Table) -> Self {
        Self::new(table, [(Vec::new(), Vec::new())].into_iter(), 0)
    }

    fn new(
        table: &'static Table,
        ranges: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
        next: usize,
    ) -> Self {
        let ranges = ranges
            .map(|(start, stop)| Pager::new(start, stop))
            .collect();
        let (started, rows) = (Instant::now(), VecDeque::new());
        Self {
            table,
            ranges,
            next,
            started,
            idle: true,
            rows,
        }
    }

    /// Reads rows until there are some or all ranges were looked at. `read` does one scan.
    pub(super) async fn refill<E, F>(&mut self, mut read: impl FnMut(Scan) -> F) -> Result<(), E>
    where
        F: Future<Output = Result<Vec<Row>, E>>,
    {
        if self.started.elapsed() > RESTART {
            self.started = Instant::now();
            self.ranges.iter_mut().for_each(Pager::restart);
        }
        if self.idle && self.ranges.len() > 1 {
            let all = Pager::with_prefix(b"");
            self.rows.extend(read(all.page(BATCH)).await?);
            self.idle = self.rows.is_empty();
            return Ok(());
        }
        for _ in 0..self.ranges.len() {
            let at = self.next;
            self.next = (at + 1) % self.ranges.len();
            let range = &mut self.ranges[at];
            let mut rows = read(range.page(BATCH)).await?;
            if rows.is_empty() && !range.is_at_start() {
                range.restart();
                rows = read(range.page(BATCH)).await?;
            }
            if !range.advance(&rows, BATCH) {
                range.restart();
            }
            if !rows.is_empty() {
                self.rows.extend(rows);
                return Ok(());
            }
        }
        self.idle = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::schema;
    use super::*;

    fn table(keys: &[String], scan: &Scan) -> Vec<Row> {
        let fits = |key: &&String| {
            key.as_bytes() >= scan.start.as_slice()
                && (scan.stop.is_empty() || key.as_bytes() < scan.stop.as_slice())
        };
        let row = |key: &String| Row {
            key: key.clone().into_bytes(),
            ..Row::default()
        };
        keys.iter()
            .filter(fits)
            .take(scan.limit as usize)
            .map(row)
            .collect()
    }

    async fn read_all(lane: &mut Lane, keys: &[String]) -> (BTreeSet<Vec<u8>>, usize) {
        let (mut met, mut scans) = (BTreeSet::new(), 0);
        for _ in 0..100 {
            lane.refill(|scan| {
                scans += 1;
                std::future::ready(Ok::<_, ()>(table(keys, &scan)))
            })
            .await
            .unwrap();
            met.extend(lane.rows.drain(..).map(|row| row.key));
        }
        (met, scans)
    }

    #[tokio::test]
    async fn every_row_is_met_in_the_end() {
        let keys: Vec<String> = (0..16u8)
            .flat_map(|s| (0..40).map(move |i| format!("{s:x}{i:03}")))
            .collect();
        for mut lane in [
            Lane::salted(&schema::WAITING),
            Lane::small(&schema::REQUESTED),
        ] {
            let (met, _) = read_all(&mut lane, &keys).await;
            assert_eq!(met.len(), keys.len());
        }
    }

    #[tokio::test]
    async fn an_empty_table_costs_one_scan_a_look() {
        for mut lane in [
            Lane::salted(&schema::WAITING),
            Lane::small(&schema::REQUESTED),
        ] {
            assert_eq!(read_all(&mut lane, &[]).await.1, 100);
        }
    }
}
