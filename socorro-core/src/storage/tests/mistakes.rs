//! What makes no sense in the configuration of storages is told with setting, file and mend.

use tempfile::TempDir;

use super::configured::read;

/// What is wrong; also that the message names the setting.
fn mistake(setting: &str, text: &str) -> String {
    let error = read(&TempDir::new().unwrap(), text).expect_err(text);
    assert!(error.contains(setting), "{error} names {setting}");
    error
}

/// A text in which some storages are there to be named.
fn with_some(text: &str) -> String {
    format!(
        r#"{text}
        [storages.raw]
        class = "FileSystemRawCrashStorage"
        root = "DIR/raw"
        [storages.null]
        class = "NullCrashStorage"
        [storages.poly]
        class = "PolyCrashStorage"
        storages = ["hbase", "null"]"#
    )
}

fn container(text: &str) -> String {
    with_some(&format!("[storages.x]\n{text}"))
}

fn deferring(members: &str) -> String {
    container(&format!("class = \"DeferringCrashStorage\"\n{members}"))
}

#[test]
fn names_that_stand_for_nothing_are_told_with_those_that_there_are() {
    let error = mistake(
        "storages.x.deferred",
        &deferring("standard = \"hbase\"\ndeferred = \"latr\""),
    );
    assert!(
        error.contains("no storage \"latr\"") && error.contains("hbase, null, poly, raw"),
        "{error}"
    );
    for setting in ["storage.use", "storage.destination", "spool.use"] {
        let (section, key) = setting.split_once('.').unwrap();
        mistake(setting, &format!("[{section}]\n{key} = \"nowhere\""));
    }
}

#[test]
fn sections_that_lack_a_setting_or_have_one_too_many_are_refused() {
    for (text, part) in [
        (
            "class = \"DeferringCrashStorage\"\nstandard = \"hbase\"",
            "deferred",
        ),
        (
            "class = \"FallbackCrashStorage\"\nprimary = \"raw\"",
            "fallback",
        ),
        ("class = \"FileSystemRawCrashStorage\"", "root"),
        ("class = \"NullCrashStorage\"\nrot = 1", "rot"),
        ("class = \"HBaseCrashStorage\"\nthrft = \"x:1\"", "thrft"),
        ("class = \"TapeCrashStorage\"", "TapeCrashStorage"),
        ("root = \"/x\"", "class"),
    ] {
        mistake(part, &container(text));
    }
    mistake(
        "storages.x.storages",
        &container("class = \"PolyCrashStorage\"\nstorages = []"),
    );
    for name in ["hbase", "Archive", "\"a.b\""] {
        let text = format!("[storages.{name}]\nclass = \"NullCrashStorage\"");
        mistake(&format!("storages.{}", name.trim_matches('"')), &text);
    }
}

#[test]
fn a_storage_is_no_part_of_itself() {
    let fallback = |name, of| {
        format!(
            "[storages.{name}]\nclass = \"FallbackCrashStorage\"\nprimary = \"{of}\"\nfallback = \"raw\"\n"
        )
    };
    let error = mistake("storages.x.primary", &with_some(&fallback("x", "x")));
    assert!(error.contains("x -> x"), "{error}");
    let two = with_some(&(fallback("x", "y") + &fallback("y", "x")));
    assert!(mistake("storages.y.primary", &two).contains("x -> y -> x"));
}

#[test]
fn a_primary_storage_without_a_queue_is_refused() {
    let of = |name: &str| with_some(&format!("[storage]\nuse = \"{name}\""));
    for name in ["raw", "null", "poly"] {
        let error = mistake("storage.use", &of(name));
        assert!(
            error.contains("no queue") && error.contains("storage.destination"),
            "{error}"
        );
    }
    let primary = |members: &str| format!("[storage]\nuse = \"x\"\n{}", deferring(members));
    let error = mistake(
        "storages.x.standard",
        &primary("standard = \"raw\"\ndeferred = \"null\""),
    );
    assert!(error.contains("no queue"), "{error}");
    let error = mistake(
        "storages.x.processed",
        &primary("standard = \"hbase\"\ndeferred = \"raw\"\nprocessed = \"null\""),
    );
    assert!(error.contains("forgets"), "{error}");
}

