//! What is written, read and removed of one raw crash: its row, its index rows, its queue rows.
//!
//! One atomic, puts-only write of the crash row, then the index rows, the queue row last; rows of
//! several crashes go together (`batch`). Every cell carries [`CrashId::save_timestamp_millis`]: a save
//! repeated, or carried out by the server minutes after its call timed out, is older than all that
//! happened since. (A restore has another timestamp: `save`.)

use std::io;

use super::batch::RowPut;
use super::claim::FREE;
use super::client::{Connection, Row, put};
use super::counts;
use super::error::{CallError, CallResult};
use super::schema::{self, column};
use super::{results, row_key};
use crate::crash_id::CrashId;
use crate::dumps::{Dump, DumpName, Dumps, MAIN_DUMP_ALIAS};
use crate::raw_crash::{RawCrash, ThrottleResult, parse_timestamp};
use crate::storage::{Result, StorageError};

/// The column of a dump.
pub(super) fn dump_column(name: &DumpName) -> String {
    let qualifier = if name.is_main() {
        MAIN_DUMP_ALIAS
    } else {
        name.as_str()
    };
    format!("{}:{qualifier}", column::DUMPS)
}

/// The process type of a crash that names none.
const DEFAULT_PROCESS: &str = "default";
/// The longest hang id that is indexed, in bytes: it becomes a row key.
const MAX_HANG_ID: usize = 255;
/// The longest process type that is indexed, in bytes: it becomes a part of column names.
const MAX_PROCESS_TYPE: usize = 64;

fn hang_id(raw: &RawCrash) -> Option<&str> {
    let hang = raw.get_str("HangID")?;
    (1..=MAX_HANG_ID).contains(&hang.len()).then_some(hang)
}

/// The process type, if it is not the default.
fn process_type(raw: &RawCrash) -> Option<&str> {
    let process = raw.get_str("ProcessType")?;
    let is_short = (1..=MAX_PROCESS_TYPE).contains(&process.len());
    (is_short && process != DEFAULT_PROCESS).then_some(process)
}

/// The rows of a raw crash: its crash row, then those of the indices and the queue, all cells with
/// that timestamp. Reads dumps that are files, and so blocks.
pub(super) fn raw_crash(
    id: &CrashId,
    raw: &RawCrash,
    dumps: &Dumps,
    timestamp: i64,
) -> Result<(RowPut, Vec<RowPut>)> {
    let accepted = raw.throttle_result() == ThrottleResult::Accept;
    let submitted = row_key::submitted(raw.submitted(id));
    let hang = hang_id(raw);
    let mut cells = vec![
        put(column::OOID, id.as_str()),
        put(column::IS_PROCESSED, column::UNPROCESSED),
        put(column::CLAIM, FREE),
        put(column::SUBMITTED, submitted.as_str()),
        put(column::RAW_CRASH, raw.to_json()),
    ];
    if accepted {
        cells.push(put(column::IS_ACCEPTED, column::YES));
    }
    if let Some(hang) = hang {
        cells.push(put(column::HANG, hang));
    }
    for (name, dump) in dumps {
        let bytes = dump
            .read()
            .map_err(|error| unreadable(id, name, dump, error))?;
        cells.push(put(&dump_column(name), bytes));
    }
    let row = |table, row: Vec<u8>, cells| RowPut {
        table,
        row,
        cells,
        timestamp: Some(timestamp),
    };
    let ooid = || vec![put(column::OOID, id.as_str())];
    let by_time = row_key::by_time(id.as_str(), &submitted);
    let crash = row(&schema::CRASHES, row_key::crash(id), cells);
    let process = process_type(raw);
    let mut submission = ooid();
    submission.extend(process.map(|process| put(column::PROCESS_TYPE, process)));
    submission.extend(hang.map(|hang| put(column::HANG, hang)));
    let mut others = vec![
        row(&schema::SUBMITTED, by_time.clone(), submission),
        counts::submitted(&submitted),
        row(&schema::UNPROCESSED, by_time.clone(), ooid()),
    ];
    if accepted {
        others.push(row(&schema::ACCEPTED, by_time.clone(), ooid()));
        others.push(row(&schema::WAITING, by_time, ooid()));
    }
    if let Some(hang) = hang {
        let process = process.unwrap_or(DEFAULT_PROCESS);
        let half = || vec![put(&format!("{}:{process}", column::OOID), id.as_str())];
        others.push(row(&schema::HANG, hang.into(), half()));
        others.push(row(
            &schema::HANG_SUBMITTED,
            row_key::by_time(hang, &submitted),
            half(),
        ));
    }
    Ok((crash, others))
}

