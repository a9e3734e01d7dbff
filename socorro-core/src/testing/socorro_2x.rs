//! Spools as Socorro 2.x writes them (`JsonDumpStorage`), made without the code that reads them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::crash_id::CrashId;

/// One raw crash in a tree of Socorro 2.x.
#[derive(Debug, Clone, Copy)]
pub struct Spooled<'a> {
    /// The crash.
    pub id: CrashId,
    /// The day directory, `YYYYMMDD`: the day of receipt, which need not be the id's.
    pub day: &'a str,
    /// The slot below `date`, such as `13/05/web1_0`.
    pub slot: &'a str,
    /// Ends of the dumps' file names behind the id, such as `.dump` or `.flash1.dump`.
    pub dumps: &'a [&'a str],
    /// Whether the link beside the files is there.
    pub name_link: bool,
    /// Whether the link in the slot is there.
    pub date_link: bool,
}

impl Spooled<'_> {
    /// The directory of the files: `aa/bb`, as deep as the 7th digit from the end says, 0 meaning 4.
    pub fn directory(&self, root: &Path) -> PathBuf {
        let (id, mut dir) = (self.id.as_str(), root.join(self.day).join("name"));
        for level in 0..self.depth() {
            dir.push(&id[2 * level..2 * level + 2]);
        }
        dir
    }

    fn depth(&self) -> usize {
        match &self.id.as_str()[29..30] {
            "0" => 4,
            digit => digit.parse().unwrap(),
        }
    }

    /// Writes it, in the order of 2.x, with files and links two hours old. A dump holds its name.
    ///
    /// # Panics
    /// If the file system refuses.
    pub fn write(&self, root: &Path) {
        let id = self.id.as_str();
        let dir = self.directory(root);
        let slot = root.join(self.day).join("date").join(self.slot);
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir_all(&slot).unwrap();
        if self.date_link {
            let up = "../".repeat(1 + self.slot.split('/').count());
            let names = dir.strip_prefix(root.join(self.day)).unwrap();
            symlink(Path::new(&up).join(names), slot.join(id)).unwrap();
            age(&slot.join(id));
        }
        let json = dir.join(format!("{id}.json"));
        let content = r#"{"ProductName": "Arena", "timestamp": 1254143159.5}"#;
        fs::write(&json, content).unwrap();
        age(&json);
        for end in self.dumps {
            let dump = dir.join(format!("{id}{end}"));
            fs::write(&dump, format!("MDMP {end}")).unwrap();
            age(&dump);
        }
        if self.name_link {
            let up = "../".repeat(self.depth() + 1);
            let target = Path::new(&up).join("date").join(self.slot);
            symlink(target, dir.join(id)).unwrap();
        }
    }
}

/// A random id of that date, `YYMMDD`, and depth digit.
///
/// # Panics
/// If there is no such id.
pub fn id(depth: u8, yymmdd: &str) -> CrashId {
    let random = uuid::Uuid::new_v4().to_string();
    format!("{}{depth}{yymmdd}", &random[..29]).parse().unwrap()
}

/// A spool with all that 2.x wrote in its years: several hosts, sub-slots, slots with no host, each
/// depth, days other than the ids', no dumps or many, and links missing. Returns the crashes that wait
/// in it.
///
/// # Panics
/// If the file system refuses.
pub fn mixed_spool(root: &Path) -> Vec<CrashId> {
    let plain = Spooled {
        id: id(2, "090928"),
        day: "20090928",
        slot: "13/05/web1_0",
        dumps: &[".dump"],
        name_link: true,
        date_link: true,
    };
    let mut crashes = vec![plain];
    let mut add = |other: Spooled<'static>| crashes.push(other);
    for depth in 0..=4 {
        let id = id(depth, "090928");
        add(Spooled { id, ..plain });
    }
    for slot in [
        "13/05/web2_0",
        "13/05/web1_7",
        "13/05_0",
        "13/05_14",
        "00/00/web1_0",
        "23",
    ] {
        let id = id(2, "090928");
        add(Spooled { id, slot, ..plain });
    }
    // Received after midnight, or sent again years later.
    for day in ["20090929", "20121015", "20090801"] {
        let id = id(2, "090928");
        add(Spooled { id, day, ..plain });
    }
    let dumps: [&[&str]; 3] = [
        &[],
        &[".flash1.dump"],
        &[".dump", ".flash1.dump", ".browser.dump"],
    ];
    for dumps in dumps {
        let id = id(2, "090928");
        add(Spooled { id, dumps, ..plain });
    }
    for day in ["20090928", "20090930"] {
        let id = id(2, "090928");
        add(Spooled {
            id,
            day,
            name_link: false,
            ..plain
        });
    }
    for crash in &crashes {
        crash.write(root);
    }
    crashes.into_iter().map(|crash| crash.id).collect()
}

/// Makes a file or a link two hours old.
///
/// # Panics
/// If it is not there.
pub fn age(path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(7200);
    let since_epoch = then.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let time = Timespec {
        tv_sec: since_epoch.as_secs().try_into().unwrap(),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
