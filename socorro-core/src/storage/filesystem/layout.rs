//! Where everything lies in a tree: pure path arithmetic.
//!
//! ```text
//! root/YYYYMMDD/name/aa/bb/<id>.json                 raw crash
//! root/YYYYMMDD/name/aa/bb/<id>.dump                 main dump
//! root/YYYYMMDD/name/aa/bb/<id>.<dumpname>.dump      every other dump
//! root/YYYYMMDD/name/aa/bb/<id>.jsonz                processed crash, gzip
//! root/YYYYMMDD/name/aa/bb/<id>                 ->   ../../../date/HH/MM/<host>_0
//! root/YYYYMMDD/date/HH/MM/<host>_0/<id>        ->   ../../../../name/aa/bb
//! root/YYYYMMDD/date/HH/MM/<host>_0/<id>.removed     the date link of a crash being removed
//! root/YYYYMMDD/date/HH/MM/<host>_0/<id>.rejected    the date link of a crash being set aside
//! root/rejected/...                                  see `rejected`
//! ```
//!
//! YYYYMMDD is the id's date, HH/MM the UTC time of receipt, `aa/bb` the id's first characters, two
//! a level, as many levels as the id's depth digit says.
//!
//! It is the tree of Socorro 2.x (`JsonDumpStorage`), whose readers and spools stay usable. What 2.x
//! writes otherwise is read as well: the day of receipt where that is not the id's date; `<host>_N`
//! with any N; `date/HH/MM_N/<id>` with no host. The files of a crash and its date link are always
//! below the same day.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::crash_id::CrashId;
use crate::dumps::DumpName;

/// The directory below the root in which unfinished files lie.
pub(super) const STAGING: &str = ".staging";
/// The end of a date link's name while its crash is being removed.
pub(super) const REMOVED: &str = ".removed";
/// The end of a date link's name while its crash is being set aside.
pub(super) const REJECTED: &str = ".rejected";

/// The paths of one tree.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    /// Where a crash is put, and where it is unless Socorro 2.x wrote it: in the day of its id.
    pub(super) fn home(&self, id: &CrashId) -> Place {
        let day = self.root.join(id.date().strftime("%Y%m%d").to_string());
        Place::new(day, id)
    }

    /// The date that a directory directly below the root stands for.
    pub(super) fn day_of(name: &str) -> Option<Date> {
        (name.len() == 8)
            .then(|| Date::strptime("%Y%m%d", name).ok())
            .flatten()
    }
}

/// The paths of one crash in one day's part of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    day: PathBuf,
    id: CrashId,
}

impl Place {
    pub(super) fn new(day: PathBuf, id: &CrashId) -> Self {
        Self { day, id: *id }
    }

    pub(super) fn id(&self) -> &CrashId {
        &self.id
    }

    pub(super) fn day(&self) -> &Path {
        &self.day
    }

    /// The directory of all files of the crash.
    pub(super) fn name_dir(&self) -> PathBuf {
        let mut dir = self.day.join("name");
        for level in 0..self.id.depth() {
            dir.push(&self.id.as_str()[2 * level..2 * level + 2]);
        }
        dir
    }

    pub(super) fn raw_crash(&self) -> PathBuf {
        self.name_dir().join(format!("{}.json", self.id))
    }

    pub(super) fn processed(&self) -> PathBuf {
        self.name_dir().join(format!("{}.jsonz", self.id))
    }

    pub(super) fn dump(&self, name: &DumpName) -> PathBuf {
        let id = &self.id;
        self.name_dir().join(match name.is_main() {
            true => format!("{id}.dump"),
            false => format!("{id}.{name}.dump"),
        })
    }

    /// The dump that a file of the crash's directory is, if it is one of this crash.
    pub(super) fn dump_name(&self, file_name: &str) -> Option<DumpName> {
        match file_name
            .strip_prefix(self.id.as_str())?
            .strip_suffix(".dump")?
        {
            "" => Some(DumpName::main()),
            other => DumpName::parse(other.strip_prefix('.')?),
        }
    }

    /// The link beside the crash's files that leads to its slot in the date branch.
    pub(super) fn name_link(&self) -> PathBuf {
        self.name_dir().join(self.id.as_str())
    }

