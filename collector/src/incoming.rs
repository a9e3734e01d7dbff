//! The dumps of an upload as they come in: in memory, and on the spool's disk when they are more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use socorro_core::dumps::{DumpName, Dumps, MAX_NAME_LEN};
use socorro_core::storage::open::Spool;
use socorro_core::storage::spool_file::SpoolFile;
use socorro_core::storage::{Result, brief};
use tracing::warn;

use crate::Collector;
use crate::held::Held;
use crate::reject::Reject;

/// What is written to the disk at a time.
const BLOCK: usize = 64 << 10;
/// How long to wait before a spool that failed is tried again.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// Large dumps, by name.
pub(crate) type SpoolFiles = BTreeMap<DumpName, SpoolFile>;

/// All dumps of one upload.
pub(crate) struct IncomingDumps<'a> {
    collector: &'a Collector,
    /// So many bytes stay in memory.
    most: usize,
    dumps: Vec<Incoming>,
    names: BTreeSet<DumpName>,
}

struct Incoming {
    name: DumpName,
    /// All of it, or what the file lacks.
    held: Held,
    file: Option<SpoolFile>,
    whole: bool,
}

impl<'a> IncomingDumps<'a> {
    /// No dumps yet, of a body of which the sender says that it has so many bytes. When it is known
    /// to be too large for memory, there is no use in waiting.
    pub(crate) fn new(collector: &'a Collector, declared: Option<u64>) -> Self {
        let most = collector.options.spill_bytes;
        let is_large = declared.is_some_and(|bytes| bytes > most as u64);
        Self {
            collector,
            most: if is_large { BLOCK.min(most) } else { most },
            dumps: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    /// Begins a dump. Returns the name that it gets: the sender's, cleaned, and with a number if
    /// there is one of that name already.
    pub(crate) fn begin(&mut self, sent: &str) -> DumpName {
        let clean = DumpName::clean(sent).cut(self.collector.options.max_dump_name_bytes);
        let mut name = clean.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = numbered(&clean, number);
        }
        self.dumps.push(Incoming {
            name: name.clone(),
            held: Held::default(),
            file: None,
            whole: false,
        });
        name
    }

    /// Adds to the dump that was begun last data, which may be a part of that received piece.
    pub(crate) fn data(&mut self, data: &[u8], received: &Bytes) {
        if let Some(dump) = self.dumps.last_mut() {
            dump.held.push(data, received);
        }
    }

    /// Ends the dump that was begun last.
    pub(crate) fn end(&mut self) {
        if let Some(dump) = self.dumps.last_mut() {
            dump.whole = true;
        }
    }

    /// Bytes in memory.
    pub(crate) fn held(&self) -> usize {
        self.dumps.iter().map(|dump| dump.held.len()).sum()
    }

    /// Writes to the disk what is too much for memory, or with `all` everything. While no spool
    /// takes it, it waits, bounded.
    pub(crate) async fn settle(&mut self, all: bool) -> Result<(), Reject> {
        let all = all || self.held() > self.most;
        if !all && !self.dumps.iter().any(Incoming::has_block) {
            return Ok(());
        }
        let give_up = Instant::now() + self.collector.options.refuse_after.get();
        loop {
            let (mut dumps, spool) = (
                std::mem::take(&mut self.dumps),
                self.collector.spool.clone(),
            );
            let (dumps, written) = brief(move || {
                let written = dumps.iter_mut().try_for_each(|dump| match all {
                    true => dump.write(&spool),
                    false if dump.has_block() => dump.write(&spool),
                    false => Ok(()),
                });
                (dumps, written)
            })
            .await;
            self.dumps = dumps;
            match written {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() + PAUSE > give_up => {
                    warn!(%error, "no spool takes a large dump; the client is told to try again");
                    return Err(Reject::NotStored);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// The dumps in memory, and the files of the others, which vanish when dropped.
    pub(crate) fn finish(self) -> (Dumps, SpoolFiles) {
        let (mut dumps, mut files) = (Dumps::new(), SpoolFiles::new());
        for Incoming {
            name, held, file, ..
        } in self.dumps
        {
            match file {
                None => drop(dumps.insert(name, held.into_dump())),
                Some(file) => drop(files.insert(name, file)),
            }
        }
        (dumps, files)
    }
}

impl Incoming {
    /// Whether there is something for its file, if it has one.
    fn has_block(&self) -> bool {
        let enough = if self.whole { 1 } else { BLOCK };
        self.file.is_some() && self.held.len() >= enough
    }

    fn write(&mut self, spool: &Spool) -> Result<()> {
        if self.held.len() > 0 {
            let file = self.file.get_or_insert_with(|| spool.file());
            self.held.write(file)?;
        }
        if let (Some(file), true) = (&mut self.file, self.whole) {
            file.close();
        }
        Ok(())
    }
}

/// The name with a number behind it, cut so that both fit.
fn numbered(name: &DumpName, number: usize) -> DumpName {
    let number = format!("_{number}");
    let kept = name.as_str().len().min(MAX_NAME_LEN - number.len());
    // Unwrap safety: the characters are those of a name, which are ASCII, and the length fits.
    DumpName::parse(&format!("{}{number}", &name.as_str()[..kept])).unwrap()
}