/// Why a dump can't be read: it went with its crash, it can't be read at all, or not now.
fn unreadable(id: &CrashId, name: &DumpName, dump: &Dump, error: io::Error) -> StorageError {
    let what = format!("read the dump {name} ({dump:?})");
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::not_found(id, format!("dump {name}")),
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => {
            StorageError::refused(id, format!("can't {what}: {error}"))
        }
        _ if error.raw_os_error() == Some(EIO) => {
            StorageError::refused(id, format!("can't {what}: {error}"))
        }
        _ => StorageError::Unavailable {
            store: "file system",
            operation: what,
            source: error.into(),
        },
    }
}

/// The disk can't read it: `errno(3)`.
const EIO: i32 = 5;

/// Reads columns of a crash; `None` if there is no such crash.
pub(super) fn get(
    connection: &mut Connection,
    id: &CrashId,
    columns: &[&str],
) -> CallResult<Option<Row>> {
    let columns = [columns, &[column::OOID]].concat();
    let row = connection.get(&schema::CRASHES, row_key::crash(id), &columns)?;
    Ok(row.filter(|row| row.value(column::OOID).is_some()))
}

/// The dumps among a row's cells.
pub(super) fn dumps(row: Row) -> Dumps {
    let dump = |(name, cell): (Vec<u8>, super::client::Cell)| {
        let name = String::from_utf8(name).ok()?;
        let qualifier = name.strip_prefix(column::DUMPS)?.strip_prefix(':')?;
        let name = match qualifier {
            MAIN_DUMP_ALIAS => DumpName::main(),
            other => DumpName::parse(other).unwrap_or_else(|| DumpName::clean(other)),
        };
        Some((name, Dump::Bytes(cell.value.into())))
    };
    row.cells.into_iter().filter_map(dump).collect()
}

/// Removes a crash: its index and queue rows, and the crash row last, which tells a repetition what
/// there is to remove.
pub(super) fn remove(connection: &mut Connection, id: &CrashId) -> Result<()> {
    let about = |error: CallError| error.about(id);
    let columns = [
        column::SUBMITTED,
        column::HANG,
        column::RAW_CRASH,
        column::SIGNATURE,
        column::STALE_SIGNATURE,
    ];
    let row = get(connection, id, &columns).map_err(about)?;
    let row = row.ok_or_else(|| StorageError::not_found(id, "crash"))?;
    let mut delete = |table, key| connection.delete(table, key, None).map_err(about);
    if let Some(submitted) = row.text(column::SUBMITTED) {
        let by_time = row_key::by_time(id.as_str(), submitted);
        let tables = [
            &schema::SUBMITTED,
            &schema::ACCEPTED,
            &schema::UNPROCESSED,
            &schema::WAITING,
        ];
        for table in tables {
            delete(table, by_time.clone())?;
        }
    }
    for asked in [&schema::REQUESTED, &schema::REPROCESS] {
        delete(asked, row_key::crash(id))?;
    }
    for stale in [column::SIGNATURE, column::STALE_SIGNATURE] {
        if let Some(signature) = row.value(stale) {
            results::forget_signature(connection, id, signature).map_err(about)?;
        }
    }
    if let Some(hang) = row.text(column::HANG) {
        // The row has a cell for each half of the hang; only this one goes.
        let raw = row
            .value(column::RAW_CRASH)
            .and_then(|json| RawCrash::from_json(json).ok());
        let process = raw
            .as_ref()
            .and_then(process_type)
            .unwrap_or(DEFAULT_PROCESS);
        let half = format!("{}:{process}", column::OOID);
        let submitted = row.text(column::SUBMITTED).unwrap_or_default();
        for (table, key) in [
            (&schema::HANG, hang.as_bytes().to_vec()),
            (&schema::HANG_SUBMITTED, row_key::by_time(hang, submitted)),
        ] {
            connection
                .delete_cells(table, key, &[&half])
                .map_err(about)?;
        }
    }
    connection
        .delete(&schema::CRASHES, row_key::crash(id), None)
        .map_err(about)
}

/// The key of a crash in the indices by time, from its row.
pub(super) fn by_time_key(id: &CrashId, row: &Row) -> Option<Vec<u8>> {
    let submitted = row.text(column::SUBMITTED)?;
    // A row of Socorro 2.x may leave out microseconds; its text is the key all the same.
    parse_timestamp(submitted)?;
    Some(row_key::by_time(id.as_str(), submitted))
}
