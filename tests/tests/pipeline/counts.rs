//! Counts in HBase are exact, whatever was killed when.

use std::time::Duration;

use socorro_tests::site::Site;
use socorro_tests::{PATIENCE, wait_for};

use crate::fill_spool;

const CRASHES: usize = 150;

#[test]
fn counts_are_exact_after_movers_and_processors_were_killed_at_work() {
    let Some(site) = Site::on_hbase() else { return };
    let ids = fill_spool(&site, CRASHES, 20_000);
    for _ in 0..4 {
        let before = site.spooled().len();
        let mut mover = site.start("crashmover", &["--set", "crashmover.workers=8"]);
        wait_for("some crashes to be moved", || {
            (mover.has_ended() || site.spooled().len() < before).then_some(())
        });
        mover.kill();
    }
    site.run_mover();
    let mut done = 0;
    for _ in 0..3 {
        let processor = site.start("processor", &["run"]);
        wait_for("some crashes to be processed", || {
            (processor.log().matches(" processed ").count() > 5).then_some(())
        });
        done += processor.log().matches(" processed ").count();
        processor.kill();
    }
    assert!(done > 0);
    let processor = site.start("processor", &["run"]);
    for id in &ids {
        site.processed(id);
    }

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hbase = site.primary().hbase.unwrap();
    let day = ids[0].date();
    let expected = CRASHES as i64;
    runtime.block_on(async {
        let started = std::time::Instant::now();
        loop {
            let submitted = hbase
                .metrics(&day.strftime("%Y").to_string())
                .await
                .unwrap();
            let signatures = hbase.signature_counts(day).await.unwrap();
            let queues = hbase.metrics("crash_report_queue").await.unwrap();
            let of = |name: &str| submitted.get(name).copied();
            let found = (
                of("submitted_crash_reports"),
                of("submitted_crash_reports_legacy_throttle_0"),
                signatures.values().sum::<i64>(),
                queues.get("current_legacy_unprocessed_size").copied(),
                queues.get("current_unprocessed_size").copied(),
            );
            if found == (Some(expected), Some(expected), expected, Some(0), Some(0)) {
                break;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "counts never became right: {found:?}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    assert!(processor.stop().success());
}
