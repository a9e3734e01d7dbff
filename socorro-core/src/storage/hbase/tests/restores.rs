//! Crashes that were removed: not stored again unnoticed, and brought back on purpose.

use super::*;

/// The storage as the commands that restore have it.
fn restoring(store: &HBaseCrashStorage) -> HBaseCrashStorage {
    HBaseCrashStorage {
        restores: true,
        ..beside(store)
    }
}

fn by_time((id, raw, _): &(CrashId, RawCrash, Dumps)) -> Vec<u8> {
    let submitted = raw.get_str(field::SUBMITTED_TIMESTAMP).unwrap();
    row_key::by_time(id.as_str(), submitted)
}

#[tokio::test]
async fn a_crash_of_today_removed_by_another_process_is_not_taken_for_saved_again() {
    let Some(store) = own().await else { return };
    let saver = beside(&store);
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    // The saver has looked, and found that nothing was removed so far.
    saver.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.remove(&id).await.unwrap();
    let error = saver.save_raw_crash(&id, &raw, &dumps).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Crash, "{error}");
    assert!(error.to_string().contains("socorro copy"), "{error}");
    assert!(saver.get_raw_crash(&id).await.unwrap_err().is_not_found());
    // Others of that day are.
    let (id, raw, dumps) = crash(ThrottleResult::Accept);
    saver.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_removed_crash_can_be_restored_again_and_again() {
    let Some(store) = own().await else { return };
    let sample = crash(ThrottleResult::Accept);
    let (id, raw, dumps) = &sample;
    store.save_raw_crash(id, raw, dumps).await.unwrap();
    for signature in ["first", "second"] {
        let mut mine = claim(&store).await.expect("it waits");
        assert_eq!(mine.attempt(), 1);
        mine.finish(&processed(signature)).await.unwrap();
        store.remove(id).await.unwrap();
        restoring(&store)
            .save_raw_crash(id, raw, dumps)
            .await
            .unwrap();
        assert_eq!(store.get_raw_crash(id).await.unwrap(), *raw);
        assert_eq!(store.get_dumps(id).await.unwrap(), *dumps);
        assert!(store.get_processed(id).await.unwrap_err().is_not_found());
        for table in [&schema::SUBMITTED, &schema::ACCEPTED, &schema::UNPROCESSED] {
            assert!(
                has_row(&store, table, by_time(&sample)).await,
                "{}",
                table.name
            );
        }
    }
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_restore_repeated_undoes_nothing_that_happened_since() {
    let Some(store) = own().await else { return };
    let sample = crash(ThrottleResult::Accept);
    let (id, raw, dumps) = &sample;
    store.save_raw_crash(id, raw, dumps).await.unwrap();
    store.remove(id).await.unwrap();
    let restore = async || {
        let one_more = restoring(&store);
        one_more.save_raw_crash(id, raw, dumps).await.unwrap();
    };
    restore().await;
    let mut mine = claim(&store).await.expect("it waits");
    restore().await;
    assert!(mine.renew().await.unwrap(), "the claim holds");
    mine.finish(&processed("f")).await.unwrap();
    restore().await;
    // The mover, too, may come late.
    store.save_raw_crash(id, raw, dumps).await.unwrap();
    assert_eq!(store.get_processed(id).await.unwrap(), processed("f"));
    assert!(!has_row(&store, &schema::WAITING, by_time(&sample)).await);
    assert!(claim(&store).await.is_none());
    store.drop_tables().await.unwrap();
}

#[tokio::test]
async fn a_restore_that_was_cut_short_is_ended_by_the_next() {
    let Some(store) = own().await else { return };
    for crash_row_written in [false, true] {
        let sample = crash(ThrottleResult::Accept);
        let (id, raw, dumps) = &sample;
        store.save_raw_crash(id, raw, dumps).await.unwrap();
        store.remove(id).await.unwrap();
        let began = store.begin_restore(id).await.unwrap();
        if crash_row_written {
            let (row, _) = rows::raw_crash(id, raw, dumps, began).unwrap();
            let write = move |c: &mut Connection| c.put(row.clone());
            store.pool.run(write).await.map_err(show).unwrap();
        }
        let one_more = restoring(&store);
        one_more.save_raw_crash(id, raw, dumps).await.unwrap();
        assert_eq!(store.get_dumps(id).await.unwrap(), *dumps);
        let row = cells(&store, &schema::CRASHES, row_key::crash(id))
            .await
            .unwrap();
        assert!(
            row.cells.values().all(|cell| cell.timestamp == began),
            "the time when it began"
        );
        for table in [&schema::SUBMITTED, &schema::ACCEPTED, &schema::WAITING] {
            assert!(
                has_row(&store, table, by_time(&sample)).await,
                "{}",
                table.name
            );
        }
    }
    store.drop_tables().await.unwrap();
}
