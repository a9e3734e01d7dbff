/* This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/. */

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.Cell;
import org.apache.hadoop.hbase.CellUtil;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.CheckAndMutate;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.CompactionState;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Delete;
import org.apache.hadoop.hbase.client.Get;
import org.apache.hadoop.hbase.client.Put;
import org.apache.hadoop.hbase.client.Result;
import org.apache.hadoop.hbase.client.ResultScanner;
import org.apache.hadoop.hbase.client.Scan;
import org.apache.hadoop.hbase.client.Table;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.log4j.BasicConfigurator;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;

/** What `test-tables` asks of HBase beyond Thrift: `TestTables DIR COMMAND ARGUMENTS`. */
public class TestTables {
    static {
        BasicConfigurator.configure();
        Logger.getRootLogger().setLevel(Level.OFF);
    }

    static Connection connection;
    static Admin admin;

    public static void main(String[] words) throws Exception {
        Configuration configuration = HBaseConfiguration.create();
        configuration.addResource(new org.apache.hadoop.fs.Path(words[0] + "/conf/hbase-site.xml"));
        configuration.setInt("hbase.client.retries.number", 1);
        connection = ConnectionFactory.createConnection(configuration);
        admin = connection.getAdmin();
        switch (words[1]) {
            case "store" -> store(words[2], words[3], Path.of(words[4]));
            case "flush" -> flush(words[2]);
            case "drop-family" -> admin.deleteColumnFamily(TableName.valueOf(words[2]), bytes(words[3]));
            case "queue" -> queue(words[2]);
            case "deletes" -> deletes();
            default -> throw new IllegalArgumentException(words[1]);
        }
        System.exit(0);
    }

    static byte[] bytes(String text) {
        return Bytes.toBytes(text);
    }

    /** Stores a crash with that file as its main dump. */
    static void store(String prefix, String id, Path dump) throws IOException {
        String row = id.charAt(0) + id.substring(30) + id;
        try (Table table = connection.getTable(TableName.valueOf(prefix + "crash_reports"))) {
            table.put(new Put(bytes(row))
                .addColumn(bytes("ids"), bytes("ooid"), bytes(id))
                .addColumn(bytes("meta_data"), bytes("json"), bytes("{\"ProductName\":\"Try\"}"))
                .addColumn(bytes("raw_data"), bytes("dump"), Files.readAllBytes(dump)));
        }
    }

    static void flush(String prefix) throws IOException {
        long started = System.nanoTime();
        admin.flush(TableName.valueOf(prefix + "crash_reports"));
        System.out.printf("flushed in %d ms%n", (System.nanoTime() - started) / 1_000_000);
    }

    // --- rows of the queue that are deleted do not pile up

    static final int ROWS = 16_000;

    /** Flushes and asks for compaction by hand, which the servers do by themselves in one to six minutes. */
    static void queue(String name) throws Exception {
        TableName table = TableName.valueOf(name);
        try (Table queue = connection.getTable(table)) {
            long cells = 0;
            for (int flush = 1; flush <= 2; flush++) {
                for (int i = 0; i < ROWS; i++) {
                    queue.put(new Put(row(i), flush).addColumn(bytes("ids"), bytes("ooid"), row(i)));
                }
                System.out.printf("%d rows: %d cells, a scan takes %d ms%n", ROWS, cells(queue), scan(queue, ROWS));
                for (int i = 0; i < ROWS; i++) {
                    queue.delete(new Delete(row(i), flush));
                }
                System.out.printf("all deleted: %d cells, %d ms%n", cells(queue), scan(queue, 0));
                admin.flush(table);
                admin.compact(table);
                for (int tries = 0; tries < (flush == 1 ? 1 : 60) && (cells = cells(queue)) > 0; tries++) {
                    Thread.sleep(1000);
                }
                System.out.printf("flushed: %d cells, %d ms%n", cells, scan(queue, 0));
            }
            check(cells == 0, "delete markers stay after the second flush");
        }
    }

    /** What a scan goes over: rows, deleted rows, delete markers. */
    static long cells(Table table) throws IOException {
        long cells = 0;
        try (ResultScanner scanner = table.getScanner(new Scan().setRaw(true).readAllVersions().setCaching(1000))) {
            for (Result row : scanner) {
                cells += row.size();
            }
        }
        return cells;
    }

    static byte[] row(int i) {
        return bytes(String.format("%x2026-01-01T00:00:00.%06dabcdefab-abcd-abcd-abcd-abcdef260101", i % 16, i));
    }

    static long scan(Table table, int expected) throws IOException {
        long started = System.nanoTime();
        int rows = 0;
        try (ResultScanner scanner = table.getScanner(new Scan().setCaching(1000))) {
            for (Result row : scanner) {
                rows++;
            }
        }
        check(rows == expected, rows + " rows, not " + expected);
        return (System.nanoTime() - started) / 1_000_000;
    }

