//! Claims: one owner at a time, and nothing lost whoever dies.

use super::*;

#[tokio::test]
async fn a_save_repeated_after_processing_undoes_nothing() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let mut mine = claim(&store).await.expect("a crash waits");
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert!(mine.renew().await.unwrap(), "the claim holds");
    assert_eq!(mine.finish(&processed("f")).await.unwrap(), Finish::Stored);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    let row = cells(&store, &schema::CRASHES, row_key::crash(&id))
        .await
        .unwrap();
    assert_eq!(row.text(column::IS_PROCESSED), Some("Y"));
    let by_time = row_key::by_time(
        id.as_str(),
        raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap(),
    );
    assert!(!has_row(&store, &schema::WAITING, by_time.clone()).await);
    assert!(!has_row(&store, &schema::UNPROCESSED, by_time).await);
    assert!(claim(&store).await.is_none());
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_crash_is_claimed_once_and_taken_over_when_its_owner_is_dead() {
    let Some(one) = own().await else { return };
    let two = beside(&one);
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    one.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    let mut dead = claim(&one).await.unwrap();
    assert_eq!((dead.id(), dead.attempt()), (id, 1));
    assert!(claim(&two).await.is_none(), "one owner at a time");
    let mut heir = loop {
        match claim(&two).await {
            Some(claim) => break claim,
            None => tokio::time::sleep(LEASE / 10).await,
        }
    };
    assert_eq!(heir.attempt(), 2);
    assert!(!dead.renew().await.unwrap(), "the old owner learns of it");
    assert_eq!(
        dead.finish(&processed("late")).await.unwrap(),
        Finish::TakenOver
    );
    assert_eq!(
        heir.finish(&processed("right")).await.unwrap(),
        Finish::Stored
    );
    assert_eq!(
        one.get_processed(&id).await.unwrap().signature(),
        Some("right")
    );
    assert!(claim(&one).await.is_none() && claim(&two).await.is_none());
    one.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_claim_that_is_renewed_is_not_taken_over() {
    let Some(one) = own().await else { return };
    let two = beside(&one);
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    one.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let mut mine = claim(&one).await.unwrap();
    let started = std::time::Instant::now();
    while started.elapsed() < LEASE * 4 {
        assert!(claim(&two).await.is_none());
        assert!(mine.renew().await.unwrap());
    }
    mine.release().await.unwrap();
    let again = claim(&two).await.expect("released for somebody else");
    assert_eq!(again.attempt(), 1, "a release does not count");
    one.drop_tables().await.unwrap();
}

#[tokio::test]
async fn requests_come_first_and_one_made_meanwhile_survives() {
    let Some(store) = own().await else { return };
    let (waiting, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&waiting, &raw, &dumps).await.unwrap();
    let (deferred, raw, dumps) = crash(ThrottleResult::Defer);
    store.request(&deferred).await.unwrap();
    let first = claim(&store).await.unwrap();
    assert_eq!(
        first.id(),
        waiting,
        "a request waits for its crash to arrive"
    );

    store.save_raw_crash(&deferred, &raw, &dumps).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut asked = claim(&store).await.expect("it has arrived");
    assert_eq!(asked.id(), deferred);
    store.request(&deferred).await.unwrap();
    asked.finish(&processed("f")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut again = claim(&store).await.expect("asked again meanwhile");
    assert_eq!(again.id(), deferred);
    again.finish(&processed("f")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(claim(&store).await.is_none());
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_result_that_comes_after_its_crash_was_removed_leaves_no_ghost() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.save_processed(&id, &processed("f")).await.unwrap();
    let key = row_key::crash(&id);
    let row = cells(&store, &schema::CRASHES, key.clone()).await.unwrap();
    store.remove(&id).await.unwrap();
    // As by a processor that was stopped after it had read the row, and goes on now.
    let late = move |c: &mut Connection| results::save_in(c, &id, &processed("g"), &row);
    let error = store.pool.run(late).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(!has_row(&store, &schema::CRASHES, key).await);
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn what_a_processor_killed_at_the_very_end_left_is_put_right_by_the_next() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.save_processed(&id, &processed("f")).await.unwrap();
    let index_row = row_key::by_signature(&id, b"f");
    let by_time = row_key::by_time(
        id.as_str(),
        raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap(),
    );
    assert!(
        has_row(&store, &schema::WAITING, by_time.clone()).await,
        "not dequeued yet"
    );
    // As if it had been killed before the index row.
    let row = index_row.clone();
    store
        .pool
        .run(move |c| c.delete(&schema::SIGNATURES, row.clone(), None))
        .await
        .map_err(show)
        .unwrap();
    assert!(claim(&store).await.is_none());
    assert!(has_row(&store, &schema::SIGNATURES, index_row).await);
    assert!(!has_row(&store, &schema::WAITING, by_time).await);
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn claiming_a_removed_crash_of_socorro_2x_leaves_no_ghost() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    // 2.x wrote no claim, so claiming expects an absent cell, which an absent row has, too.
    let crash_row = row_key::crash(&id);
    store.remove(&id).await.unwrap();
    let cell = ClaimCell::owned("somebody", 1);
    let claimed = store.pool.run({
        let row = crash_row.clone();
        move |c| {
            c.check_and_put(
                &schema::CRASHES,
                row.clone(),
                column::CLAIM,
                vec![],
                cell.to_cell(),
            )
        }
    });
    assert!(
        claimed.await.map_err(show).unwrap(),
        "HBase takes an absent row for an absent cell"
    );
    store
        .pool
        .run({
            let row = crash_row.clone();
            move |c| c.delete_cells(&schema::CRASHES, row.clone(), &[column::CLAIM])
        })
        .await
        .map_err(show)
        .unwrap();
    assert!(
        !owned::exchange(&store.pool, &id, vec![], &ClaimCell::owned("me", 1))
            .await
            .map_err(show)
            .unwrap()
    );
    assert!(!has_row(&store, &schema::CRASHES, crash_row).await);
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_claim_made_by_a_call_that_failed_is_ours_at_the_next_look_and_counts_once() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    // As after a call that the server carried out, and whose answer was lost.
    let lost = ClaimCell::owned("web1", 1).to_cell();
    let (row, cell) = (row_key::crash(&id), lost.clone());
    let make = move |c: &mut Connection| {
        let (table, free) = (&schema::CRASHES, b"free".to_vec());
        c.check_and_put(table, row.clone(), column::CLAIM, free, cell.clone())
    };
    assert!(store.pool.run(make).await.map_err(show).unwrap());
    assert!(
        claim(&beside(&store)).await.is_none(),
        "others leave it alone"
    );
    store.queue.note_unsure(id, lost).await;
    let mine = claim(&store).await.expect("it is ours");
    assert_eq!((mine.id(), mine.attempt()), (id, 1));
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_result_stored_by_a_call_that_failed_counts_as_stored() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let mut mine = claim(&store).await.unwrap();
    // As after a call that the server carried out, and whose answer was lost.
    store.save_processed(&id, &processed("f")).await.unwrap();
    assert_eq!(mine.finish(&processed("f")).await.unwrap(), Finish::Stored);
    let by_time = row_key::by_time(
        id.as_str(),
        raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap(),
    );
    for table in [&schema::WAITING, &schema::UNPROCESSED] {
        assert!(!has_row(&store, table, by_time.clone()).await);
    }
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn who_saw_a_crash_free_before_somebody_else_claimed_and_finished_it_can_not_claim_it() {
    let Some(store) = own().await else { return };
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    let seen = async || {
        let row = cells(&store, &schema::CRASHES, row_key::crash(&id)).await;
        row.unwrap().value(column::CLAIM).unwrap().to_vec()
    };
    let late = async |seen| {
        let claim = ClaimCell::owned("web2", 1);
        owned::exchange(&store.pool, &id, seen, &claim).await
    };
    let before = seen().await;
    let mut mine = claim(&store).await.unwrap();
    mine.release().await.unwrap();
    assert!(!late(before).await.map_err(show).unwrap(), "released since");
    let before = seen().await;
    let mut mine = claim(&store).await.unwrap();
    assert_eq!(mine.attempt(), 1);
    mine.finish(&processed("f")).await.unwrap();
    assert!(!late(before).await.map_err(show).unwrap(), "finished since");
    store.drop_tables().await.unwrap();
}
