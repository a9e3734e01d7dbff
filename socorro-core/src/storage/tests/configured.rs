//! Storages and containers as the configuration names them.

use std::io::Write;
use std::time::{Duration, Instant};

use super::*;
use crate::config::{NoSection, Settings, Sources, load};
use crate::storage::open::{PrimaryStorage, storage_named};

/// For what happens soon.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration with a directory of its own, written `DIR` in its text, and tables of its own in
/// HBase.
struct Site {
    dir: TempDir,
    settings: Settings,
}

/// The settings of a configuration file, or what is wrong with them.
pub(super) fn read(dir: &TempDir, text: &str) -> Result<Settings, String> {
    let mut file = tempfile::NamedTempFile::new_in(dir).unwrap();
    let text = text.replace("DIR", dir.path().to_str().unwrap());
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    };
    match load::<NoSection>(&sources) {
        Ok(loaded) => {
            // What is printed is a configuration again.
            let printed = loaded.print();
            let again: crate::config::Config<NoSection> = toml::from_str(&printed).unwrap();
            assert_eq!(again.shared, loaded.config.shared, "{printed}");
            Ok(loaded.config.shared)
        }
        Err(error) => {
            let error = error.to_string();
            let path = file.path().display().to_string();
            assert!(error.contains(&path), "{error} names the file");
            Err(error)
        }
    }
}

impl Site {
    fn on_files(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let settings = read(&dir, text).unwrap_or_else(|error| panic!("{error}"));
        Self { dir, settings }
    }

    /// Where the text has no `[hbase]`, which is set to the HBase of the tests.
    async fn on_hbase(text: &str) -> Option<Self> {
        let thrift = testing::hbase()?;
        let prefix = format!("n{:08x}_", fastrand::u32(..));
        let hbase = format!("[hbase]\nthrift = \"{thrift}\"\ntable_prefix = \"{prefix}\"\n");
        let site = Self::on_files(&format!("{text}\n{hbase}"));
        site.hbase().create_tables().await.unwrap();
        Some(site)
    }

    fn hbase(&self) -> HBaseCrashStorage {
        HBaseCrashStorage::new(&self.settings.hbase, "web1")
    }

    fn named(&self, name: &str) -> Arc<dyn CrashStorage> {
        storage_named(&self.settings, name)
    }

    fn primary(&self) -> PrimaryStorage {
        PrimaryStorage::new(&self.settings)
    }

    /// To a processor that has just begun, which reads all of the queue.
    async fn nothing_waits(&self) -> bool {
        let claim = self.primary().queue.claim().await.unwrap();
        claim.is_none()
    }

    async fn end(self) {
        self.hbase().drop_tables().await.unwrap();
    }
}

/// Accepted crashes in HBase, deferred ones in a tree.
const HBASE_AND_TREE: &str = r#"
    [storage]
    use = "by_throttling"
    [storages.by_throttling]
    class = "DeferringCrashStorage"
    standard = "hbase"
    deferred = "later"
    [storages.later]
    class = "FileSystemRawCrashStorage"
    root = "DIR/later"
"#;

async fn save(storage: &dyn CrashStorage, throttle: ThrottleResult) -> Sample {
    let sample = Sample::new(throttle);
    let Sample { id, raw, dumps } = &sample;
    storage.save_raw_crash(id, raw, dumps).await.unwrap();
    sample
}

async fn holds(storage: &dyn CrashStorage, id: &CrashId) -> bool {
    match storage.get_raw_crash(id).await {
        Ok(_) => true,
        Err(error) if error.is_not_found() => false,
        Err(error) => panic!("{error}"),
    }
}

fn result(signature: &str) -> ProcessedCrash {
    let mut processed = ProcessedCrash::default();
    processed.set("signature", signature);
    processed
}

