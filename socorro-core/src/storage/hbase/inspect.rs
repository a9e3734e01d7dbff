//! What operators may look at: tables, rows and scans, as they are.
//!
//! The tables of the schema go by their names without the prefix of the configuration; others, such
//! as those that only Socorro 2.x had, can be read too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::HBaseCrashStorage;
use super::client::{Connection, Row};
use super::generated::ColumnDescriptor;
use super::merge::MergeScan;
use super::row_key;
use super::schema::{self, Table, column};
use crate::crash_id::CrashId;
use crate::storage::{CrashIds, Result, StorageError};

/// One row: its cells by `family:qualifier`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullRow {
    /// The row key.
    pub key: Vec<u8>,
    /// The newest value of each column.
    pub cells: BTreeMap<String, Vec<u8>>,
}

/// What the server says of a column family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its name, without a colon.
    pub name: String,
    /// What it is set to, by the server's names, in a fixed order.
    pub settings: Vec<(&'static str, String)>,
}

/// Rows of a scan. The iterator blocks while it reads: drive it on a thread of its own.
pub type Rows = Box<dyn Iterator<Item = Result<FullRow>> + Send>;

impl From<Row> for FullRow {
    fn from(row: Row) -> Self {
        let name = |name: Vec<u8>| String::from_utf8_lossy(&name).into_owned();
        let cells = row.cells.into_iter();
        Self {
            key: row.key,
            cells: cells.map(|(n, cell)| (name(n), cell.value)).collect(),
        }
    }
}

impl HBaseCrashStorage {
    /// Rows whose key after the salt begins with `prefix`, salt by salt. No columns: all.
    pub fn union_scan(&self, table: &str, prefix: &str, columns: &[String]) -> Rows {
        let (reader, table, columns) = (self.reader(), find(table), specs(columns));
        let runtime = tokio::runtime::Handle::current();
        let prefix = prefix.to_owned();
        let scan = move |salt: &u8| {
            let _in_runtime = runtime.enter();
            let columns: Vec<_> = columns.iter().map(String::as_str).collect();
            let prefix = [&[*salt], prefix.as_bytes()].concat();
            MergeScan::unsalted(&reader, table, &columns, &prefix)
        };
        full(row_key::SALTS.iter().flat_map(scan))
    }

    /// Rows whose key after the salt begins with `prefix`, in the order of what follows the salt:
    /// by date. No columns: all.
    pub fn merge_scan(&self, table: &str, prefix: &str, columns: &[String]) -> Rows {
        let columns = specs(columns);
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        full(MergeScan::with_prefix(
            &self.reader(),
            find(table),
            &columns,
            prefix,
        ))
    }

    /// All cells of a row; `None` if there is no such row.
    pub async fn full_row(&self, table: &str, key: &[u8]) -> Result<Option<FullRow>> {
        let (table, key) = (find(table), key.to_vec());
        let read = move |connection: &mut Connection| connection.get(table, key.clone(), &[]);
        Ok(self.pool.read(read).await?.map(FullRow::from))
    }

    /// The families of a table as the server has them.
    pub async fn describe(&self, table: &str) -> Result<Vec<Family>> {
        let table = find(table);
        let families = self.pool.read(move |connection| connection.describe(table));
        Ok(families.await?.into_iter().map(Family::from).collect())
    }

    /// Where a crash is on its way: flags, times and the claim.
    pub async fn processing_state(&self, id: &CrashId) -> Result<FullRow> {
        let columns = [
            column::IS_PROCESSED,
            column::IS_ACCEPTED,
            column::SUBMITTED,
            column::PROCESSED_AT,
            column::CLAIM,
        ];
        let mut row = FullRow::from(self.get(id, &columns, "raw crash").await?);
        row.cells.remove(column::OOID);
        Ok(row)
    }

