//! Reading the queue table of a lane: a few rows at a time, from all its ranges in turn.
//!
//! Rows are hints only: the claim is in the crash row. What is deleted is scanned over like what is
//! there until HBase compacts. So where much waits, a reader goes on behind the rows that it has given
//! out, and what a claim costs does not grow with what was processed before. Where little waits, one scan
//! of the whole table is the cheapest, as long as it is quick.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::{Row, Scan};
use super::pager::Pager;
use super::row_key::SALTS;
use crate::storage::Lane;

/// Rows read at a time from one range.
const BATCH: i32 = 16;
/// After that long a lane is read from the start again.
const RESTART: Duration = Duration::from_secs(60);
/// A look at the whole table that takes longer costs more than reading on in all ranges.
const QUICK: Duration = Duration::from_millis(20);
/// A lane in which there was no more is looked at again after that time, if others have rows.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A lane's table as one process reads it.
#[derive(Debug)]
pub(super) struct LaneReader {
    /// Sixteen, so that old rows of each salt are met early; of a small table one.
    ranges: Vec<Pager>,
    next: usize,
    started: Instant,
    /// Look at the whole table in one scan.
    looks: bool,
    /// When the last rows were read, or found missing.
    ended: Option<Instant>,
    pub(super) rows: VecDeque<Row>,
}

impl LaneReader {
    pub(super) fn new(lane: Lane) -> Self {
        let salted = || SALTS.map(|salt| Pager::new(vec![salt], vec![salt + 1]));
        let ranges = match lane {
            Lane::Requested => vec![Pager::with_prefix(b"")],
            Lane::Waiting | Lane::Reprocess => salted().to_vec(),
        };
        Self {
            next: fastrand::usize(..ranges.len()),
            ranges,
            started: Instant::now(),
            looks: true,
            ended: None,
            rows: VecDeque::new(),
        }
    }

    /// Whether it has rows, or it is time to look for some.
    pub(super) fn is_due(&self) -> bool {
        !self.rows.is_empty() || !self.has_ended_since(Instant::now() - LOOK_AGAIN)
    }

    /// Whether the last of all rows was read since that moment.
    pub(super) fn has_ended_since(&self, moment: Instant) -> bool {
        self.ended.is_some_and(|at| at >= moment)
    }

    /// Reads rows until there are some or all ranges were looked at. `read` does one scan.
    pub(super) async fn refill<E, F>(&mut self, mut read: impl FnMut(Scan) -> F) -> Result<(), E>
    where
        F: Future<Output = Result<Vec<Row>, E>>,
    {
        self.ended = None;
        if !self.looks && self.started.elapsed() > RESTART {
            self.restart();
        }
        loop {
            if self.looks {
                let (all, started) = (Pager::with_prefix(b""), Instant::now());
                let rows = read(all.page(BATCH)).await?;
                if i32::try_from(rows.len()).is_ok_and(|found| found < BATCH) {
                    let is_best = self.ranges.len() == 1 || started.elapsed() < QUICK;
                    self.looks = is_best || rows.is_empty();
                    self.ended = Some(Instant::now());
                    self.rows.extend(rows);
                    return Ok(());
                }
                // Too many to be met this way.
                self.restart();
            }
            for _ in 0..self.ranges.len() {
                let at = self.next;
                self.next = (at + 1) % self.ranges.len();
                let rows = read(self.ranges[at].page(BATCH)).await?;
                self.ranges[at].advance(&rows, BATCH);
                if !rows.is_empty() {
                    self.rows.extend(rows);
                    return Ok(());
                }
            }
            // Behind the cursors there may be some.
            self.looks = true;
        }
    }

    /// Reads all ranges from their start.
    fn restart(&mut self) {
        self.looks = false;
        self.started = Instant::now();
        self.ranges.iter_mut().for_each(Pager::restart);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    async fn read_all(lane: &mut LaneReader, keys: &[String]) -> (BTreeSet<Vec<u8>>, usize) {
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
        for mut lane in Lane::ALL.map(LaneReader::new) {
            let (met, _) = read_all(&mut lane, &keys).await;
            assert_eq!(met.len(), keys.len());
        }
    }

    #[tokio::test]
    async fn an_empty_table_costs_one_scan_a_look() {
        for mut lane in Lane::ALL.map(LaneReader::new) {
            assert_eq!(read_all(&mut lane, &[]).await.1, 100);
        }
    }

    #[tokio::test]
    async fn what_comes_behind_the_cursors_is_met_before_the_lane_is_said_to_be_empty() {
        let keys = |rows: std::ops::Range<usize>| -> Vec<String> {
            let salts = 0..16u8;
            let key = |salt| rows.clone().map(move |row| format!("{salt:x}{row:04}"));
            salts.flat_map(key).collect()
        };
        let mut lane = LaneReader::new(Lane::Waiting);
        let (mut waiting, late) = (keys(100..110), keys(0..1));
        let (mut given, mut since) = (BTreeSet::new(), Instant::now());
        while !lane.has_ended_since(since) {
            since = Instant::now();
            let read = |scan: Scan| std::future::ready(Ok::<_, ()>(table(&waiting, &scan)));
            lane.refill(read).await.unwrap();
            for row in lane.rows.drain(..) {
                waiting.retain(|key| key.as_bytes() != row.key);
                given.insert(row.key);
            }
            if given.len() == 150 {
                waiting.extend(late.clone());
                waiting.sort_unstable();
            }
        }
        assert_eq!((given.len(), waiting.len()), (176, 0));
    }

    #[tokio::test]
    async fn rows_that_were_given_out_and_deleted_are_not_scanned_over_again() {
        let keys: Vec<String> = (0..16u8)
            .flat_map(|salt| (0..1000).map(move |row| format!("{salt:x}{row:04}")))
            .collect();
        let mut lane = LaneReader::new(Lane::Waiting);
        let mut deleted = BTreeSet::new();
        let mut passed = 0;
        while deleted.len() < keys.len() {
            let read = |scan: Scan| {
                let begin = keys
                    .iter()
                    .filter(|key| key.as_bytes() >= scan.start.as_slice());
                let there = begin
                    .inspect(|_| passed += 1)
                    .filter(|key| !deleted.contains(*key));
                let there: Vec<String> = there.take(scan.limit as usize).cloned().collect();
                std::future::ready(Ok::<_, ()>(table(&there, &scan)))
            };
            lane.refill(read).await.unwrap();
            let keys = lane.rows.drain(..).map(|row| row.key);
            deleted.extend(keys.map(|key| String::from_utf8(key).unwrap()));
        }
        assert!(passed < 3 * keys.len(), "{passed} rows scanned over");
    }
}