/// Claims that crash, and nothing else, and finishes it.
async fn process(queue: &dyn CrashQueue, id: &CrashId, signature: &str) {
    let started = Instant::now();
    // Requests are looked for now and then.
    let mut claim = loop {
        match queue.claim().await.unwrap() {
            Some(claim) => break claim,
            None if started.elapsed() > PATIENCE => panic!("{id} never waited"),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert_eq!(claim.id(), *id);
    for _ in 0..2 {
        // The second time as after an error.
        let finish = claim.finish(&result(signature)).await.unwrap();
        assert_eq!(finish, Finish::Stored);
    }
}

#[tokio::test]
async fn each_storage_and_container_that_can_be_named_keeps_the_contract() {
    let site = Site::on_files(
        r#"
        [storages.raw]
        class = "FileSystemRawCrashStorage"
        root = "DIR/raw"
        [storages.archive]
        class = "FileSystemRawCrashStorage"
        root = "DIR/archive"
        date_branch = false
        [storages.throttled]
        class = "FileSystemThrottledCrashStorage"
        standard = "DIR/throttled/std"
        deferred = "DIR/throttled/def"
        [storages.complete]
        class = "FileSystemCrashStorage"
        standard = "DIR/complete/std"
        deferred = "DIR/complete/def"
        processed = "DIR/complete/pro"
        [storages.nothing]
        class = "NullCrashStorage"
        [storages.first_or_second]
        class = "FallbackCrashStorage"
        primary = "raw"
        fallback = "archive"
        [storages.accepted_only]
        class = "DeferringCrashStorage"
        standard = "complete"
        deferred = "nothing"
        [storages.three]
        class = "DeferringCrashStorage"
        standard = "complete"
        deferred = "raw"
        processed = "archive"
        [storages.nested]
        class = "FallbackCrashStorage"
        primary = "three"
        fallback = "throttled"
        [storages.all]
        class = "PolyCrashStorage"
        storages = ["nested", "nothing"]
        "#,
    );
    let no_walk = Keeps {
        walk: Walk::None,
        ..Keeps::ALL
    };
    let no_deferred = Keeps {
        deferred: false,
        ..Keeps::ALL
    };
    let all_wait = Keeps {
        walk: Walk::All,
        ..Keeps::ALL
    };
    for (name, keeps) in [
        ("raw", all_wait),
        ("archive", no_walk),
        ("throttled", Keeps::ALL),
        ("complete", Keeps::ALL),
        ("nothing", Keeps::NOTHING),
        ("accepted_only", no_deferred),
        ("three", Keeps::ALL),
        ("nested", Keeps::ALL),
        ("all", Keeps::NOTHING),
    ] {
        check_both(site.named(name), keeps).await;
    }
}

#[tokio::test]
async fn containers_over_hbase_keep_the_contract() {
    let text = format!(
        "{HBASE_AND_TREE}
        [storages.archive]
        class = \"FileSystemRawCrashStorage\"
        root = \"DIR/archive\"
        date_branch = false
        [storages.split]
        class = \"DeferringCrashStorage\"
        standard = \"hbase\"
        deferred = \"later\"
        processed = \"archive\"
        [storages.either]
        class = \"FallbackCrashStorage\"
        primary = \"by_throttling\"
        fallback = \"archive\"
        [storages.both]
        class = \"PolyCrashStorage\"
        storages = [\"by_throttling\", \"archive\"]"
    );
    let Some(site) = Site::on_hbase(&text).await else {
        return;
    };
    let no_walk = Keeps {
        walk: Walk::None,
        ..Keeps::ALL
    };
    for (name, keeps) in [
        ("by_throttling", no_walk),
        ("split", no_walk),
        ("either", no_walk),
        ("both", Keeps::NOTHING),
    ] {
        check_both(site.named(name), keeps).await;
    }
    site.end().await;
}

#[tokio::test]
async fn a_deferred_crash_that_is_asked_for_moves_to_the_standard_storage_and_is_processed() {
    let Some(site) = Site::on_hbase(HBASE_AND_TREE).await else {
        return;
    };
    let (PrimaryStorage { storage, queue, .. }, later) = (site.primary(), site.named("later"));
    let deferred = save(&*storage, ThrottleResult::Defer).await;
    let Sample { id, raw, dumps } = &deferred;
    assert!(holds(&*later, id).await && !holds(&site.hbase(), id).await);
    assert!(site.nothing_waits().await);

    queue.request(id).await.unwrap();
    queue.request(id).await.unwrap();
    assert!(!holds(&*later, id).await && holds(&site.hbase(), id).await);
    assert_eq!(storage.get_raw_crash(id).await.unwrap(), *raw);
    let stored = storage.get_dumps(id).await.unwrap();
    for (name, dump) in dumps {
        assert_eq!(stored[name].read().unwrap(), dump.read().unwrap());
    }
    process(&*queue, id, "f").await;
    assert!(site.nothing_waits().await, "asked twice is asked once");
    assert!(!queue.is_requested(id).await.unwrap());
    let processed = storage.get_processed(id).await.unwrap();
    assert_eq!(processed.signature(), Some("f"));
    // Again, now that it is in the standard storage.
    queue.request(id).await.unwrap();
    process(&*queue, id, "g").await;

    storage.remove(id).await.unwrap();
    assert!(!holds(&*storage, id).await);
    site.end().await;
}

#[tokio::test]
async fn a_request_that_comes_before_its_deferred_crash_is_remembered() {
    let Some(site) = Site::on_hbase(HBASE_AND_TREE).await else {
        return;
    };
    let PrimaryStorage { storage, queue, .. } = site.primary();
    let Sample { id, raw, dumps } = Sample::new(ThrottleResult::Defer);
    queue.request(&id).await.unwrap();
    assert!(site.nothing_waits().await);
    assert!(queue.is_requested(&id).await.unwrap());
    storage.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    process(&*queue, &id, "f").await;
    site.end().await;
}

#[tokio::test]
async fn a_move_that_was_cut_short_is_ended_by_asking_again() {
    let Some(site) = Site::on_hbase(HBASE_AND_TREE).await else {
        return;
    };
    let (PrimaryStorage { storage, queue, .. }, later) = (site.primary(), site.named("later"));
    let Sample { id, raw, dumps } = save(&*storage, ThrottleResult::Defer).await;
    // Killed after the first step.
    site.hbase()
        .save_raw_crash(&id, &raw, &dumps)
        .await
        .unwrap();
    assert!(holds(&*later, &id).await);
    queue.request(&id).await.unwrap();
    assert!(!holds(&*later, &id).await);
    process(&*queue, &id, "f").await;
    site.end().await;
}

#[tokio::test]
async fn processed_crashes_in_a_storage_of_their_own_are_there_before_the_crash_leaves_the_queue() {
    let text = HBASE_AND_TREE.replace(
        "deferred = \"later\"",
        "deferred = \"later\"\nprocessed = \"filesystem\"",
    ) + r#"
        [filesystem]
        standard = "DIR/std"
        deferred = "DIR/def"
        processed = "DIR/pro"
    "#;
    let Some(site) = Site::on_hbase(&text).await else {
        return;
    };
    let PrimaryStorage { storage, queue, .. } = site.primary();
    let accepted = save(&*storage, ThrottleResult::Accept).await;
    process(&*queue, &accepted.id, "f").await;
    assert!(site.nothing_waits().await);
    for storage in [&storage, &site.named("filesystem"), &site.named("hbase")] {
        let processed = storage.get_processed(&accepted.id).await.unwrap();
        assert_eq!(processed.signature(), Some("f"));
    }
    storage.remove(&accepted.id).await.unwrap();
    let gone = storage.get_processed(&accepted.id).await.unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
    site.end().await;
}

#[tokio::test]
async fn deferred_crashes_that_nobody_wants_are_forgotten_and_accepted_ones_processed() {
    let site = Site::on_files(
        r#"
        [storage]
        use = "accepted"
        [filesystem]
        standard = "DIR/std"
        deferred = "DIR/def"
        processed = "DIR/pro"
        [storages.accepted]
        class = "DeferringCrashStorage"
        standard = "filesystem"
        deferred = "nothing"
        [storages.nothing]
        class = "NullCrashStorage"
        "#,
    );
    let PrimaryStorage { storage, queue, .. } = site.primary();
    let forgotten = save(&*storage, ThrottleResult::Defer).await;
    let accepted = save(&*storage, ThrottleResult::Accept).await;
    assert!(!holds(&*storage, &forgotten.id).await);
    queue.request(&forgotten.id).await.unwrap();
    process(&*queue, &accepted.id, "f").await;
    assert!(site.nothing_waits().await);
    assert!(!site.dir.path().join("def").exists());
    // One that was asked for before it comes is wanted, and kept.
    let Sample { id, raw, dumps } = &forgotten;
    storage.save_raw_crash(id, raw, dumps).await.unwrap();
    process(&*queue, id, "g").await;
    assert!(holds(&*storage, id).await);
}