    // --- what a put does that is older than a delete before it: README.md, "Deletes and replays"

    /** The timestamp of all cells of a save. */
    static final long SAVED = (System.currentTimeMillis() / 86_400_000 - 1) * 86_400_000;

    enum Between {
        NOTHING,
        FLUSH,
        MAJOR_COMPACTION,
    }

    static void deletes() throws Exception {
        for (boolean newBehaviour : List.of(false, true)) {
            TableName name = TableName.valueOf("deletes_" + newBehaviour);
            TableDescriptorBuilder made = TableDescriptorBuilder.newBuilder(name);
            for (String family : List.of("flags", "ids", "raw_data")) {
                ColumnFamilyDescriptorBuilder builder = ColumnFamilyDescriptorBuilder.newBuilder(bytes(family))
                    .setNewVersionBehavior(newBehaviour);
                made.setColumnFamily(
                    (family.equals("raw_data") ? builder.setMobEnabled(true).setMobThreshold(1000).setMaxVersions(3)
                        : builder).build());
            }
            admin.createTable(made.build());
            try (Table table = connection.getTable(name)) {
                for (Between between : Between.values()) {
                    deletes(table, between, newBehaviour);
                }
            }
            admin.disableTable(name);
            admin.deleteTable(name);
        }
    }

    static void deletes(Table table, Between between, boolean newBehaviour) throws Exception {
        TableName name = table.getName();
        String claimed = between + "1";
        save(table, claimed, SAVED);
        claim(table, claimed, "owner");
        let(name, between);
        save(table, claimed, SAVED);
        expect(table, claimed, "owner", "a save replayed under a claim");

        // Either way a major compaction makes HBase forget the delete.
        boolean back = newBehaviour || between == Between.MAJOR_COMPACTION;
        String queued = between + "2";
        save(table, queued, SAVED);
        let(name, between);
        table.delete(new Delete(bytes(queued), SAVED));
        let(name, between);
        save(table, queued, SAVED);
        expect(table, queued, back ? "free" : null, "deleted up to the save, save replayed");

        String removed = between + "3";
        save(table, removed, SAVED);
        claim(table, removed, "owner");
        table.delete(new Delete(bytes(removed)));
        let(name, between);
        save(table, removed, SAVED);
        expect(table, removed, back ? "free" : null, "removed, saved again as before");

        String restored = between + "4";
        save(table, restored, SAVED);
        table.delete(new Delete(bytes(restored)));
        let(name, between);
        Thread.sleep(2);
        long now = System.currentTimeMillis();
        save(table, restored, now);
        expect(table, restored, "free", "removed, saved with the time of now");
        Thread.sleep(2);
        claim(table, restored, "owner");
        save(table, restored, now);
        expect(table, restored, "owner", "... and that replayed under a claim");
        System.out.printf("NEW_VERSION_BEHAVIOR %s, between: %s: a removed crash saved again is %s%n", newBehaviour,
            between, back ? "there" : "not there");
    }

    static void save(Table table, String row, long timestamp) throws IOException {
        table.put(new Put(bytes(row), timestamp)
            .addColumn(bytes("flags"), bytes("claim"), bytes("free"))
            .addColumn(bytes("ids"), bytes("ooid"), bytes(row))
            .addColumn(bytes("raw_data"), bytes("dump"), new byte[5000]));
    }

    static void claim(Table table, String row, String owner) throws IOException {
        Put put = new Put(bytes(row)).addColumn(bytes("flags"), bytes("claim"), bytes(owner));
        check(table.checkAndMutate(CheckAndMutate.newBuilder(bytes(row))
            .ifEquals(bytes("flags"), bytes("claim"), bytes("free")).build(put)).isSuccess(), "not claimed: " + row);
    }

    static void let(TableName table, Between what) throws Exception {
        if (what != Between.NOTHING) {
            admin.flush(table);
        }
        if (what == Between.MAJOR_COMPACTION) {
            admin.majorCompact(table);
            do {
                Thread.sleep(300);
            } while (admin.getCompactionState(table) != CompactionState.NONE);
        }
    }

    /** A whole row with that claim, or none at all: now, after a flush, and after a major compaction. */
    static void expect(Table table, String row, String claim, String what) throws Exception {
        for (Between moment : Between.values()) {
            let(table.getName(), moment);
            Result result = table.get(new Get(bytes(row)));
            String found = null;
            for (Cell cell : result.listCells() == null ? List.<Cell>of() : result.listCells()) {
                if (CellUtil.matchingQualifier(cell, bytes("claim"))) {
                    found = Bytes.toString(CellUtil.cloneValue(cell));
                }
            }
            check(result.size() == (claim == null ? 0 : 3) && (claim == null ? found == null : claim.equals(found)),
                table.getName() + ": " + what + ", then " + moment + ": " + result);
        }
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            System.err.println(otherwise);
            System.exit(1);
        }
    }
}
