//! What is written of a processed crash: one atomic, puts-only write of the result beside its raw
//! crash, then the signature's index rows. The queue rows are deleted last (`owned`), up to the
//! timestamp at which they were read, so that a request made meanwhile survives.

use super::batch::{self, RowPut};
use super::claim::ClaimCell;
use super::client::{Connection, Row, put};
use super::counts;
use super::error::{CallError, CallResult};
use super::row_key;
use super::rows::get;
use super::schema::{self, column};
use crate::crash_id::CrashId;
use crate::processed_crash::{ProcessedCrash, key};
use crate::storage::{Result, StorageError};

/// Stores a processed crash beside its raw crash and marks it processed and free; then brings the
/// index by signature up to date.
pub(super) fn save_processed(
    connection: &mut Connection,
    id: &CrashId,
    processed: &ProcessedCrash,
) -> Result<()> {
    let about = |error: CallError| error.about(id);
    let row = get(connection, id, &SIGNATURE_COLUMNS).map_err(about)?;
    let row = row.ok_or_else(|| StorageError::not_found(id, "raw crash"))?;
    // Only its index row: a cell written within a millisecond of its deletion stays hidden.
    delete_stale_index_row(connection, id, &row).map_err(about)?;
    save_in(connection, id, processed, &row)
}

/// The same for a crash whose row, as read before, has that signature.
pub(super) fn save_in(
    connection: &mut Connection,
    id: &CrashId,
    processed: &ProcessedCrash,
    row: &Row,
) -> Result<()> {
    let about = |error: CallError| error.about(id);
    let signature = match processed.signature() {
        None => column::NO_SIGNATURE,
        Some("") => column::EMPTY_SIGNATURE,
        Some(signature) => signature,
    };
    let mut cells = vec![
        put(column::PROCESSED_CRASH, processed.to_json()),
        put(column::SIGNATURE, signature),
        put(column::IS_PROCESSED, column::YES),
        put(
            column::PROCESSED_AT,
            processed.get_str(key::COMPLETED).unwrap_or_default(),
        ),
        put(column::CLAIM, ClaimCell::freed(0).to_cell()),
    ];
    let old = row
        .value(column::SIGNATURE)
        .filter(|old| *old != signature.as_bytes());
    if let Some(old) = old {
        cells.push(put(column::STALE_SIGNATURE, old));
    }
    connection
        .put(RowPut::now(&schema::CRASHES, row_key::crash(id), cells))
        .map_err(about)?;
    if settle_signature(connection, id).map_err(about)? {
        return Ok(());
    }
    // Removed meanwhile: the rest of a crash, which nobody would find, must not stay.
    connection
        .delete_cells(&schema::CRASHES, row_key::crash(id), &RESULT_COLUMNS)
        .map_err(about)?;
    Err(StorageError::not_found(id, "raw crash"))
}

/// What [`save_in`] writes.
const RESULT_COLUMNS: [&str; 6] = [
    column::PROCESSED_CRASH,
    column::SIGNATURE,
    column::IS_PROCESSED,
    column::PROCESSED_AT,
    column::CLAIM,
    column::STALE_SIGNATURE,
];

const SIGNATURE_COLUMNS: [&str; 2] = [column::SIGNATURE, column::STALE_SIGNATURE];

/// Brings the index by signature up to date with what the crash row says: after processing, and for
/// a processor that was killed before it could. `false` if there is no such crash.
pub(super) fn settle_signature(connection: &mut Connection, id: &CrashId) -> CallResult<bool> {
    let Some(row) = get(connection, id, &SIGNATURE_COLUMNS)? else {
        return Ok(false);
    };
    if let Some(signature) = row.value(column::SIGNATURE) {
        let row = |table, row| RowPut::now(table, row, vec![put(column::OOID, id.as_str())]);
        let rows = [
            row(&schema::SIGNATURES, row_key::by_signature(id, signature)),
            row(
                &schema::DAY_SIGNATURES,
                row_key::by_day_and_signature(id, signature),
            ),
            counts::signature(id, signature),
        ];
        batch::write(connection, &rows)?;
    }
    forget_stale_signature(connection, id, &row)?;
    Ok(true)
}

fn forget_stale_signature(connection: &mut Connection, id: &CrashId, row: &Row) -> CallResult<()> {
    delete_stale_index_row(connection, id, row)?;
    match row.value(column::STALE_SIGNATURE) {
        Some(_) => connection.delete_cells(
            &schema::CRASHES,
            row_key::crash(id),
            &[column::STALE_SIGNATURE],
        ),
        None => Ok(()),
    }
}

fn delete_stale_index_row(connection: &mut Connection, id: &CrashId, row: &Row) -> CallResult<()> {
    match row.value(column::STALE_SIGNATURE) {
        Some(stale) if row.value(column::SIGNATURE) != Some(stale) => {
            forget_signature(connection, id, stale)
        }
        _ => Ok(()),
    }
}

pub(super) fn forget_signature(
    connection: &mut Connection,
    id: &CrashId,
    signature: &[u8],
) -> CallResult<()> {
    connection.delete(
        &schema::SIGNATURES,
        row_key::by_signature(id, signature),
        None,
    )?;
    connection.delete(
        &schema::DAY_SIGNATURES,
        row_key::by_day_and_signature(id, signature),
        None,
    )?;
    batch::write(connection, &[counts::signature(id, signature)])
}
