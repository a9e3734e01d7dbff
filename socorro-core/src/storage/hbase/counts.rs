//! Exact counts: submissions by minute, hour, day, month and year, crashes by signature and day, and
//! the sizes of the queues.
//!
//! Nothing is ever incremented, for a call that timed out may or may not have been carried out.
//! Instead a writer marks what it has changed, *after* its rows are written (`dirty:` rows in
//! `metrics`); a keeper counts the rows of what is marked, which can be written twice but counted
//! only once, and publishes absolute totals. So counts are exact once the marks are worked off,
//! whatever was repeated or killed in between.
//!
//! * A mark is worked off only when it has been seen unchanged for [`SETTLE`], and deleted with the
//!   timestamp that was read: a mark made meanwhile survives.
//! * One keeper works at a time: it holds a lease in `metrics`, with a generation that grows with
//!   each keeper. Totals carry it as their timestamp, so that what an earlier keeper wrote late
//!   never hides a newer total.
//!
//! | row of `metrics` | columns (8 bytes, big-endian) |
//! |---|---|
//! | `2026-11-22T04:10`, `...T04`, `2026-11-22`, `2026-11`, `2026` | `submitted_crash_reports`, `submitted_crash_reports_legacy_throttle_0` and `_1`, `submitted_oop_TYPE_crash_reports`, `submitted_crash_report_hang_pairs` |
//! | `crash_report_queue` | `current_unprocessed_size`, `current_legacy_unprocessed_size` |
//!
//! The rows `dirty:*` and `keeper` are these marks and that lease; `removed:*` are those of `removals`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::sync::Mutex;

use super::batch::RowPut;
use super::client::{Cell, Connection, Row, put};
use super::error::{CallError, CallResult};
use super::pager::Pager;
use super::row_key::SALTS;
use super::schema::{self, Table, column};
use super::{HBaseCrashStorage, Result};
use crate::crash_id::CrashId;

/// How long a mark must have stood before it is worked off. Writers mark after their rows are
/// written, and two marks within a millisecond look like one: this is far longer.
const SETTLE: Duration = Duration::from_secs(2);
/// A keeper that was seen to do nothing for that long is dead.
const LEASE: Duration = Duration::from_secs(15);
/// Rows read at a time.
const BATCH: i32 = 1000;

const DIRTY_MINUTE: &str = "dirty:submitted:";
const DIRTY_SIGNATURE: &str = "dirty:signature:";
const KEEPER_ROW: &str = "keeper";
const QUEUE_ROW: &str = "crash_report_queue";
const FAMILY: &str = "counters:";

/// Timestamps of totals: later than any clock that a row of Socorro 2.x was stamped by.
const FIRST_GENERATION: i64 = 4_000_000_000_000;

/// How often the queues are counted, which reads all their rows.
const QUEUES_EVERY: Duration = Duration::from_secs(30);
const THROTTLED: &str = "submitted_crash_reports_legacy_throttle_";
/// Length of YYMMDD.
const DAY: usize = 6;

/// Lengths of `metrics` rows: a minute, hour, day, month, year of ISO 8601.
const MINUTE: usize = 16;
const LONGER_PERIODS: [usize; 4] = [13, 10, 7, 4];

/// The mark that a minute has new submissions. `submitted` is the text of `timestamps:submitted`.
pub(super) fn submitted(submitted: &str) -> RowPut {
    mark(
        format!(
            "{DIRTY_MINUTE}{}",
            &submitted[..MINUTE.min(submitted.len())]
        )
        .into_bytes(),
    )
}

/// The mark that a signature has gained or lost a crash of that id's day.
pub(super) fn signature(id: &CrashId, signature: &[u8]) -> RowPut {
    mark(
        [
            DIRTY_SIGNATURE.as_bytes(),
            id.yymmdd().as_bytes(),
            signature,
        ]
        .concat(),
    )
}

fn mark(row: Vec<u8>) -> RowPut {
    RowPut::now(&schema::METRICS, row, vec![put(column::DIRTY, "1")])
}

