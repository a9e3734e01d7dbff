// This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0.
// If a copy of the MPL was not distributed with this file, You can obtain one at https://mozilla.org/MPL/2.0/.

// The part of HBase's Thrift1 service that Socorro calls, as HBase 2.6 speaks it. Names, field numbers and types are
// the server's. What Socorro never sends (the `attributes` of every call, a few fields) is left out: the server takes
// an absent field for its default.
//
// Every struct that Socorro sends has a `required` field on purpose: without one the Rust generator makes a `Default`
// that sends false, 0 and empty text in place of nothing. Such a Mutation is written around the log, such a TScan
// finds no row. Build them with `new`, and None for what the server should choose.
//
// After a change: `./generate`.

// What broke inside HBase: a missing table, a dead region server. `canRetry` is not to be trusted.
exception IOError {
  1: optional string message
  2: optional bool canRetry
}

// The request itself is wrong: a bad row key, too large a cell, a scanner that is gone.
exception IllegalArgument {
  1: optional string message
}

// createTable: somebody was first.
exception AlreadyExists {
  1: optional string message
}

// One column family. `name` ends in a colon: "ids:".
struct ColumnDescriptor {
  1: required binary name
  2: optional i32 maxVersions
  3: optional string compression
  4: optional bool inMemory
  5: optional string bloomFilterType
  8: optional bool blockCacheEnabled
  9: optional i32 timeToLive
}

// One version of one cell; the timestamp is in milliseconds.
struct TCell {
  1: required binary value
  2: required i64 timestamp
}

// One put, or with `isDelete` one delete. `column` is "family:qualifier".
struct Mutation {
  1: required bool isDelete
  2: required binary column
  3: optional binary value
  4: optional bool writeToWAL
}

// The mutations of one row.
struct BatchMutation {
  1: required binary row
  2: required list<Mutation> mutations
}

// A row as read; the keys of `columns` are "family:qualifier".
struct TRowResult {
  1: required binary row
  2: optional map<binary, TCell> columns
}

// An empty `startRow` is the table's first row; `stopRow` is not part of the scan. A column is "family:qualifier" or a
// bare "family", never "family:". `timestamp` leaves out all cells from that time on. `batchSize` counts cells and cuts
// rows into pieces; how many rows one answer brings is said to scannerGetList.
struct TScan {
  1: required binary startRow
  2: optional binary stopRow
  3: optional i64 timestamp
  4: optional list<binary> columns
  5: optional i32 caching
  7: optional i32 batchSize
  10: optional bool cacheBlocks
}

service Hbase {
  // --- tables

  list<binary> getTableNames() throws (1: IOError io)

  // Returns when the table takes rows.
  void createTable(1: binary tableName, 2: list<ColumnDescriptor> columnFamilies)
    throws (1: IOError io, 2: IllegalArgument ia, 3: AlreadyExists exist)

  // A table must be disabled before it can be deleted.
  void disableTable(1: binary tableName) throws (1: IOError io)

  void enableTable(1: binary tableName) throws (1: IOError io)

  bool isTableEnabled(1: binary tableName) throws (1: IOError io)

  void deleteTable(1: binary tableName) throws (1: IOError io)

  // The families of a table, by name with the colon.
  map<binary, ColumnDescriptor> getColumnDescriptors(1: binary tableName) throws (1: IOError io)

  // --- reading rows: an empty list says that there is no such row, or none of the columns in it

  list<TRowResult> getRow(1: binary tableName, 2: binary row) throws (1: IOError io)

  list<TRowResult> getRowWithColumns(1: binary tableName, 2: binary row, 3: list<binary> columns)
    throws (1: IOError io)

  // --- writing rows

  // Atomic while all mutations are puts: a mix of puts and deletes is two calls inside the server.
  void mutateRow(1: binary tableName, 2: binary row, 3: list<Mutation> mutations)
    throws (1: IOError io, 2: IllegalArgument ia)

  void mutateRowTs(1: binary tableName, 2: binary row, 3: list<Mutation> mutations, 4: i64 timestamp)
    throws (1: IOError io, 2: IllegalArgument ia)

  // Not atomic: rows may be written although the call fails.
  void mutateRows(1: binary tableName, 2: list<BatchMutation> rowBatches)
    throws (1: IOError io, 2: IllegalArgument ia)

  void mutateRowsTs(1: binary tableName, 2: list<BatchMutation> rowBatches, 3: i64 timestamp)
    throws (1: IOError io, 2: IllegalArgument ia)

  // Puts `mput` if the cell holds `value`. An empty `value` stands for an absent cell, for an absent row, and for a
  // cell that is there and empty.
  bool checkAndPut(1: binary tableName, 2: binary row, 3: binary column, 5: binary value, 6: Mutation mput)
    throws (1: IOError io, 2: IllegalArgument ia)

  void deleteAllRow(1: binary tableName, 2: binary row) throws (1: IOError io)

  // Deletes what is as old as `timestamp` or older; what is newer stays.
  void deleteAllRowTs(1: binary tableName, 2: binary row, 3: i64 timestamp) throws (1: IOError io)

  // --- scanning: a scanner belongs to the server, not to the connection, and is gone after a minute or two of rest

  i32 scannerOpenWithScan(1: binary tableName, 2: TScan scan) throws (1: IOError io)

  // One row, or an empty list at the end.
  list<TRowResult> scannerGet(1: i32 id) throws (1: IOError io, 2: IllegalArgument ia)

  // Up to `nbRows` rows; an empty list is the end.
  list<TRowResult> scannerGetList(1: i32 id, 2: i32 nbRows) throws (1: IOError io, 2: IllegalArgument ia)

  void scannerClose(1: i32 id) throws (1: IOError io, 2: IllegalArgument ia)
}
