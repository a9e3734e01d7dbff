//! Trees written by Socorro 2.x are walked and drained.

use super::*;
use crate::testing::socorro_2x::{Spooled, id, mixed_spool};

fn plain() -> Spooled<'static> {
    Spooled {
        id: id(2, "090928"),
        day: "20090928",
        slot: "00/00/web1_0",
        dumps: &[".dump"],
        name_link: true,
        date_link: true,
    }
}

/// Reads and removes each crash as it is met; returns the ids in order.
async fn drain(tree: &Tree) -> Vec<CrashId> {
    let mut drained = Vec::new();
    for id in tree.new_crashes().unwrap() {
        let id = id.unwrap();
        tree.get_raw_crash(&id).await.unwrap();
        for (name, dump) in tree.get_dumps(&id).await.unwrap() {
            let end = match name.is_main() {
                true => ".dump".to_owned(),
                false => format!(".{name}.dump"),
            };
            assert_eq!(dump.read().unwrap(), format!("MDMP {end}"));
        }
        tree.remove(&id).await.unwrap();
        drained.push(id);
    }
    drained
}

#[tokio::test]
async fn a_spool_of_socorro_2x_drains_wholly() {
    let root = TempDir::new().unwrap();
    let waiting: BTreeSet<_> = mixed_spool(root.path()).into_iter().collect();
    let tree = dated(root.path());
    let drained = drain(&tree).await;
    assert_eq!(drained.len(), waiting.len(), "each once");
    assert_eq!(drained.into_iter().collect::<BTreeSet<_>>(), waiting);
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
    assert_eq!(tree.left_alone(), LeftAlone::default());
    let left = fs::read_dir(root.path()).unwrap().flatten();
    assert_eq!(left.count(), 0, "the days are gone with their crashes");
}

#[tokio::test]
async fn thousands_in_one_slot_are_each_met_once_while_they_are_removed() {
    let root = TempDir::new().unwrap();
    let mut waiting = BTreeSet::new();
    for place in 0..3000 {
        // Every third was left without its name link.
        let crash = Spooled {
            name_link: place % 3 > 0,
            ..plain()
        };
        crash.write(root.path());
        waiting.insert(crash.id);
    }
    let drained = drain(&dated(root.path())).await;
    assert_eq!(drained.len(), 3000);
    assert_eq!(drained.into_iter().collect::<BTreeSet<_>>(), waiting);
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_crash_that_socorro_2x_may_be_writing_waits_for_its_name_link_or_an_hour() {
    let root = TempDir::new().unwrap();
    let crash = Spooled {
        name_link: false,
        ..plain()
    };
    crash.write(root.path());
    let json = crash
        .directory(root.path())
        .join(format!("{}.json", crash.id));
    let content = fs::read(&json).unwrap();
    fs::write(&json, content).unwrap();
    let tree = dated(root.path());
    assert!(ids(&tree).is_empty());
    assert_eq!(tree.left_alone().unfinished, 1);
    crate::testing::socorro_2x::age(&json);
    assert_eq!(ids(&tree), [crash.id]);
}

#[tokio::test]
async fn a_second_date_link_of_a_crash_does_not_outlive_it() {
    let root = TempDir::new().unwrap();
    let crash = plain();
    crash.write(root.path());
    let other = root.path().join("20090928/date/00/00/a-web_0");
    fs::create_dir_all(&other).unwrap();
    let second = other.join(crash.id.as_str());
    std::os::unix::fs::symlink("../../../../name", second).unwrap();
    assert_eq!(drain(&dated(root.path())).await, [crash.id]);
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_crash_of_another_day_than_its_ids_reads_and_is_set_aside_like_others() {
    let root = TempDir::new().unwrap();
    let crash = Spooled {
        day: "20121015",
        dumps: &[".dump", ".flash1.dump"],
        ..plain()
    };
    crash.write(root.path());
    let tree = dated(root.path());
    let dump = tree.get_dump(&crash.id, &DumpName::main()).await.unwrap();
    assert_eq!(&dump.read().unwrap()[..], b"MDMP .dump");
    tree.set_aside(&crash.id, "too large").await.unwrap();
    assert!(ids(&tree).is_empty());
    tree.put_back(&crash.id).await.unwrap();
    assert_eq!(drain(&tree).await, [crash.id]);
    assert_eq!(files(root.path()), Vec::<PathBuf>::new());
}
