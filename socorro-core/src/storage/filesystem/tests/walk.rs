//! What a walk meets, leaves alone, and mends.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::socorro_2x::age;

#[tokio::test]
async fn a_walk_is_oldest_first_over_days_and_minutes() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let mut expected = Vec::new();
    for time in [
        "2026-11-02T23:59:00Z",
        "2026-11-03T00:00:00Z",
        "2026-11-03T13:04:00Z",
    ] {
        let (id, raw, dumps) = crash_at(time, ThrottleResult::Accept);
        expected.push((id, raw, dumps));
    }
    for (id, raw, dumps) in expected.iter().rev() {
        tree.save_raw_crash(id, raw, dumps).await.unwrap();
    }
    assert_eq!(
        ids(&tree),
        expected.iter().map(|(id, ..)| *id).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn half_crashes_foreign_files_and_dangling_links_are_left_alone() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (half, raw, dumps) = crash();
    tree.save_raw_crash(&half, &raw, &dumps).await.unwrap();
    fs::remove_file(tree.layout().home(&half).raw_crash()).unwrap();
    let (fresh_2x, raw, dumps) = crash();
    tree.save_raw_crash(&fresh_2x, &raw, &dumps).await.unwrap();
    fs::remove_file(tree.layout().home(&fresh_2x).name_link()).unwrap();
    fs::write(root.path().join("README"), "").unwrap();
    let slot = root.path().join("20261103/date/13/05/web1_0");
    fs::write(slot.join("notes.txt"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", slot.join("dangling")).unwrap();
    let (whole, raw, dumps) = crash();
    tree.save_raw_crash(&whole, &raw, &dumps).await.unwrap();

    let before: BTreeSet<_> = files(root.path()).into_iter().collect();
    assert_eq!(ids(&tree), [whole]);
    assert_eq!(
        files(root.path()).into_iter().collect::<BTreeSet<_>>(),
        before
    );
}

#[tokio::test]
async fn a_removal_cut_short_anywhere_is_finished_by_the_next_walk() {
    // The steps of a removal behind the first, in their order.
    for done in 0..=4 {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, raw, dumps) = crash();
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        let link = links::date_link(&tree.layout().home(&id)).unwrap();
        fs::rename(&link, link.with_file_name(format!("{id}.removed"))).unwrap();
        let steps = [
            tree.layout().home(&id).raw_crash(),
            tree.layout().home(&id).dump(&DumpName::main()),
            tree.layout()
                .home(&id)
                .dump(&DumpName::parse("flash1").unwrap()),
            tree.layout().home(&id).name_link(),
        ];
        for path in &steps[..done] {
            fs::remove_file(path).unwrap();
        }
        assert!(ids(&tree).is_empty());
        assert_eq!(
            files(root.path()),
            Vec::<PathBuf>::new(),
            "after {done} steps"
        );
    }
}

#[tokio::test]
async fn empty_directories_of_past_days_are_pruned_and_those_of_today_are_not() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let now = Timestamp::now().to_string();
    for time in ["2020-01-01T00:00:00Z", &now] {
        let (id, raw, dumps) = crash_at(time, ThrottleResult::Accept);
        tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
        tree.remove(&id).await.unwrap();
    }
    assert!(ids(&tree).is_empty());
    assert!(!root.path().join("20200101").exists());
    let days = fs::read_dir(root.path()).unwrap().flatten();
    assert_eq!(days.filter(|e| e.file_name() != ".staging").count(), 1);
}

/// A tree with a slot that holds one whole crash; returns the tree, the slot, the crash.
async fn with_slot(root: &Path) -> (Tree, PathBuf, CrashId) {
    let tree = dated(root);
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    (tree, root.join("20261103/date/13/05/web1_0"), id)
}

