/* This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/. */

import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HConstants;
import org.apache.hadoop.hbase.KeepDeletedCells;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptor;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.TableDescriptor;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.io.compress.Compression;
import org.apache.hadoop.hbase.io.encoding.DataBlockEncoding;
import org.apache.hadoop.hbase.regionserver.BloomType;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.log4j.BasicConfigurator;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;

/**
 * Makes Socorro's tables for production. The script `tables` beside it runs this file and has the help. Names, families
 * and versions are those of socorro-core/src/storage/hbase/schema.rs; `test-tables` compares the two.
 */
public class Tables {
    static {
        // What HBase's client tells of its attempts is no use here; the last error is printed.
        BasicConfigurator.configure();
        Logger.getRootLogger().setLevel(Level.OFF);
    }

    static final int DAY = 24 * 60 * 60;

    // --- what a family is for decides its settings

    enum Use {
        /** Tiny cells of a crash row: flags, ids, times. */
        FLAGS,
        /** JSON, some KB to some hundred. */
        TEXT,
        /** Dumps. */
        DUMPS,
        /** Keys that are scanned, and nothing else. */
        INDEX,
        /** Keys that are looked up. */
        LOOKUP,
        /** Rows that are deleted soon after they were written. */
        QUEUE,
        /** Counters. */
        COUNTERS,
    }

    ColumnFamilyDescriptor family(String name, int versions, Use use) {
        ColumnFamilyDescriptorBuilder family = ColumnFamilyDescriptorBuilder.newBuilder(Bytes.toBytes(name))
            .setMaxVersions(versions)
            .setMinVersions(0)
            .setKeepDeletedCells(KeepDeletedCells.FALSE)
            // A save that is replayed must not bring back what was deleted: README.md, "Deletes and replays".
            .setNewVersionBehavior(false)
            .setCompressionType(use == Use.QUEUE ? Compression.Algorithm.NONE : compression)
            // Neighbouring keys are alike, in an index nearly all of a cell is key.
            .setDataBlockEncoding(
                use == Use.QUEUE || use == Use.DUMPS ? DataBlockEncoding.NONE : DataBlockEncoding.FAST_DIFF)
            // Asked for by key: skip the files that don't have it. Scans can't use a filter.
            .setBloomFilterType(use == Use.INDEX || use == Use.QUEUE ? BloomType.NONE : BloomType.ROW)
            // A flag is read alone: unpack 16 KB for it and not 64.
            .setBlocksize(use == Use.FLAGS || use == Use.COUNTERS ? 16 << 10 : 64 << 10)
            // A dump is read once, and would push everything else out of the cache.
            .setBlockCacheEnabled(use != Use.DUMPS);
        if (use == Use.DUMPS) {
            family.setMobEnabled(true).setMobThreshold(mobThreshold);
        }
        if (ttlDays > 0 && use != Use.COUNTERS) {
            // Cells of a save are dated the midnight before the day of their crash: up to two days in the past.
            family.setTimeToLive((ttlDays + 2) * DAY);
        }
        return family.build();
    }

    // --- the tables

    /** Sixteen regions, for keys that begin with a hex digit, each as often as the others. */
    static final byte[][] BY_HEX_DIGIT =
        Arrays.stream("123456789abcdef".split("")).map(Bytes::toBytes).toArray(byte[][]::new);
    /** One region, which HBase splits where the rows are when there are many. */
    static final byte[][] NOT_SPLIT = null;

    final Map<TableDescriptor, byte[][]> tables = new LinkedHashMap<>();

    void add(String name, byte[][] splits, Map<String, String> settings, ColumnFamilyDescriptor... families) {
        TableDescriptorBuilder table = TableDescriptorBuilder.newBuilder(TableName.valueOf(prefix + name));
        table.setColumnFamilies(Arrays.asList(families));
        new TreeMap<>(settings).forEach(table::setValue);
        tables.put(table.build(), splits);
    }

