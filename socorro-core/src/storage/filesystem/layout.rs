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
//! a level. It is the tree of Socorro 2.x (`JsonDumpStorage`), whose readers and spools stay usable.

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
    pub(super) fn day(&self, date: Date) -> PathBuf {
        self.root.join(date.strftime("%Y%m%d").to_string())
    }

    /// The date that a directory directly below the root stands for.
    pub(super) fn day_of(name: &str) -> Option<Date> {
        (name.len() == 8)
            .then(|| Date::strptime("%Y%m%d", name).ok())
            .flatten()
    }

    /// The directory of all files of a crash.
    pub(super) fn name_dir(&self, id: &CrashId) -> PathBuf {
        let mut dir = self.day(id.date());
        dir.push("name");
        for level in 0..id.depth() {
            dir.push(&id.as_str()[2 * level..2 * level + 2]);
        }
        dir
    }

    pub(super) fn raw_crash(&self, id: &CrashId) -> PathBuf {
        self.name_dir(id).join(format!("{id}.json"))
    }

    pub(super) fn processed(&self, id: &CrashId) -> PathBuf {
        self.name_dir(id).join(format!("{id}.jsonz"))
    }

    pub(super) fn dump(&self, id: &CrashId, name: &DumpName) -> PathBuf {
        self.name_dir(id).join(match name.is_main() {
            true => format!("{id}.dump"),
            false => format!("{id}.{name}.dump"),
        })
    }

    /// The dump that a file of a crash's directory is, if it is one of that crash.
    pub(super) fn dump_name(id: &CrashId, file_name: &str) -> Option<DumpName> {
        match file_name.strip_prefix(id.as_str())?.strip_suffix(".dump")? {
            "" => Some(DumpName::main()),
            other => DumpName::parse(other.strip_prefix('.')?),
        }
    }

    /// The link beside a crash's files that leads to its slot in the date branch.
    pub(super) fn name_link(&self, id: &CrashId) -> PathBuf {
        self.name_dir(id).join(id.as_str())
    }

    /// The slot of the date branch for a crash received at that time by that host.
    pub(super) fn slot(&self, id: &CrashId, received: Timestamp, host: &str) -> PathBuf {
        let time = received.to_zoned(TimeZone::UTC);
        self.day(id.date())
            .join(time.strftime("date/%H/%M").to_string())
            .join(format!("{host}_0"))
    }

    /// What the name link points to: the slot, seen from the name directory.
    pub(super) fn name_link_target(&self, id: &CrashId, slot: &Path) -> PathBuf {
        let up = "../".repeat(id.depth() + 1);
        Path::new(&up).join(self.below_day(id, slot))
    }

    /// What the date link points to: the name directory, seen from the slot.
    pub(super) fn date_link_target(&self, id: &CrashId, slot: &Path) -> PathBuf {
        let up = "../".repeat(self.below_day(id, slot).components().count());
        Path::new(&up).join(self.below_day(id, &self.name_dir(id)))
    }

    fn below_day(&self, id: &CrashId, path: &Path) -> PathBuf {
        // Unwrap safety: name directories and slots are made by this type, below the day.
        path.strip_prefix(self.day(id.date())).unwrap().to_owned()
    }

    /// The slot that a name link's target names, if it names one of this tree's date branch.
    pub(super) fn slot_of_target(&self, id: &CrashId, target: &Path) -> Option<PathBuf> {
        let below = target
            .iter()
            .skip_while(|part| *part == "..")
            .collect::<PathBuf>();
        let plain = below
            .components()
            .all(|c| matches!(c, std::path::Component::Normal(_)));
        (plain && below.starts_with("date")).then(|| self.day(id.date()).join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout { root: "/r".into() }
    }

    fn id() -> CrashId {
        "4dd21cc0-49d9-46ae-a42b-fadb42090928".parse().unwrap()
    }

    #[test]
    fn paths_are_those_of_socorro_2x() {
        let (layout, id) = (layout(), id());
        let slot = layout.slot(&id, "2009-09-28T13:05:59Z".parse().unwrap(), "web1");
        assert_eq!(slot, Path::new("/r/20090928/date/13/05/web1_0"));
        assert_eq!(
            layout.raw_crash(&id),
            Path::new(&format!("/r/20090928/name/4d/d2/{id}.json"))
        );
        assert_eq!(
            layout.name_link_target(&id, &slot),
            Path::new("../../../date/13/05/web1_0")
        );
        assert_eq!(
            layout.date_link_target(&id, &slot),
            Path::new("../../../../name/4d/d2")
        );
        let target = layout.name_link_target(&id, &slot);
        assert_eq!(layout.slot_of_target(&id, &target), Some(slot));
    }

    #[test]
    fn a_target_outside_the_date_branch_is_no_slot() {
        for target in ["../../../date/../../../etc", "/etc", "../../../name/aa", ""] {
            assert_eq!(
                layout().slot_of_target(&id(), Path::new(target)),
                None,
                "{target}"
            );
        }
    }

    #[test]
    fn dump_files_are_told_from_others_of_the_same_directory() {
        let (layout, id) = (layout(), id());
        let flash = DumpName::parse("upload_file_minidump_flash1").unwrap();
        for name in [&DumpName::main(), &flash] {
            let path = layout.dump(&id, name);
            let file = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(Layout::dump_name(&id, file).as_ref(), Some(name));
        }
        for file in [
            format!("{id}.json"),
            id.to_string(),
            format!("{id}x.dump"),
            "a.dump".into(),
        ] {
            assert_eq!(Layout::dump_name(&id, &file), None, "{file}");
        }
    }
}
