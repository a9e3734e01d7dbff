//! The queue: claims and requests.

use super::*;

async fn claim(store: &FileSystemCrashStorage) -> Option<Box<dyn Claim>> {
    store.claim().await.unwrap()
}

#[tokio::test]
async fn an_accepted_crash_is_queued_until_its_processed_crash_is_stored() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    let mut mine = claim(&store).await.expect("a crash waits");
    assert_eq!((mine.id(), mine.attempt()), (id, 1));
    assert!(claim(&store).await.is_none(), "one owner at a time");
    let mut processed = ProcessedCrash::default();
    processed.set("signature", "arena::draw");
    assert_eq!(mine.finish(&processed).await.unwrap(), Finish::Stored);
    drop(mine);

    assert_eq!(store.get_processed(&id).await.unwrap(), processed);
    assert!(claim(&store).await.is_none());
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert!(
        claim(&store).await.is_none(),
        "a repeated save does not queue it again"
    );
}

#[tokio::test]
async fn the_crash_of_a_dead_processor_is_taken_over_and_the_attempts_are_counted() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();

    drop(claim(&store).await.unwrap());
    let mut second = claim(&store).await.unwrap();
    assert_eq!(second.attempt(), 2);
    second.release().await.unwrap();
    drop(second);
    assert_eq!(
        claim(&store).await.unwrap().attempt(),
        2,
        "a release does not count"
    );
}

#[tokio::test]
async fn deferred_crashes_wait_until_somebody_asks() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash_at("2026-11-03T13:05:59Z", ThrottleResult::Defer);
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert!(claim(&store).await.is_none());

    store.request(&id).await.unwrap();
    store.request(&id).await.unwrap();
    let mut mine = claim(&store).await.unwrap();
    assert_eq!(mine.id(), id);
    mine.finish(&ProcessedCrash::default()).await.unwrap();
    drop(mine);
    assert!(claim(&store).await.is_none(), "asking twice is asking once");
}

#[tokio::test]
async fn crashes_that_wait_and_those_to_be_processed_again_take_turns() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let mut again = Vec::new();
    for _ in 0..10 {
        let (id, raw, dumps) = crash_at("2026-11-03T13:05:59Z", ThrottleResult::Defer);
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        store.reprocess(&id).await.unwrap();
        again.push(id);
        let (id, raw, dumps) = crash();
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    }
    let mut claims = Vec::new();
    for _ in 0..10 {
        claims.push(claim(&store).await.unwrap());
    }
    let met = claims.iter().filter(|c| again.contains(&c.id())).count();
    assert_eq!(met, 5);
    assert!(store.claim_requested().await.unwrap().is_none());
    let asked = *again
        .iter()
        .find(|id| claims.iter().all(|c| c.id() != **id))
        .unwrap();
    store.request(&asked).await.unwrap();
    let mine = store.claim_requested().await.unwrap().unwrap();
    assert_eq!(mine.id(), asked);
    claims.push(mine);
    while let Some(claim) = claim(&store).await {
        claims.push(claim);
    }
    assert_eq!(claims.len(), 20);
    let mut ends = Vec::new();
    for mut claim in claims {
        ends.push(claim.finish(&ProcessedCrash::default()).await.unwrap());
    }
    // What was asked for in two lanes is in the other one still.
    assert_eq!(claim(&store).await.unwrap().id(), asked);
}

#[tokio::test]
async fn a_request_made_while_a_crash_is_worked_on_survives() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.request(&id).await.unwrap();
    let mut mine = claim(&store).await.unwrap();
    store.request(&id).await.unwrap();
    mine.finish(&ProcessedCrash::default()).await.unwrap();
    drop(mine);
    assert_eq!(claim(&store).await.unwrap().id(), id);
}

#[tokio::test]
async fn a_request_for_a_crash_that_has_not_arrived_is_remembered() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let now = Timestamp::now().to_string();
    let (id, raw, dumps) = crash_at(&now, ThrottleResult::Defer);
    store.request(&id).await.unwrap();
    let (old, ..) = crash_at("2020-11-03T13:05:59Z", ThrottleResult::Defer);
    store.request(&old).await.unwrap();
    assert!(claim(&store).await.is_none());
    let requests = root.path().join("std/.queue/priority");
    assert!(requests.join(id.as_str()).exists());
    assert!(
        !requests.join(old.as_str()).exists(),
        "it will not arrive any more"
    );
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    assert_eq!(claim(&store).await.unwrap().id(), id);
}

#[tokio::test]
async fn two_processors_on_one_queue_claim_each_crash_once() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    for _ in 0..40 {
        let (id, raw, dumps) = crash();
        store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    }
    let work = |store: FileSystemCrashStorage| async move {
        let mut done = Vec::new();
        while let Some(mut mine) = claim(&store).await {
            mine.finish(&ProcessedCrash::default()).await.unwrap();
            done.push(mine.id());
        }
        done
    };
    let (one, two) = tokio::join!(
        tokio::spawn(work(primary(root.path()))),
        tokio::spawn(work(primary(root.path())))
    );
    let all = [one.unwrap(), two.unwrap()].concat();
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
}

#[test]
fn a_request_is_in_its_place_at_every_moment_while_an_older_one_is_forgotten() {
    let root = TempDir::new().unwrap();
    let requests = requests::Requests::below(root.path(), requests::SOON);
    let (id, ..) = crash();
    requests.make(&id).unwrap();
    let old = requests.get(&id).unwrap();
    requests.make(&id).unwrap();
    let path = root.path().join(".queue/priority").join(id.as_str());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = 0u64;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || looks < 1000 {
                // A processor killed at this moment leaves the queue as it is seen here.
                assert!(path.exists(), "after {looks} looks");
                looks += 1;
            }
        });
        for _ in 0..2000 {
            requests.forget(&id, &old).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        looks.join().unwrap();
    });
    let new = requests.get(&id).unwrap();
    requests.forget(&id, &new).unwrap();
    assert!(requests.get(&id).is_none());
}

#[test]
fn a_request_is_told_from_a_later_one_whose_file_takes_the_same_inode() {
    let root = TempDir::new().unwrap();
    let requests = requests::Requests::below(root.path(), requests::SOON);
    let (id, ..) = crash();
    requests.make(&id).unwrap();
    let first = requests.get(&id).unwrap();
    // Freed inodes are given out again soon.
    for _ in 0..20 {
        requests.make(&id).unwrap();
        requests.forget(&id, &first).unwrap();
        assert!(requests.get(&id).is_some());
    }
}

#[tokio::test]
async fn a_processor_killed_before_it_forgot_the_request_is_asked_again() {
    let root = TempDir::new().unwrap();
    let store = primary(root.path());
    let (id, raw, dumps) = crash();
    store.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    store.request(&id).await.unwrap();
    let mine = claim(&store).await.unwrap();
    // The steps of finishing, but for the last.
    let processed = ProcessedCrash::default();
    store.save_processed(&id, &processed).await.unwrap();
    drop(mine);
    let mut again = primary(root.path()).claim().await.unwrap().unwrap();
    assert_eq!((again.id(), again.attempt()), (id, 2));
    again.finish(&processed).await.unwrap();
    drop(again);
    assert!(claim(&store).await.is_none());
    let left = fs::read_dir(root.path().join("std/.queue/claims")).unwrap();
    assert_eq!(left.count(), 0);
}
