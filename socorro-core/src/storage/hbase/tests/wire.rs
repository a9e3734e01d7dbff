//! Connections: what is done when they stall, break, or rest for long.

use super::*;
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
            store.missing_tables().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(wire.connections(), connections);
    }
}
