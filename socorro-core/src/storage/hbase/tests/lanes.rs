//! Lanes: none waits for another to be empty.

use super::*;

/// Tables of its own, and claims that outlast the test.
async fn with_long_lease() -> Option<HBaseCrashStorage> {
    let tables = own().await?;
    let options = HBaseOptions {
        claim_lease: Period::from_secs(600),
        ..options(&testing::hbase()?, &tables.table_prefix)
    };
    Some(HBaseCrashStorage::new(&options, "web1"))
}

#[tokio::test]
async fn all_lanes_are_served_and_a_request_is_when_many_crashes_wait() {
    let Some(store) = with_long_lease().await else {
        return;
    };
    let mut ids = Vec::new();
    for _ in 0..40 {
        let (id, raw, dumps) = crash(ThrottleResult::Defer);
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        store.save_processed(&id, &processed("f")).await.unwrap();
        store.reprocess(&id).await.unwrap();
        let (waiting, raw, dumps) = crash(ThrottleResult::Accept);
        store.save_raw_crash(&waiting, &raw, &dumps).await.unwrap();
        ids.push((id, waiting));
    }
    let (again, new): (Vec<_>, Vec<_>) = ids.into_iter().unzip();
    let mut claims = Vec::new();
    for _ in 0..20 {
        claims.push(claim(&store).await.unwrap());
    }
    let of = |ids: &[CrashId], claims: &[Box<dyn Claim>]| {
        claims.iter().filter(|c| ids.contains(&c.id())).count()
    };
    assert_eq!((of(&again, &claims), of(&new, &claims)), (10, 10));

    let asked = *new
        .iter()
        .find(|id| claims.iter().all(|c| c.id() != **id))
        .unwrap();
    store.request(&asked).await.unwrap();
    let mine = store
        .claim_requested()
        .await
        .unwrap()
        .expect("it was asked for");
    assert_eq!(mine.id(), asked);
    assert!(
        store.claim_requested().await.unwrap().is_none(),
        "one owner at a time"
    );
    claims.push(mine);
    while let Some(claim) = claim(&store).await {
        claims.push(claim);
    }
    assert_eq!((of(&again, &claims), of(&new, &claims)), (40, 40));
    for mut claim in claims {
        claim.finish(&processed("f")).await.unwrap();
    }
    assert!(claim(&store).await.is_none());
    for lane in Lane::ALL {
        let left = store.queued(lane).unwrap();
        assert_eq!(blocking(move || left.count()).await, 0, "{lane:?}");
    }
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_flood_of_requests_lets_others_pass() {
    let Some(store) = with_long_lease().await else {
        return;
    };
    for throttle in [ThrottleResult::Accept, ThrottleResult::Defer] {
        for _ in 0..20 {
            let (id, raw, dumps) = crash(throttle);
            store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
            if throttle == ThrottleResult::Defer {
                store.request(&id).await.unwrap();
            }
        }
    }
    let mut passed = 0;
    for _ in 0..16 {
        let claim = claim(&store).await.unwrap();
        let raw = store.get_raw_crash(&claim.id()).await.unwrap();
        passed += usize::from(raw.throttle_result() == ThrottleResult::Accept);
    }
    assert_eq!(passed, 4);
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn what_another_processor_has_done_since_the_row_was_read_is_not_done_again() {
    let Some(one) = with_long_lease().await else {
        return;
    };
    let two = beside(&one);
    for _ in 0..10 {
        let (id, raw, dumps) = crash(ThrottleResult::Defer);
        one.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        one.save_processed(&id, &processed("f")).await.unwrap();
        one.reprocess(&id).await.unwrap();
    }
    // It reads more rows than it claims.
    let mut first = claim(&two).await.unwrap();
    first.finish(&processed("g")).await.unwrap();
    for _ in 0..9 {
        let mut other = claim(&one).await.unwrap();
        other.finish(&processed("g")).await.unwrap();
    }
    assert!(claim(&two).await.is_none());
    assert!(claim(&one).await.is_none());
    one.drop_tables().await.unwrap();
}