    /// The raw crash under the key that Socorro had before salts: date and id.
    pub async fn raw_crash_of_old_format(&self, id: &CrashId) -> Result<Vec<u8>> {
        let key = format!("{}{id}", id.yymmdd()).into_bytes();
        let read = move |connection: &mut Connection| {
            connection.get(&schema::CRASHES, key.clone(), &[column::RAW_CRASH])
        };
        let row = self.pool.read(read).await?;
        let json = row.and_then(|row| row.value(column::RAW_CRASH).map(<[u8]>::to_vec));
        json.ok_or_else(|| StorageError::not_found(id, "raw crash of the old format"))
    }

    /// The crashes that a queue table names, by date.
    pub(super) fn ids_in(&self, table: &'static Table) -> CrashIds {
        let columns = [column::OOID];
        ids(
            MergeScan::with_prefix(&self.reader(), table, &columns, ""),
            |_, _| true,
        )
    }

    /// The crashes that have this signature by the index; `##null##` and `##empty##` stand for
    /// none.
    pub fn with_signature(&self, signature: &str) -> CrashIds {
        let rows = MergeScan::unsalted(
            &self.reader(),
            &schema::SIGNATURES,
            &[column::OOID],
            signature.as_bytes(),
        );
        // Signatures that only begin with this one are met as well.
        let signature = signature.as_bytes().to_vec();
        ids(rows, move |row, id| {
            row.key == row_key::by_signature(id, &signature)
        })
    }
}

/// The table of that name: one of the schema, or one that is remembered from now on.
fn find(name: &str) -> &'static Table {
    static OTHERS: Mutex<Vec<&Table>> = Mutex::new(Vec::new());
    let named = |table: &&&'static Table| table.name == name;
    if let Some(table) = schema::ALL.iter().find(named) {
        return table;
    }
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(table) = others.iter().find(named) {
        return table;
    }
    let other: &'static Table = Box::leak(Box::new(Table {
        name: name.to_owned().leak(),
        families: &[],
    }));
    others.push(other);
    other
}

/// Columns as the server wants them: a whole family goes without a colon.
fn specs(columns: &[String]) -> Vec<String> {
    let spec = |column: &String| match column.strip_suffix(':') {
        Some(family) => family.to_owned(),
        None => column.clone(),
    };
    columns.iter().map(spec).filter(|c| !c.is_empty()).collect()
}

fn full(rows: impl Iterator<Item = Result<Row>> + Send + 'static) -> Rows {
    Box::new(rows.map(|row| row.map(FullRow::from)))
}

fn ids(
    rows: impl Iterator<Item = Result<Row>> + Send + 'static,
    wanted: impl Fn(&Row, &CrashId) -> bool + Send + 'static,
) -> CrashIds {
    Box::new(rows.filter_map(move |row| match row {
        Ok(row) => {
            let id = row.text(column::OOID)?.parse().ok()?;
            wanted(&row, &id).then_some(Ok(id))
        }
        Err(error) => Some(Err(error)),
    }))
}

impl From<ColumnDescriptor> for Family {
    fn from(descriptor: ColumnDescriptor) -> Self {
        let ColumnDescriptor {
            name,
            max_versions,
            compression,
            in_memory,
            bloom_filter_type,
            block_cache_enabled,
            time_to_live,
        } = descriptor;
        let settings = [
            ("max_versions", max_versions.map(|n| n.to_string())),
            ("compression", compression),
            ("in_memory", in_memory.map(|yes| yes.to_string())),
            ("bloom_filter", bloom_filter_type),
            (
                "block_cache",
                block_cache_enabled.map(|yes| yes.to_string()),
            ),
            (
                "time_to_live",
                time_to_live.map(|seconds| seconds.to_string()),
            ),
        ];
        let name = String::from_utf8_lossy(&name);
        Self {
            name: name.trim_end_matches(':').to_owned(),
            settings: settings
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_outside_the_schema_is_remembered_once() {
        assert!(std::ptr::eq(find("elsewhere"), find("elsewhere")));
        assert_eq!(find("metrics").families.len(), 1);
    }

    #[test]
    fn a_family_goes_without_its_colon() {
        let columns = ["ids:".to_owned(), "meta_data:json".into(), String::new()];
        assert_eq!(specs(&columns), ["ids", "meta_data:json"]);
    }
}
