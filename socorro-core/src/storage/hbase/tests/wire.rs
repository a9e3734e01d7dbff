//! Connections: what is done when they stall, break, or rest for long.

use std::sync::Arc;

use super::*;
use crate::retry::BackoffKind;
use crate::testing::{Fault, Wire};

#[tokio::test]
async fn the_late_answer_of_a_call_that_timed_out_is_not_taken_for_the_next_ones() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = shared().await else { return };
    let prefix = direct
        .pool
        .run(|c| Ok::<_, CallError>(c.prefix().to_owned()))
        .await
        .unwrap();
    let wire = Wire::to(&address);
    let mut options = options(&wire.address, &prefix);
    options.connections = 1;
    options.socket_timeout = Period::from(Duration::from_millis(300));
    let store = HBaseCrashStorage::new(&options, "web1");
    let (one, raw_one, dumps) = crash(ThrottleResult::Accept);
    let (two, mut raw_two, _) = crash(ThrottleResult::Accept);
    raw_two.set("ProductName", "Lobby");
    direct.save_raw_crash(&one, &raw_one, &dumps).await.unwrap();
    direct.save_raw_crash(&two, &raw_two, &dumps).await.unwrap();

    assert_eq!(store.get_raw_crash(&one).await.unwrap(), raw_one);
    wire.set(Fault::Stall);
    assert_eq!(
        store.get_raw_crash(&one).await.unwrap_err().blame(),
        Blame::Moment
    );
    wire.set(Fault::None);
    assert_eq!(store.get_raw_crash(&two).await.unwrap(), raw_two);
}

#[tokio::test]
async fn a_kept_connection_that_the_other_side_has_closed_is_replaced_unnoticed() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = shared().await else { return };
    let prefix = direct
        .pool
        .run(|c| Ok::<_, CallError>(c.prefix().to_owned()))
        .await
        .unwrap();
    let wire = Wire::to(&address);
    let store = HBaseCrashStorage::new(&options(&wire.address, &prefix), "web1");
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    wire.set(Fault::Cut);
    tokio::time::sleep(Duration::from_millis(100)).await;
    wire.set(Fault::None);
    assert_eq!(store.get_raw_crash(&id).await.unwrap(), raw);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call_unless_it_was_idle_for_long() {
    let Some(address) = testing::hbase() else {
        return;
    };
    for (idle_limit, connections) in [(Duration::from_secs(45), 1), (Duration::from_millis(1), 3)] {
        let wire = Wire::to(&address);
        let mut options = options(&wire.address, "nowhere_");
        options.idle_limit = Period::from(idle_limit);
        let store = HBaseCrashStorage::new(&options, "web1");
        for _ in 0..3 {
            store.check_tables().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(wire.connections(), connections);
    }
}

/// Cuts what is connected and whatever connects in that time.
fn cut_for(wire: &Arc<Wire>, time: Duration) {
    wire.set(Fault::Cut);
    let wire = Arc::clone(wire);
    std::thread::spawn(move || {
        std::thread::sleep(time);
        wire.set(Fault::None);
    });
}

#[tokio::test]
async fn a_read_that_fails_is_tried_again_on_a_new_connection() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = shared().await else { return };
    let wire = Arc::new(Wire::to(&address));
    let store = HBaseCrashStorage::new(&options(&wire.address, &direct.table_prefix), "web1");
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    cut_for(&wire, Duration::from_millis(500));
    assert_eq!(store.get_raw_crash(&id).await.unwrap(), raw);
    assert!(wire.connections() > 2);
}

#[tokio::test]
async fn a_long_scan_outlasts_an_outage_and_meets_each_row_once() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = own().await else { return };
    let mut ids: Vec<_> = (0..100).map(|_| crash(ThrottleResult::Defer)).collect();
    for (id, raw, _) in &ids {
        direct.save_raw_crash(id, raw, &Dumps::new()).await.unwrap();
    }
    let wire = Arc::new(Wire::to(&address));
    let options = options(&wire.address, &direct.table_prefix);
    let transactions = TransactionOptions {
        backoff: BackoffKind::Endless,
        delays: vec![Period::from(Duration::from_millis(200))],
        jitter: 0.0,
    };
    let store = HBaseCrashStorage::new(&options, "web1").patient(&transactions);
    let day = ids[0].0.date();
    let mut walk = store
        .crashes(day.yesterday().unwrap()..=day.tomorrow().unwrap())
        .unwrap();
    let (walk, first) = blocking(move || {
        let first = walk.next();
        (walk, first)
    })
    .await;
    let mut met = vec![first.unwrap().unwrap()];
    // Longer than a single read tries.
    cut_for(&wire, Duration::from_secs(4));
    met.extend(blocking(move || walk.map(std::result::Result::unwrap).collect::<Vec<_>>()).await);
    met.sort_unstable();
    ids.sort_unstable_by_key(|(id, ..)| *id);
    let ids: Vec<_> = ids.into_iter().map(|(id, ..)| id).collect();
    assert_eq!(met, ids);
    direct.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_claim_that_could_not_be_released_in_an_outage_can_be_afterwards_and_counts_no_attempt() {
    let Some(address) = testing::hbase() else {
        return;
    };
    let Some(direct) = own().await else { return };
    let wire = Wire::to(&address);
    let store = HBaseCrashStorage::new(&options(&wire.address, &direct.table_prefix), "web1");
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    direct.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let mut mine = claim(&store).await.expect("it waits");
    wire.set(Fault::Cut);
    let error = mine.release().await.unwrap_err();
    assert_eq!(error.blame(), Blame::Moment, "{error}");
    wire.set(Fault::None);
    mine.release().await.unwrap();
    let next = claim(&direct).await.expect("it was put back");
    assert_eq!((next.id(), next.attempt()), (id, 1));
    direct.drop_tables().await.unwrap();
}