    /// The slot of the date branch for a crash received at that time by that host.
    pub(super) fn slot(&self, received: Timestamp, host: &str) -> PathBuf {
        let time = received.to_zoned(TimeZone::UTC);
        self.day
            .join(time.strftime("date/%H/%M").to_string())
            .join(format!("{host}_0"))
    }

    /// What the name link points to: the slot, seen from the name directory.
    pub(super) fn name_link_target(&self, slot: &Path) -> PathBuf {
        let up = "../".repeat(self.id.depth() + 1);
        Path::new(&up).join(self.below_day(slot))
    }

    /// What the date link points to: the name directory, seen from the slot.
    pub(super) fn date_link_target(&self, slot: &Path) -> PathBuf {
        let up = "../".repeat(self.below_day(slot).components().count());
        Path::new(&up).join(self.below_day(&self.name_dir()))
    }

    fn below_day(&self, path: &Path) -> PathBuf {
        // Unwrap safety: name directories and slots are made by this type, or met by a walk of this
        // day.
        path.strip_prefix(&self.day).unwrap().to_owned()
    }

    /// The slot that a name link's target names, if it names one of this day's date branch.
    pub(super) fn slot_of_target(&self, target: &Path) -> Option<PathBuf> {
        let below = target
            .iter()
            .skip_while(|part| *part == "..")
            .collect::<PathBuf>();
        let plain = below
            .components()
            .all(|c| matches!(c, std::path::Component::Normal(_)));
        (plain && below.starts_with("date")).then(|| self.day.join(below))
    }
}

/// The crash that a file or link of a tree belongs to by its name: `<id>`, or `<id>.` and an end.
pub(super) fn owner(path: &Path) -> Option<CrashId> {
    let name = path.file_name()?.to_str()?;
    let (id, rest) = name.split_at_checked(CrashId::LEN)?;
    (rest.is_empty() || rest.starts_with('.'))
        .then(|| id.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4dd21cc0-49d9-46ae-a42b-fadb42090928";

    fn home() -> Place {
        Layout { root: "/r".into() }.home(&ID.parse().unwrap())
    }

    #[test]
    fn paths_are_those_of_socorro_2x() {
        let place = home();
        let slot = place.slot("2009-09-28T13:05:59Z".parse().unwrap(), "web1");
        assert_eq!(slot, Path::new("/r/20090928/date/13/05/web1_0"));
        assert_eq!(
            place.raw_crash(),
            Path::new(&format!("/r/20090928/name/4d/d2/{ID}.json"))
        );
        assert_eq!(
            place.name_link_target(&slot),
            Path::new("../../../date/13/05/web1_0")
        );
        assert_eq!(
            place.date_link_target(&slot),
            Path::new("../../../../name/4d/d2")
        );
        let target = place.name_link_target(&slot);
        assert_eq!(place.slot_of_target(&target), Some(slot));
    }

    #[test]
    fn a_target_outside_the_date_branch_is_no_slot() {
        for target in ["../../../date/../../../etc", "/etc", "../../../name/aa", ""] {
            assert_eq!(home().slot_of_target(Path::new(target)), None, "{target}");
        }
    }

    #[test]
    fn dump_files_are_told_from_others_of_the_same_directory() {
        let place = home();
        let flash = DumpName::parse("upload_file_minidump_flash1").unwrap();
        for name in [&DumpName::main(), &flash] {
            let path = place.dump(name);
            let file = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(place.dump_name(file).as_ref(), Some(name));
        }
        for file in [
            format!("{ID}.json"),
            ID.to_owned(),
            format!("{ID}x.dump"),
            "a.dump".into(),
        ] {
            assert_eq!(place.dump_name(&file), None, "{file}");
        }
    }

    #[test]
    fn a_file_belongs_to_the_crash_whose_id_its_name_begins_with() {
        for name in ["", ".json", ".flash1.dump", ".removed"] {
            let path = format!("/r/{ID}{name}");
            assert_eq!(owner(Path::new(&path)), ID.parse().ok(), "{path}");
        }
        for name in ["x", "/x", "-1.json"] {
            assert_eq!(owner(Path::new(&format!("/r/{ID}{name}"))), None, "{name}");
        }
        assert_eq!(owner(Path::new("/r/README")), None);
    }
}
