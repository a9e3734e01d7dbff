//! Which days have had crashes removed, so that no save is taken for stored that can't be seen.
//!
//! The row of a removed crash lies under a deletion until HBase compacts, and so does all that a
//! save writes of that crash later. Reading each save back would tell, and cost one more call for
//! each. Instead, whoever removes a crash first marks the day of its id in `metrics`, and waits for
//! [`NOTICE`], once a day, before anything is deleted. A saver looks at the mark *after* its rows
//! are written, no longer than [`LOOK_EVERY`] ago, and reads back only crashes of days that have one.
//!
//! So none is missed: a save that can't be seen was written after the deletion, hence more than
//! [`NOTICE`] after the mark was there, and its saver has looked since. No clock is compared with
//! another's.
//!
//! | row of `metrics` | column | value |
//! |---|---|---|
//! | `removed:YYMMDD` | `counters:removed` | `new`, then `known` when every saver has seen it |

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::sync::Mutex;

use super::batch::RowPut;
use super::client::{Connection, put};
use super::error::CallResult;
use super::pool::Pool;
use super::schema::{self, column};
use crate::crash_id::CrashId;

/// How old a saver's look at a mark may be.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a mark must have been there before a crash is deleted; longer than [`LOOK_EVERY`].
const NOTICE: Duration = Duration::from_secs(2);

const NEW: &str = "new";
const KNOWN: &str = "known";

/// What one process knows of the marks.
#[derive(Debug, Default)]
pub(super) struct Removals {
    looks: Mutex<HashMap<Date, Look>>,
    announced: Mutex<HashSet<Date>>,
}

#[derive(Debug)]
struct Look {
    began: Instant,
    is_marked: bool,
}

impl Removals {
    /// Whether crashes of this one's day have been removed. To be asked after the crash is written.
    pub(super) async fn may_concern(&self, pool: &Pool, id: &CrashId) -> CallResult<bool> {
        let mut looks = self.looks.lock().await;
        match looks.get(&id.date()) {
            Some(look) if look.is_marked || look.began.elapsed() < LOOK_EVERY => {
                return Ok(look.is_marked);
            }
            _ => {}
        }
        let began = Instant::now();
        let is_marked = read(pool, id).await?.is_some();
        looks.insert(id.date(), Look { began, is_marked });
        Ok(is_marked)
    }

    /// Lets all savers know that a crash of this one's day is about to be removed.
    pub(super) async fn announce(&self, pool: &Pool, id: &CrashId) -> CallResult<()> {
        let mut announced = self.announced.lock().await;
        if announced.contains(&id.date()) {
            return Ok(());
        }
        if read(pool, id).await?.as_deref() != Some(KNOWN.as_bytes()) {
            write(pool, id, NEW).await?;
            tokio::time::sleep(NOTICE).await;
            write(pool, id, KNOWN).await?;
        }
        announced.insert(id.date());
        Ok(())
    }
}

fn row(id: &CrashId) -> Vec<u8> {
    format!("removed:{}", id.yymmdd()).into_bytes()
}

async fn read(pool: &Pool, id: &CrashId) -> CallResult<Option<Vec<u8>>> {
    let row = row(id);
    let read = move |connection: &mut Connection| {
        connection.get(&schema::METRICS, row.clone(), &[column::REMOVED])
    };
    let mark = pool.read(read).await?;
    Ok(mark.and_then(|mark| mark.value(column::REMOVED).map(<[u8]>::to_vec)))
}

async fn write(pool: &Pool, id: &CrashId, value: &str) -> CallResult<()> {
    let mark = RowPut::now(&schema::METRICS, row(id), vec![put(column::REMOVED, value)]);
    pool.run(move |connection| connection.put(mark.clone()))
        .await
}