/// What one process knows of the counting.
#[derive(Debug, Default)]
pub(super) struct CountState(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Marks, and since when they have not changed.
    marks: HashMap<Vec<u8>, (i64, Instant)>,
    /// The keeper's cell, and since when it has not changed.
    keeper: Option<(Vec<u8>, Instant)>,
    /// Our own keeper's cell.
    mine: Option<Lease>,
    /// When the queues were counted.
    queues: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Lease {
    generation: i64,
    /// Grows with each total, so that ours are in order.
    step: i64,
    cell: Vec<u8>,
}

impl Lease {
    fn next(&mut self) -> i64 {
        self.step += 1;
        FIRST_GENERATION + self.generation * 1_000_000_000 + self.step
    }
}

/// Counters by name, without the family.
type Counts = BTreeMap<String, i64>;

impl HBaseCrashStorage {
    /// Works off what is marked, if no other process does. To be called every few seconds by each
    /// process that likes to help; mostly there is nothing to do. Returns how many marks were
    /// worked off.
    pub async fn keep_counts(&self) -> Result<usize> {
        let mut seen = self.counts.0.lock().await;
        let Some(mut lease) = self.hold_lease(&mut seen).await? else {
            return Ok(0);
        };
        let marks = self
            .rows(&schema::METRICS, b"dirty:", b"dirty;", &[column::DIRTY])
            .await?;
        let settled = settled(&mut seen.marks, marks, Instant::now());
        let mut periods = BTreeSet::new();
        for (row, _) in &settled {
            if let Some(minute) = row.strip_prefix(DIRTY_MINUTE.as_bytes()) {
                let minute = String::from_utf8_lossy(minute).into_owned();
                let counts = self.count_minute(&minute).await?;
                self.publish(&schema::METRICS, minute.as_bytes(), &counts, &mut lease)
                    .await?;
                periods.extend(
                    LONGER_PERIODS
                        .iter()
                        .filter_map(|len| minute.get(..*len))
                        .map(str::to_owned),
                );
            } else if let Some(rest) = row.strip_prefix(DIRTY_SIGNATURE.as_bytes())
                && let Some((day, signature)) = rest.split_at_checked(DAY)
            {
                let crashes = self.count_signature(rest).await?;
                let name = String::from_utf8_lossy(signature).into_owned();
                let counts = Counts::from([(name, crashes)]);
                self.publish(&schema::SIGNATURE_COUNTS, day, &counts, &mut lease)
                    .await?;
            }
        }
        // Short periods first: the longer ones are their sums.
        let mut periods: Vec<_> = periods.into_iter().collect();
        periods.sort_by_key(|period| std::cmp::Reverse(period.len()));
        for period in periods {
            let counts = self.sum(&period).await?;
            self.publish(&schema::METRICS, period.as_bytes(), &counts, &mut lease)
                .await?;
        }
        if seen.queues.is_none_or(|at| at.elapsed() >= QUEUES_EVERY) {
            let counts = self.count_queues().await?;
            self.publish(&schema::METRICS, QUEUE_ROW.as_bytes(), &counts, &mut lease)
                .await?;
            seen.queues = Some(Instant::now());
        }
        seen.mine = Some(lease);
        if settled.is_empty() {
            return Ok(0);
        }
        // Whoever lost the lease meanwhile leaves the marks to the next keeper.
        if self.hold_lease(&mut seen).await?.is_none() {
            return Ok(0);
        }
        let done = settled.len();
        for (row, timestamp) in settled {
            seen.marks.remove(&row);
            let delete = move |connection: &mut Connection| {
                connection.delete(&schema::METRICS, row.clone(), Some(timestamp))
            };
            self.pool.run(delete).await?;
        }
        Ok(done)
    }

    /// The counters of a row of `metrics`: of a period such as `2026-11-22`, or
    /// `crash_report_queue`. Empty if there is none.
    pub async fn metrics(&self, row: &str) -> Result<BTreeMap<String, i64>> {
        Ok(self.counters(&schema::METRICS, row.as_bytes()).await?)
    }

    /// How many crashes of that day have each signature.
    pub async fn signature_counts(&self, day: Date) -> Result<BTreeMap<String, i64>> {
        let row = day.strftime("%y%m%d").to_string();
        Ok(self
            .counters(&schema::SIGNATURE_COUNTS, row.as_bytes())
            .await?)
    }

    /// Takes or renews the lease; `None` if another process has it.
    async fn hold_lease(&self, seen: &mut Seen) -> CallResult<Option<Lease>> {
        let read = |connection: &mut Connection| {
            connection.get(&schema::METRICS, KEEPER_ROW.into(), &[column::KEEPER])
        };
        let row = self.pool.read(read).await?.unwrap_or_default();
        let current = row.value(column::KEEPER).unwrap_or_default().to_vec();
        let mut next = match &seen.mine {
            Some(mine) if mine.cell == current => mine.clone(),
            _ => {
                seen.mine = None;
                let is_dead = match &seen.keeper {
                    _ if current.is_empty() => true,
                    Some((cell, since)) if *cell == current => since.elapsed() >= LEASE,
                    _ => {
                        seen.keeper = Some((current.clone(), Instant::now()));
                        false
                    }
                };
                if !is_dead {
                    return Ok(None);
                }
                Lease {
                    generation: generation(&current) + 1,
                    step: 0,
                    cell: Vec::new(),
                }
            }
        };
        next.cell = format!("{} {:016x}", next.generation, fastrand::u64(..)).into_bytes();
        let cell = next.cell.clone();
        let exchange = move |connection: &mut Connection| {
            let (row, cell) = (KEEPER_ROW.as_bytes().to_vec(), cell.clone());
            connection.check_and_put(
                &schema::METRICS,
                row.clone(),
                column::KEEPER,
                current.clone(),
                cell.clone(),
            )?;
            // Carried out twice, the second time says no: what is there tells.
            let now = connection
                .get(&schema::METRICS, row, &[column::KEEPER])?
                .unwrap_or_default();
            Ok::<_, CallError>(now.value(column::KEEPER) == Some(cell.as_slice()))
        };
        let is_mine = self.pool.run(exchange).await?;
        seen.mine = is_mine.then_some(next);
        Ok(seen.mine.clone())
    }

    /// Counts the submissions of a minute from the index rows.
    async fn count_minute(&self, minute: &str) -> CallResult<Counts> {
        let mut counts = Counts::new();
        let mut add = |name: &str| *counts.entry(name.to_owned()).or_default() += 1;
        let mut accepted = 0;
        for salt in SALTS {
            let start = [&[*salt], minute.as_bytes()].concat();
            let stop = [start.as_slice(), b"\xff"].concat();
            let columns = &[column::OOID, column::PROCESS_TYPE, column::HANG];
            for row in self
                .rows(&schema::SUBMITTED, &start, &stop, columns)
                .await?
            {
                add("submitted_crash_reports");
                if let Some(process) = row.text(column::PROCESS_TYPE) {
                    match row.value(column::HANG) {
                        Some(_) => add("submitted_crash_report_hang_pairs"),
                        None => add(&format!("submitted_oop_{process}_crash_reports")),
                    }
                }
            }
            accepted += self
                .rows(&schema::ACCEPTED, &start, &stop, &[column::OOID])
                .await?
                .len() as i64;
        }
        let all = counts.get("submitted_crash_reports").copied().unwrap_or(0);
        counts.insert(format!("{THROTTLED}0"), accepted);
        counts.insert(format!("{THROTTLED}1"), all - accepted);
        // Crashes may have been removed since; what was submitted stays submitted.
        for (name, before) in self.counters(&schema::METRICS, minute.as_bytes()).await? {
            let now = counts.entry(name).or_default();
            *now = before.max(*now);
        }
        Ok(counts)
    }

    async fn count_signature(&self, day_and_signature: &[u8]) -> CallResult<i64> {
        // Ids are of one length: a longer signature with the same beginning is another one.
        let length = day_and_signature.len() + CrashId::LEN;
        let stop = [day_and_signature, b"\xff"].concat();
        let rows = self
            .rows(
                &schema::DAY_SIGNATURES,
                day_and_signature,
                &stop,
                &[column::OOID],
            )
            .await?;
        Ok(rows.iter().filter(|row| row.key.len() == length).count() as i64)
    }

    async fn count_queues(&self) -> CallResult<Counts> {
        let mut counts = Counts::new();
        for (table, name) in [
            (&schema::UNPROCESSED, "current_unprocessed_size"),
            (&schema::WAITING, "current_legacy_unprocessed_size"),
        ] {
            counts.insert(
                name.into(),
                self.rows(table, b"", b"", &[column::OOID]).await?.len() as i64,
            );
        }
        Ok(counts)
    }

    /// The sum over the parts of a period: minutes of an hour, hours of a day, and so on.
    async fn sum(&self, period: &str) -> CallResult<Counts> {
        let parts: Vec<String> = match period.len() {
            13 => (0..60)
                .map(|minute| format!("{period}:{minute:02}"))
                .collect(),
            10 => (0..24).map(|hour| format!("{period}T{hour:02}")).collect(),
            7 => (1..=31).map(|day| format!("{period}-{day:02}")).collect(),
            _ => (1..=12)
                .map(|month| format!("{period}-{month:02}"))
                .collect(),
        };
        let mut sum = Counts::new();
        for part in parts {
            for (name, count) in self.counters(&schema::METRICS, part.as_bytes()).await? {
                *sum.entry(name).or_default() += count;
            }
        }
        Ok(sum)
    }

    async fn counters(&self, table: &'static Table, row: &[u8]) -> CallResult<Counts> {
        let row = row.to_vec();
        let read = move |connection: &mut Connection| {
            connection.get(table, row.clone(), &[FAMILY.trim_end_matches(':')])
        };
        let row = self.pool.read(read).await?.unwrap_or_default();
        let counter = |(name, cell): (Vec<u8>, Cell)| {
            let name = String::from_utf8(name)
                .ok()?
                .strip_prefix(FAMILY)?
                .to_owned();
            Some((name, i64::from_be_bytes(cell.value.try_into().ok()?)))
        };
        Ok(row.cells.into_iter().filter_map(counter).collect())
    }

    async fn publish(
        &self,
        table: &'static Table,
        row: &[u8],
        counts: &Counts,
        lease: &mut Lease,
    ) -> CallResult<()> {
        if counts.is_empty() {
            return Ok(());
        }
        let (row, timestamp) = (row.to_vec(), Some(lease.next()));
        let cell =
            |(name, count): (&String, &i64)| put(&format!("{FAMILY}{name}"), count.to_be_bytes());
        let cells: Vec<_> = counts.iter().map(cell).collect();
        let total = RowPut {
            table,
            row,
            cells,
            timestamp,
        };
        self.pool
            .run(move |connection| connection.put(total.clone()))
            .await
    }

    /// All rows from `start` to before `stop`, read a thousand at a time.
    async fn rows(
        &self,
        table: &'static Table,
        start: &[u8],
        stop: &[u8],
        columns: &'static [&'static str],
    ) -> CallResult<Vec<Row>> {
        let mut all = Vec::new();
        let mut pager = Pager::new(start.to_vec(), stop.to_vec());
        loop {
            let page = pager.page(BATCH);
            let read = move |connection: &mut Connection| connection.scan(table, &page, columns);
            let rows = self.pool.read(read).await?;
            let more = pager.advance(&rows, BATCH);
            all.extend(rows);
            if !more {
                return Ok(all);
            }
        }
    }
}

/// The marks that have not changed for long enough. Notes what it sees for the next time.
fn settled(
    known: &mut HashMap<Vec<u8>, (i64, Instant)>,
    marks: Vec<Row>,
    now: Instant,
) -> Vec<(Vec<u8>, i64)> {
    let mut settled = Vec::new();
    let mut still = HashMap::new();
    for Row { key, cells } in marks {
        let timestamp = cells.values().map(|cell| cell.timestamp).max().unwrap_or(0);
        let since = match known.get(&key) {
            Some((before, since)) if *before == timestamp => *since,
            _ => now,
        };
        if now.duration_since(since) >= SETTLE {
            settled.push((key.clone(), timestamp));
        }
        still.insert(key, (timestamp, since));
    }
    *known = still;
    settled
}

fn generation(cell: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(cell);
    text.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