    void addAll() {
        // A dump is one cell, and HBase refuses cells above 10 MB unless told.
        Map<String, String> bigCells = Map.of("hbase.server.keyvalue.maxsize", Long.toString(maxCell));
        // Deleted rows are scanned over until a flush drops them, and their delete markers until a compaction of all
        // files does: flush each minute or at 4 MB, and compact as soon as there are two files, which are small.
        Map<String, String> shortLived = Map.of(
            TableDescriptorBuilder.MEMSTORE_FLUSHSIZE, Integer.toString(4 << 20),
            "hbase.regionserver.optionalcacheflushinterval", "60000",
            "hbase.hstore.compaction.min", "2");

        add("crash_reports", BY_HEX_DIGIT, bigCells,
            family("flags", 1, Use.FLAGS),
            family("ids", 1, Use.FLAGS),
            family("meta_data", 3, Use.TEXT),
            family("processed_data", 3, Use.TEXT),
            family("raw_data", 3, Use.DUMPS),
            family("timestamps", 1, Use.FLAGS));
        for (String index : List.of("submitted_time", "legacy_submitted_time", "hang_id_submitted_time")) {
            add("crash_reports_index_" + index, BY_HEX_DIGIT, Map.of(), family("ids", 1, Use.INDEX));
        }
        for (String queue : List.of(
            "unprocessed_flag", "legacy_unprocessed_flag", "reprocess_flag", "priority_unprocessed_flag")) {
            // Requests are few, and each processor asks for all of them four times a second: one region, one call.
            add("crash_reports_index_" + queue, queue.startsWith("priority") ? NOT_SPLIT : BY_HEX_DIGIT, shortLived,
                family("ids", 1, Use.QUEUE),
                family("processor_state", 5, Use.QUEUE));
        }
        // Hang ids are random hex digits too.
        add("crash_reports_index_hang_id", BY_HEX_DIGIT, Map.of(), family("ids", 1, Use.LOOKUP));
        // Keys begin with names of functions: which are frequent differs from product to product, and any guess leaves
        // regions empty. One short row for each processed crash, 42 a second on Mozilla's busiest days: one region
        // takes that.
        add("crash_reports_index_signature_ooid", NOT_SPLIT, Map.of(), family("ids", 1, Use.INDEX));
        // Keys begin with the day, the same for all rows of a day: they would go to one region however many there are.
        add("crash_reports_index_day_signature", NOT_SPLIT, Map.of(), family("ids", 1, Use.INDEX));
        add("crash_report_signatures", NOT_SPLIT, Map.of(),
            family("counters", 1, Use.COUNTERS),
            family("json", 3, Use.COUNTERS));
        add("metrics", NOT_SPLIT, Map.of(), family("counters", 1, Use.COUNTERS));
    }

    // --- create

    /** Makes the tables that are missing, all at the same time. Returns the exit code. */
    int create(Admin admin) throws IOException, InterruptedException {
        Map<TableName, Future<Void>> making = new LinkedHashMap<>();
        boolean lacking = false;
        int failed = 0;
        long started = System.nanoTime();
        for (Map.Entry<TableDescriptor, byte[][]> entry : tables.entrySet()) {
            TableDescriptor table = entry.getKey();
            TableName name = table.getTableName();
            byte[][] splits = entry.getValue();
            if (admin.tableExists(name)) {
                lacking |= complete(admin, table);
                continue;
            }
            int regions = splits == null ? 1 : splits.length + 1;
            if (dryRun) {
                System.out.printf("would create %s%n", describe(table, regions));
            } else {
                try {
                    making.put(name, admin.createTableAsync(table, splits));
                } catch (IOException error) {
                    // Refused, for example for its compression: so would the others be.
                    failed++;
                    System.err.printf("tables: cannot create %s: %s%n", name, reason(error));
                    break;
                }
            }
        }
        int refused = failed;
        for (Map.Entry<TableName, Future<Void>> made : making.entrySet()) {
            try {
                made.getValue().get(5, TimeUnit.MINUTES);
                System.out.println("created " + made.getKey());
            } catch (ExecutionException | TimeoutException error) {
                failed++;
                System.err.printf("tables: cannot create %s: %s%n", made.getKey(), reason(error));
            }
        }
        if (!making.isEmpty()) {
            System.out.printf("%d tables in %.1f s%n", making.size() - (failed - refused), (System.nanoTime() - started) / 1e9);
        }
        return failed > 0 ? 1 : lacking ? 3 : 0;
    }

