//! One connection to the Thrift server, and the calls that we use. The only user of `generated`.
//!
//! Which calls may be replayed: all here. Puts and deletes carry the same values and timestamps
//! again; [`Connection::check_and_put`] finds its own value when it was carried out before.
//!
//! The std buffers stand where the crate's own would: its buffered read transport delivers old
//! bytes again after a read that timed out or was interrupted. A timed-out connection is never used
//! again, for the late answer would be read as that of the next call.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, BufWriter};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol};

use super::batch::RowPut;
use super::error::{CallError, CallResult, is_disconnect, spoils_connection};
use super::generated::{
    BatchMutation, ColumnDescriptor, HbaseSyncClient, Mutation, TCell, THbaseSyncClient, TScan,
};
use super::schema::Table;
use super::traffic::{Counted, Traffic};
use crate::storage::open::HBaseOptions;

type Client = HbaseSyncClient<
    TBinaryInputProtocol<BufReader<Counted>>,
    TBinaryOutputProtocol<BufWriter<Counted>>,
>;

/// The server's read buffer is of this size too; more gains nothing.
const BUFFER_BYTES: usize = 64 * 1024;

/// One connection. Not shared: a call has the connection for itself.
pub(super) struct Connection {
    client: Client,
    prefix: String,
    traffic: Arc<Traffic>,
    pub(super) last_used: Instant,
    /// An error has left it in an unknown state.
    pub(super) spoiled: bool,
    /// The last error was that the other side had closed it.
    pub(super) disconnected: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("spoiled", &self.spoiled)
            .finish_non_exhaustive()
    }
}

/// One row: its cells by column name.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) cells: BTreeMap<Vec<u8>, Cell>,
}

/// One cell: its newest value and when it was written.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) value: Vec<u8>,
    pub(super) timestamp: i64,
}

impl Row {
    pub(super) fn value(&self, column: &str) -> Option<&[u8]> {
        self.cells
            .get(column.as_bytes())
            .map(|cell| cell.value.as_slice())
    }

    pub(super) fn text(&self, column: &str) -> Option<&str> {
        std::str::from_utf8(self.value(column)?).ok()
    }
}

/// A range of rows and how many of them to read.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) start: Vec<u8>,
    /// Not included; empty: the table's end.
    pub(super) stop: Vec<u8>,
    pub(super) limit: i32,
}

