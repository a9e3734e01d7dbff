//! What a survey says of a tree, and what it mends.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::socorro_2x::{age, mixed_spool};

fn counts(tree: &Tree) -> BTreeMap<What, usize> {
    let mut counts = BTreeMap::new();
    for finding in tree.survey().unwrap() {
        *counts.entry(finding.unwrap().what).or_default() += 1;
    }
    counts
}

async fn saved(tree: &Tree) -> (CrashId, layout::Place) {
    let (id, raw, dumps) = crash();
    tree.save_raw_crash(&id, &raw, &dumps).await.unwrap();
    (id, tree.layout().home(&id))
}

/// The date link of a crash that is there.
fn link_of(place: &layout::Place) -> PathBuf {
    links::date_link(place).unwrap()
}

#[tokio::test]
async fn a_survey_tells_what_each_thing_in_a_tree_is_and_changes_nothing() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    saved(&tree).await;
    fs::remove_file(link_of(&saved(&tree).await.1)).unwrap();
    let (rejected, _) = saved(&tree).await;
    tree.set_aside(&rejected, "too large").await.unwrap();
    let (processed, _) = saved(&tree).await;
    tree.save_processed(&processed, &ProcessedCrash::default())
        .await
        .unwrap();
    let (_, being_written) = saved(&tree).await;
    fs::remove_file(being_written.raw_crash()).unwrap();
    let (_, half) = saved(&tree).await;
    fs::remove_file(half.raw_crash()).unwrap();
    age(&link_of(&half));
    for file in files::files_of(&half).unwrap() {
        age(&file);
    }
    fs::write(root.path().join("20261103/date/13/05/notes"), "").unwrap();
    fs::write(root.path().join("20261103/name/notes"), "").unwrap();
    let spilled = tree.spill().unwrap();
    let dead = root.path().join(".staging/web1.dead");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("x"), "MDMP").unwrap();

    let before: BTreeSet<_> = super::files(root.path()).into_iter().collect();
    let expected = [
        (What::Waiting, 2),
        (What::Taken, 1),
        (What::Processed, 1),
        (What::Rejected, 1),
        (What::BeingWritten, 1),
        (What::Half, 1),
        (What::Dangling, 1),
        (What::Staged, 1),
        (What::Leftover, 1),
        (What::Foreign, 2),
    ];
    assert_eq!(counts(&tree), expected.into());
    let after: BTreeSet<_> = super::files(root.path()).into_iter().collect();
    assert_eq!(after, before);
    drop(spilled);
}

#[tokio::test]
async fn what_socorro_2x_left_waiting_counts_as_waiting() {
    let root = TempDir::new().unwrap();
    let waiting = mixed_spool(root.path()).len();
    assert_eq!(
        counts(&dated(root.path())),
        [(What::Waiting, waiting)].into()
    );
}

#[tokio::test]
async fn an_orphan_gets_its_links_again_and_is_walked() {
    for with_name_link in [true, false] {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, place) = saved(&tree).await;
        let link = link_of(&place);
        fs::remove_file(&link).unwrap();
        if !with_name_link {
            fs::remove_file(place.name_link()).unwrap();
        }
        assert!(ids(&tree).is_empty());
        assert!(tree.relink(&id).await.unwrap());
        assert!(link.is_symlink(), "in the slot of its time of receipt");
        assert_eq!(ids(&tree), [id]);
        assert!(!with_name_link || !tree.relink(&id).await.unwrap());
        tree.remove(&id).await.unwrap();
        assert!(!tree.relink(&id).await.unwrap(), "gone");
        assert_eq!(super::files(root.path()), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn a_crash_that_is_just_being_removed_or_set_aside_is_no_orphan_to_mend() {
    for end in ["removed", "rejected"] {
        let root = TempDir::new().unwrap();
        let tree = dated(root.path());
        let (id, place) = saved(&tree).await;
        let link = link_of(&place);
        fs::rename(&link, link.with_file_name(format!("{id}.{end}"))).unwrap();
        assert!(!tree.relink(&id).await.unwrap());
        assert!(!link.is_symlink());
    }
}

#[tokio::test]
async fn a_dangling_link_is_removed_and_one_that_has_its_crash_meanwhile_is_not() {
    let root = TempDir::new().unwrap();
    let tree = dated(root.path());
    let (id, place) = saved(&tree).await;
    let link = link_of(&place);
    let json = fs::read(place.raw_crash()).unwrap();
    fs::remove_file(place.raw_crash()).unwrap();
    age(&link);
    let stale = CrashId::new(id.date());
    let dangling = link.with_file_name(stale.as_str());
    symlink("../../../../name/00/00", &dangling).unwrap();
    age(&dangling);
    let found: Vec<_> = tree.survey().unwrap().map(|found| found.unwrap()).collect();
    let found = found.iter().filter(|found| found.what == What::Dangling);
    fs::write(place.raw_crash(), json).unwrap();
    let mut removed = 0;
    for finding in found {
        removed += usize::from(tree.remove_dangling(finding).await.unwrap());
    }
    assert_eq!(removed, 1);
    assert!(!dangling.is_symlink());
    assert_eq!(ids(&tree), [id]);
}