    /** An existing table: only families that it lacks are ever added. Says whether some are still missing. */
    boolean complete(Admin admin, TableDescriptor wanted) throws IOException {
        TableName name = wanted.getTableName();
        TableDescriptor there = admin.getDescriptor(name);
        System.out.println("exists  " + name + ", left alone");
        boolean lacking = false;
        for (ColumnFamilyDescriptor family : wanted.getColumnFamilies()) {
            if (there.hasColumnFamily(family.getName())) {
                continue;
            }
            if (!alter) {
                System.out.printf("        lacks the family %s: --alter adds it%n", family.getNameAsString());
                lacking = true;
            } else if (dryRun) {
                System.out.printf("        would add the %s%n", describe(family));
            } else {
                admin.addColumnFamily(name, family);
                System.out.printf("        added the family %s%n", family.getNameAsString());
            }
        }
        return lacking;
    }

    // --- show

    int show(Admin admin) throws IOException {
        int missing = 0;
        for (TableDescriptor wanted : tables.keySet()) {
            TableName name = wanted.getTableName();
            if (admin.tableExists(name)) {
                System.out.println(describe(admin.getDescriptor(name), admin.getRegions(name).size()));
            } else {
                System.out.println("missing " + name);
                missing++;
            }
        }
        return missing > 0 ? 3 : 0;
    }

    static String describe(TableDescriptor table, int regions) {
        StringBuilder text = new StringBuilder("table " + table.getTableName() + " regions=" + regions);
        new TreeMap<>(table.getValues()).forEach((key, value) -> {
            String name = key.toString();
            // HBase's own bookkeeping.
            if (!name.equals("IS_META") && !name.startsWith("hbase.store.file-tracker")) {
                text.append(' ').append(name).append('=').append(value);
            }
        });
        for (ColumnFamilyDescriptor family : table.getColumnFamilies()) {
            text.append("\n  ").append(describe(family));
        }
        return text.toString();
    }

    static String describe(ColumnFamilyDescriptor family) {
        String ttl = family.getTimeToLive() == HConstants.FOREVER ? "forever" : family.getTimeToLive() / DAY + "d";
        return String.format("family %s versions=%d compression=%s encoding=%s bloom=%s block=%d cache=%s mob=%s ttl=%s%s",
            family.getNameAsString(), family.getMaxVersions(), family.getCompressionType(),
            family.getDataBlockEncoding(), family.getBloomFilterType(), family.getBlocksize(),
            family.isBlockCacheEnabled() ? "yes" : "no",
            family.isMobEnabled() ? Long.toString(family.getMobThreshold()) : "no", ttl,
            family.isNewVersionBehavior() ? " NEW_VERSION_BEHAVIOR" : "");
    }

    // --- command line

    String command;
    String target;
    String prefix = "";
    Compression.Algorithm compression = Compression.Algorithm.GZ;
    long mobThreshold = 100 << 10;
    long maxCell = 65 << 20;
    int ttlDays = 0;
    boolean dryRun = false;
    boolean alter = false;

    static final class Usage extends Exception {
        Usage(String message) {
            super(message);
        }
    }

    void parse(String[] arguments) throws Usage {
        List<String> words = new ArrayList<>();
        for (int i = 0; i < arguments.length; i++) {
            String option = arguments[i];
            String value = null;
            if (option.startsWith("--") && option.contains("=")) {
                value = option.substring(option.indexOf('=') + 1);
                option = option.substring(0, option.indexOf('='));
            }
            switch (option) {
                case "--dry-run", "--alter" -> {
                    if (value != null) {
                        throw new Usage(option + " takes no value");
                    }
                    dryRun |= option.equals("--dry-run");
                    alter |= option.equals("--alter");
                }
                case "--prefix", "--compression", "--mob-threshold", "--max-cell", "--ttl-days" -> {
                    if (value == null) {
                        if (++i == arguments.length) {
                            throw new Usage(option + " wants a value");
                        }
                        value = arguments[i];
                    }
                    set(option, value);
                }
                default -> {
                    if (option.startsWith("-")) {
                        throw new Usage("unknown option '" + option + "'");
                    }
                    words.add(option);
                }
            }
        }
        if (words.size() != 2 || !List.of("create", "show").contains(words.get(0))) {
            throw new Usage("'create' or 'show', and where HBase is");
        }
        command = words.get(0);
        target = words.get(1);
    }