#[tokio::test]
async fn what_cannot_be_walked_or_is_not_ours_is_counted_and_the_walk_goes_on() {
    let root = TempDir::new().unwrap();
    let (tree, slot, whole) = with_slot(root.path()).await;
    let link = |name: &str, target: &str| {
        symlink(target, slot.join(name)).unwrap();
        age(&slot.join(name));
    };
    // Foreign: a file, a link, a name that is no text, a directory too deep to be a slot.
    fs::write(slot.join("notes.txt"), "").unwrap();
    link("dangling", "nowhere");
    fs::write(slot.join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    fs::create_dir_all(slot.join("a/b/c/d/e/f")).unwrap();
    // Dangling: to nowhere, in a circle, and to a directory that holds no such crash.
    for target in ["nowhere", "../web1_0", "."] {
        link(
            CrashId::new(jiff::civil::date(2026, 11, 3)).as_str(),
            target,
        );
    }
    let circle = CrashId::new(jiff::civil::date(2026, 11, 3));
    link(circle.as_str(), circle.as_str());
    // Unreadable: a json that is a link in a circle, one that is a directory, a day that is a file.
    let [round, directory] = [(); 2].map(|()| CrashId::new(jiff::civil::date(2026, 11, 3)));
    for id in [round, directory] {
        link(id.as_str(), "../../../../name");
        fs::create_dir_all(tree.layout().home(&id).name_dir()).unwrap();
    }
    let json = tree.layout().home(&round).raw_crash();
    symlink(json.file_name().unwrap(), &json).unwrap();
    fs::create_dir(tree.layout().home(&directory).raw_crash()).unwrap();
    fs::write(root.path().join("20261101"), "").unwrap();
    // Younger than an hour: perhaps being written.
    let young = CrashId::new(jiff::civil::date(2026, 11, 3));
    symlink("../../../../name", slot.join(young.as_str())).unwrap();

    let before: BTreeSet<_> = files(root.path()).into_iter().collect();
    for _ in 0..2 {
        let walked: Vec<_> = tree.new_crashes().unwrap().collect();
        let errors = walked.iter().filter(|id| id.is_err()).count();
        assert_eq!(errors, 1, "the day that is a file");
        let found: Vec<_> = walked.into_iter().flatten().collect();
        assert_eq!(found, [whole]);
        let expected = LeftAlone {
            foreign: 4,
            dangling: 4,
            unfinished: 1,
            unreadable: 3,
        };
        assert_eq!(tree.left_alone(), expected);
    }
    assert_eq!(
        files(root.path()).into_iter().collect::<BTreeSet<_>>(),
        before,
        "left alone"
    );
}

/// A writer that keeps what is logged.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn count(&self, what: &str) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(what)).count()
    }
}

#[tokio::test]
async fn a_place_is_told_once_while_it_is_so_and_again_when_it_is_so_again() {
    let root = TempDir::new().unwrap();
    let (tree, slot, _) = with_slot(root.path()).await;
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || to.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let walk = || tree.new_crashes().unwrap().for_each(drop);
    let notes = slot.join("notes.txt");

    fs::write(&notes, "").unwrap();
    fs::write(root.path().join("20261101"), "").unwrap();
    (0..3).for_each(|_| walk());
    assert_eq!(log.count("notes.txt"), 1);
    assert_eq!(log.count("20261101"), 1, "unreadable");
    fs::remove_file(&notes).unwrap();
    walk();
    fs::write(&notes, "").unwrap();
    walk();
    assert_eq!(log.count("notes.txt"), 2);
}

#[tokio::test]
async fn a_name_link_to_nowhere_does_not_keep_a_whole_crash_from_being_moved() {
    for target in ["../../../date/01/02/gone_0", "/etc", ""] {
        let root = TempDir::new().unwrap();
        let (tree, _, id) = with_slot(root.path()).await;
        let name_link = tree.layout().home(&id).name_link();
        fs::remove_file(&name_link).unwrap();
        match target {
            "" => fs::write(&name_link, "a file").unwrap(),
            target => symlink(target, &name_link).unwrap(),
        }
        assert_eq!(ids(&tree), [id], "{target:?}");
        tree.remove(&id).await.unwrap();
        assert_eq!(files(root.path()), Vec::<PathBuf>::new(), "{target:?}");
    }
}

#[test]
fn a_large_directory_is_told_as_it_is_read() {
    let root = TempDir::new().unwrap();
    for file in 0..20_000 {
        fs::write(root.path().join(format!("{file:036}")), "").unwrap();
    }
    let mut branch = branch::Branch::walk(root.path().to_owned(), branch::Emptied::Keep);
    branch.next().unwrap().unwrap();
    for entry in fs::read_dir(root.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let read_ahead = branch.count();
    assert!(read_ahead < 10_000, "{read_ahead} of 20000");
}

#[test]
fn a_directory_that_once_held_much_is_not_listed_again_and_again() {
    let root = TempDir::new().unwrap();
    let slot = root.path().join("13/05/web1_0");
    fs::create_dir_all(&slot).unwrap();
    for file in 0..3_000 {
        fs::write(slot.join(format!("{file:036}")), "").unwrap();
    }
    for entry in fs::read_dir(&slot).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    branch::Branch::walk(root.path().to_owned(), branch::Emptied::Renew).for_each(drop);
    let size = fs::metadata(&slot).map_or(0, |meta| meta.len());
    assert!(size <= 65_536, "{size}");
    assert!(root.path().join("13/05").exists());
}