impl Connection {
    pub(super) fn open(options: &HBaseOptions, traffic: &Arc<Traffic>) -> CallResult<Self> {
        let failed = |error: std::io::Error| {
            CallError::outage(
                &format!("connect to the Thrift server {}", options.thrift),
                error,
            )
        };
        let connect = || {
            let mut last = std::io::Error::other("the name has no address");
            for address in options.thrift.to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, options.connect_timeout.get()) {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        let stream = connect().map_err(failed)?;
        let timeout = Some(options.socket_timeout.get());
        let set_up = || {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(timeout)?;
            stream.set_write_timeout(timeout)?;
            stream.try_clone()
        };
        let counted = |stream| Counted {
            stream,
            traffic: traffic.clone(),
        };
        let reading = counted(set_up().map_err(failed)?);
        let writing = counted(stream);
        Ok(Self {
            client: HbaseSyncClient::new(
                TBinaryInputProtocol::new(BufReader::with_capacity(BUFFER_BYTES, reading), true),
                TBinaryOutputProtocol::new(BufWriter::with_capacity(BUFFER_BYTES, writing), true),
            ),
            prefix: options.table_prefix.clone(),
            traffic: traffic.clone(),
            last_used: Instant::now(),
            spoiled: false,
            disconnected: false,
        })
    }

    /// What stands before the name of every table.
    #[cfg(test)]
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn name(&self, table: &Table) -> Vec<u8> {
        format!("{}{}", self.prefix, table.name).into_bytes()
    }

    fn call<T>(
        &mut self,
        operation: &str,
        table: &Table,
        call: impl FnOnce(&mut Client, Vec<u8>) -> thrift::Result<T>,
    ) -> CallResult<T> {
        let name = self.name(table);
        self.traffic.count_call();
        let result = call(&mut self.client, name);
        self.last_used = Instant::now();
        result.map_err(|error| {
            self.spoiled |= spoils_connection(&error);
            self.disconnected = is_disconnect(&error);
            CallError::new(
                &format!("{operation} {}{}", self.prefix, table.name),
                &error,
            )
        })
    }

    /// Writes cells into one row: atomic.
    pub(super) fn put(&mut self, put: RowPut) -> CallResult<()> {
        let RowPut {
            table,
            row,
            cells,
            timestamp,
        } = put;
        self.call("write to", table, |client, name| match timestamp {
            Some(timestamp) => client.mutate_row_ts(name, row, cells, timestamp),
            None => client.mutate_row(name, row, cells),
        })
    }

    /// Writes cells into several rows. Not atomic: after an error some rows may be written.
    pub(super) fn put_rows(
        &mut self,
        table: &Table,
        rows: Vec<BatchMutation>,
        timestamp: Option<i64>,
    ) -> CallResult<()> {
        self.call("write rows to", table, |client, name| match timestamp {
            Some(timestamp) => client.mutate_rows_ts(name, rows, timestamp),
            None => client.mutate_rows(name, rows),
        })
    }

    /// Writes one cell if `column` has that value now; says whether it did. An empty `expected`
    /// stands for an absent cell, and so also matches an absent row.
    pub(super) fn check_and_put(
        &mut self,
        table: &Table,
        row: Vec<u8>,
        column: &str,
        expected: Vec<u8>,
        new: Vec<u8>,
    ) -> CallResult<bool> {
        let put = super::client::put(column, new);
        self.call("check and write to", table, |client, name| {
            client.check_and_put(name, row, column.into(), expected, put)
        })
    }

    /// Reads columns (`family:qualifier`) and families (`family`) of a row; `None` if it has none
    /// of them.
    pub(super) fn get(
        &mut self,
        table: &Table,
        row: Vec<u8>,
        columns: &[&str],
    ) -> CallResult<Option<Row>> {
        let columns = columns
            .iter()
            .map(|column| column.as_bytes().to_vec())
            .collect();
        let rows = self.call("read", table, |client, name| {
            client.get_row_with_columns(name, row, columns)
        })?;
        Ok(rows
            .into_iter()
            .next()
            .map(|row| to_row(row.row, row.columns)))
    }

    /// Deletes the cells of a row that are not newer than `timestamp`; all cells without one.
    pub(super) fn delete(
        &mut self,
        table: &Table,
        row: Vec<u8>,
        timestamp: Option<i64>,
    ) -> CallResult<()> {
        self.call("delete from", table, |client, name| match timestamp {
            Some(timestamp) => client.delete_all_row_ts(name, row, timestamp),
            None => client.delete_all_row(name, row),
        })
    }

    /// Deletes cells of a row.
    pub(super) fn delete_cells(
        &mut self,
        table: &Table,
        row: Vec<u8>,
        columns: &[&str],
    ) -> CallResult<()> {
        let delete = |column: &&str| Mutation::new(true, column.as_bytes().to_vec(), None, None);
        let deletes = columns.iter().map(delete).collect();
        self.call("delete from", table, |client, name| {
            client.mutate_row(name, row, deletes)
        })
    }

    /// Reads rows in the order of their keys. The scanner is closed whatever happens.
    pub(super) fn scan(
        &mut self,
        table: &Table,
        scan: &Scan,
        columns: &[&str],
    ) -> CallResult<Vec<Row>> {
        let stop = (!scan.stop.is_empty()).then(|| scan.stop.clone());
        let columns: Vec<_> = columns
            .iter()
            .map(|column| column.as_bytes().to_vec())
            .collect();
        let spec = TScan::new(
            scan.start.clone(),
            stop,
            None,
            columns,
            scan.limit,
            None,
            None,
        );
        let scanner = self.call("scan", table, |client, name| {
            client.scanner_open_with_scan(name, spec)
        })?;
        let rows = self.call("scan", table, |client, _| {
            client.scanner_get_list(scanner, scan.limit)
        });
        if !self.spoiled {
            self.call("scan", table, |client, _| client.scanner_close(scanner))?;
        }
        Ok(rows?
            .into_iter()
            .map(|row| to_row(row.row, row.columns))
            .collect())
    }

    /// The names of all tables that have the prefix, without it.
    pub(super) fn tables(&mut self) -> CallResult<Vec<String>> {
        let any = Table {
            name: "",
            families: &[],
        };
        let names = self.call("list the tables", &any, |client, _| {
            client.get_table_names()
        })?;
        let names = names
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok());
        Ok(names
            .filter_map(|name| Some(name.strip_prefix(&self.prefix)?.to_owned()))
            .collect())
    }

    /// All that the server tells of a table's families.
    pub(super) fn describe(&mut self, table: &Table) -> CallResult<Vec<ColumnDescriptor>> {
        let columns = self.call("describe", table, |client, name| {
            client.get_column_descriptors(name)
        })?;
        Ok(columns.into_values().collect())
    }

    /// Writes a cell of so many bytes for a try: not through the log, and older than any deletion, so
    /// that it stays away once deleted, however late it is carried out.
    pub(super) fn put_probe(
        &mut self,
        table: &Table,
        row: Vec<u8>,
        column: &str,
        bytes: usize,
    ) -> CallResult<()> {
        let cell = Mutation::new(false, column.as_bytes().to_vec(), vec![0; bytes], false);
        self.call("write to", table, |client, name| {
            client.mutate_row_ts(name, row, vec![cell], 1)
        })
    }

    /// Makes a table.
    pub(super) fn create(&mut self, table: &Table) -> CallResult<()> {
        let families = table.families.iter().map(|(name, versions)| {
            let name = format!("{name}:").into_bytes();
            // Thrift's own defaults would be no filter and no cache, which are not HBase's.
            let (filter, cached) = ("ROW".to_owned(), true);
            ColumnDescriptor::new(name, *versions, None, None, filter, cached, None)
        });
        let families = families.collect();
        self.call("create", table, |client, name| {
            client.create_table(name, families)
        })
    }

    /// Disables and deletes a table.
    pub(super) fn drop_table(&mut self, table: &Table) -> CallResult<()> {
        self.call("disable", table, |client, name| client.disable_table(name))?;
        self.call("drop", table, |client, name| client.delete_table(name))
    }
}

/// The write of one cell, through the log.
pub(super) fn put(column: &str, value: impl Into<Vec<u8>>) -> Mutation {
    Mutation::new(false, column.as_bytes().to_vec(), value.into(), true)
}

fn to_row(key: Vec<u8>, columns: Option<BTreeMap<Vec<u8>, TCell>>) -> Row {
    let cell = |cell: TCell| Cell {
        value: cell.value,
        timestamp: cell.timestamp,
    };
    let cells = columns
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, cell(value)));
    Row {
        key,
        cells: cells.collect(),
    }
}