#[test]
fn members_that_can_not_do_their_part_are_refused() {
    for (members, setting, part) in [
        (
            "standard = \"filesystem\"\ndeferred = \"poly\"",
            "storages.x.deferred",
            "can't be read",
        ),
        (
            "standard = \"filesystem\"\ndeferred = \"raw\"\nprocessed = \"hbase\"",
            "storages.x.processed",
            "beside its raw crash",
        ),
        (
            "standard = \"hbase\"\ndeferred = \"hbase\"",
            "storages.x.deferred",
            "`standard` already",
        ),
        (
            "standard = \"hbase\"\ndeferred = \"raw\"\nprocessed = \"raw\"",
            "storages.x.processed",
            "`deferred` already",
        ),
    ] {
        let error = mistake(setting, &deferring(members));
        assert!(error.contains(part), "{error}");
    }
    let twice =
        container("class = \"PolyCrashStorage\"\nstorages = [\"raw\", \"hbase\", \"poly\"]");
    assert!(mistake("storages.x.storages", &twice).contains("\"hbase\""));
}

#[test]
fn a_storage_that_forgets_is_refused_where_crashes_would_be_lost() {
    let destination = |name: &str| format!("[storage]\ndestination = \"{name}\"\n");
    let error = mistake("storage.destination", &with_some(&destination("null")));
    assert!(error.contains("forgets"), "{error}");
    let fallback = "class = \"FallbackCrashStorage\"\nprimary = \"raw\"\nfallback = \"null\"";
    mistake("storages.x.fallback", &container(fallback));
    let standard = deferring("standard = \"null\"\ndeferred = \"raw\"");
    mistake(
        "storages.x.standard",
        &format!("{}{standard}", destination("x")),
    );
    // HBase keeps what goes into both.
    let dir = TempDir::new().unwrap();
    read(&dir, &with_some(&destination("poly"))).unwrap();
}

#[test]
fn a_spool_is_made_of_trees_with_date_branches() {
    for name in ["hbase", "null", "poly", "filesystem"] {
        let text = with_some(&format!("[spool]\nuse = \"{name}\""));
        let error = mistake("spool.use", &text);
        assert!(error.contains("can't be a spool"), "{error}");
    }
    let fallback = "class = \"FallbackCrashStorage\"\nprimary = \"raw\"\nfallback = \"hbase\"";
    let text = format!("[spool]\nuse = \"x\"\n{}", container(fallback));
    mistake("storages.x.fallback", &text);
    let text = "[spool]\nuse = \"x\"\n[storages.x]\nclass = \"FileSystemRawCrashStorage\"\n\
                root = \"/x\"\ndate_branch = false";
    mistake("storages.x.date_branch", text);
}

#[test]
fn one_place_holds_one_storage() {
    let tree = |name, root| {
        format!("[storages.{name}]\nclass = \"FileSystemRawCrashStorage\"\nroot = \"{root}\"\n")
    };
    for (one, two) in [
        ("DIR/a", "DIR/a"),
        ("DIR/a", "DIR/a/b"),
        ("DIR/b/../a/", "DIR/a"),
    ] {
        let error = mistake("storages.y.root", &(tree("x", one) + &tree("y", two)));
        assert!(error.contains("storages.x.root"), "{error}");
    }
    let error = mistake("storages.x.root", &tree("x", "/var/spool/socorro/primary"));
    assert!(error.contains("spool.primary"), "{error}");
    let hbase = "[storage]\nclass = \"HBaseCrashStorage\"\n\
                 [storages.x]\nclass = \"HBaseCrashStorage\"\nthrift = \"127.0.0.1:9090\"";
    mistake("storages.x.thrift", hbase);
    let spool = "[spool]\nuse = \"raw\"\n[storage]\ndestination = \"x\"\n";
    let text = container("class = \"PolyCrashStorage\"\nstorages = [\"raw\", \"filesystem\"]");
    let error = mistake("storage.destination", &format!("{spool}{text}"));
    assert!(error.contains("remove"), "{error}");
}
