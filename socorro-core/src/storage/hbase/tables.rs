//! `socorro schema`: the tables are made, compared with the schema, and tried.

use tracing::debug;

use super::HBaseCrashStorage;
use super::client::Connection;
use super::error::CallError;
use super::generated::ColumnDescriptor;
use super::schema::{self, Table, column};
use crate::storage::Result;

/// All cells of a save are dated the midnight before the day of its crash: what lives for less than
/// three days may be dead when it is written.
const LEAST_DAYS: i32 = 3;
const DAY_SECONDS: i32 = 24 * 60 * 60;

/// A cell is somewhat larger than its value: key, column and timestamp.
const CELL_OVERHEAD: u64 = 1024;
const MEBIBYTE: u64 = 1 << 20;

/// What a look at the tables has found, each a line for the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaCheck {
    /// Tables, by name.
    pub missing_tables: Vec<String>,
    /// Families that a table lacks, as `table:family`.
    pub missing_families: Vec<String>,
    /// What loses crashes as it is set.
    pub wrong: Vec<String>,
    /// What differs from the schema and does no harm.
    pub notes: Vec<String>,
}

impl SchemaCheck {
    /// Whether crashes can be stored.
    pub fn is_good(&self) -> bool {
        self.missing_tables.is_empty() && self.missing_families.is_empty() && self.wrong.is_empty()
    }

    pub(super) fn compare(&mut self, table: &Table, families: &[ColumnDescriptor]) {
        let name = |family: &ColumnDescriptor| {
            let name = String::from_utf8_lossy(&family.name);
            name.trim_end_matches(':').to_owned()
        };
        for (wanted, versions) in table.families {
            let place = format!("{}:{wanted}", table.name);
            let Some(family) = families.iter().find(|family| name(family) == *wanted) else {
                self.missing_families.push(place);
                continue;
            };
            match family.time_to_live {
                Some(seconds) if *wanted != "counters" && seconds < LEAST_DAYS * DAY_SECONDS => {
                    self.wrong.push(format!(
                        "{place} drops its cells after {seconds} s, and what is written may be dated \
                         two days in the past: set its TTL to more than {LEAST_DAYS} days"
                    ));
                }
                Some(seconds) if seconds < i32::MAX => {
                    let days = seconds / DAY_SECONDS;
                    self.notes
                        .push(format!("{place} is dropped after {days} days"));
                }
                _ => {}
            }
            if let Some(there) = family.max_versions.filter(|there| there != versions) {
                self.notes.push(format!(
                    "{place} keeps {there} versions, and not {versions}"
                ));
            }
        }
        for family in families.iter().map(name) {
            if !table.families.iter().any(|(wanted, _)| *wanted == family) {
                self.notes
                    .push(format!("{}:{family} is not of this schema", table.name));
            }
        }
    }
}

impl HBaseCrashStorage {
    /// Compares the tables with the schema.
    pub async fn check_tables(&self) -> Result<SchemaCheck> {
        let look = |connection: &mut Connection| {
            let present = connection.tables()?;
            let mut found = SchemaCheck::default();
            for table in schema::ALL {
                if present.iter().any(|name| name == table.name) {
                    found.compare(table, &connection.describe(table)?);
                } else {
                    found.missing_tables.push(table.name.to_owned());
                }
            }
            Ok::<_, CallError>(found)
        };
        Ok(self.pool.read(look).await?)
    }

    /// The commands of `hbase shell` that add the families that [`HBaseCrashStorage::check_tables`]
    /// misses: Thrift1 has no call that changes a table.
    pub fn alter_commands(&self, check: &SchemaCheck) -> Vec<String> {
        let families = schema::ALL.iter().flat_map(|table| {
            let of_table =
                |(family, versions): &(&'static str, i32)| (table.name, *family, *versions);
            table.families.iter().map(of_table)
        });
        let missing = families.filter(|(table, family, _)| {
            let place = format!("{table}:{family}");
            check.missing_families.contains(&place)
        });
        let prefix = &self.table_prefix;
        missing
            .map(|(table, family, versions)| {
                format!("alter '{prefix}{table}', {{NAME => '{family}', VERSIONS => {versions}}}")
            })
            .collect()
    }

    /// Tries whether the server takes a cell of that size, in a row of `crash_reports` that no reader
    /// ever meets and that is removed again. `None` if it does; else how to mend it.
    pub async fn try_cell(&self, bytes: u64) -> Result<Option<String>> {
        let row = format!("schema-check-{:016x}", fastrand::u64(..)).into_bytes();
        let size = usize::try_from(bytes).unwrap_or(usize::MAX);
        let try_put = move |connection: &mut Connection| {
            let put = connection.put_probe(&schema::CRASHES, row.clone(), column::PROBE, size);
            if !connection.spoiled {
                connection.delete(&schema::CRASHES, row.clone(), None)?;
            }
            put
        };
        let refused = match self.pool.run(try_put).await {
            Ok(()) => return Ok(None),
            Err(error) => match error.refusing_setting() {
                Some(setting) => setting,
                None => return Err(error.into()),
            },
        };
        let wanted = (bytes + CELL_OVERHEAD).div_ceil(MEBIBYTE) * MEBIBYTE;
        Ok(Some(format!(
            "a dump of {bytes} bytes, the largest that the collector takes \
             (collector.max_inflated_bytes), is refused: raise {refused} to {wanted}"
        )))
    }

    /// Makes the tables that are missing, several at a time; tells their names. Tables that are
    /// there stay as they are, so that it can be repeated.
    pub async fn create_tables(&self) -> Result<Vec<&'static str>> {
        let present = self.pool.read(Connection::tables).await?;
        let missing = schema::ALL
            .iter()
            .filter(|t| !present.iter().any(|name| name == t.name));
        let make = |table: &'static Table| {
            let pool = self.pool.clone();
            tokio::spawn(async move { pool.run(move |connection| connection.create(table)).await })
        };
        let mut made = Vec::new();
        for (table, making) in missing
            .map(|table| (table.name, make(table)))
            .collect::<Vec<_>>()
        {
            // Unwrap safety: making a table does not panic.
            making.await.unwrap()?;
            debug!(table, "table made");
            made.push(table);
        }
        Ok(made)
    }

    /// Drops all tables of the schema that are there, with all that is in them.
    pub async fn drop_tables(&self) -> Result<()> {
        let present = self.pool.read(Connection::tables).await?;
        for table in schema::ALL
            .iter()
            .filter(|t| present.iter().any(|name| name == t.name))
        {
            self.pool
                .run(move |connection| connection.drop_table(table))
                .await?;
        }
        Ok(())
    }
}