    void set(String option, String value) throws Usage {
        switch (option) {
            case "--prefix" -> prefix = value;
            case "--compression" -> {
                if (!List.of("NONE", "GZ", "SNAPPY", "LZ4", "ZSTD").contains(value.toUpperCase())) {
                    throw new Usage("--compression is NONE, GZ, SNAPPY, LZ4 or ZSTD, not '" + value + "'");
                }
                compression = Compression.Algorithm.valueOf(value.toUpperCase());
            }
            case "--mob-threshold" -> mobThreshold = number(option, value, 0, maxCell);
            case "--max-cell" -> maxCell = number(option, value, 1 << 20, Integer.MAX_VALUE);
            case "--ttl-days" -> ttlDays = (int) number(option, value, 1, 20_000);
        }
    }

    static long number(String option, String value, long least, long most) throws Usage {
        try {
            long number = Long.parseLong(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException error) {
            // Said below.
        }
        throw new Usage(option + " is a number from " + least + " to " + most + ", not '" + value + "'");
    }

    /** Where HBase is: a directory with its client configuration, or its ZooKeeper. */
    static Configuration configuration(String target) throws Usage {
        Configuration configuration = HBaseConfiguration.create();
        configuration.setInt("zookeeper.recovery.retry", 1);
        if (new File(target).isDirectory()) {
            File directory = new File(target, "conf/hbase-site.xml").exists() ? new File(target, "conf") : new File(target);
            if (!new File(directory, "hbase-site.xml").exists()) {
                throw new Usage("no hbase-site.xml in " + target);
            }
            for (String file : List.of("core-site.xml", "hbase-site.xml")) {
                if (new File(directory, file).exists()) {
                    configuration.addResource(new Path(new File(directory, file).getAbsolutePath()));
                }
            }
        } else if (target.contains("/")) {
            throw new Usage("no such directory: " + target);
        } else {
            int colon = target.lastIndexOf(':');
            // zk1,zk2:2181 has one port for all; zk1:2181,zk2:2182 goes to HBase as it is.
            if (colon >= 0 && target.indexOf(':') == colon && target.indexOf(',', colon) < 0) {
                try {
                    configuration.setInt(HConstants.ZOOKEEPER_CLIENT_PORT, Integer.parseInt(target.substring(colon + 1)));
                } catch (NumberFormatException error) {
                    throw new Usage("no port: '" + target.substring(colon + 1) + "'");
                }
                target = target.substring(0, colon);
            }
            configuration.set(HConstants.ZOOKEEPER_QUORUM, target);
        }
        // The default is to try for twenty minutes; this program may be repeated at will.
        configuration.setInt("hbase.client.retries.number", 1);
        UserGroupInformation.setConfiguration(configuration);
        return configuration;
    }

    /** The first line of the cause that says something: HBase's messages are stack traces. */
    static String reason(Throwable error) {
        while (error.getCause() != null && (error instanceof ExecutionException || error.getMessage() == null
            || error.getMessage().contains("Failed after attempts"))) {
            error = error.getCause();
        }
        String message = error.getMessage() == null ? "" : error.getMessage().lines().findFirst().orElse("");
        message = message.replaceFirst("^([\\w.$]+(Exception|Error): )+", "");
        return error.getClass().getSimpleName() + (message.isEmpty() ? "" : ": " + message);
    }

    public static void main(String[] arguments) throws Exception {
        Tables tables = new Tables();
        int code;
        try {
            tables.parse(arguments);
            tables.addAll();
            try (Connection connection = ConnectionFactory.createConnection(configuration(tables.target));
                Admin admin = connection.getAdmin()) {
                code = tables.command.equals("create") ? tables.create(admin) : tables.show(admin);
            }
        } catch (Usage error) {
            System.err.println("tables: " + error.getMessage() + ": see tables --help");
            code = 2;
        } catch (IOException | IllegalArgumentException error) {
            System.err.printf("tables: HBase at %s: %s%n", tables.target, reason(error));
            code = 1;
        }
        // Threads of the client may live on.
        System.exit(code);
    }
}
