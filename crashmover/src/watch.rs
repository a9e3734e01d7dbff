//! Waits for crashes to arrive in the spool.
//!
//! An event of the file system only says that it is time to walk; a slow poll stands behind it, so
//! that a lost event, or a file system without any, costs seconds and no crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use socorro_core::storage::open::Spool;
use tokio::sync::mpsc;
use tracing::warn;

/// Arrivals within that time are moved together; a crash's last rename follows its link by less.
const GATHER: Duration = Duration::from_millis(50);

/// Tells when crashes may have arrived.
#[derive(Debug)]
pub(crate) struct Arrivals {
    roots: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
    events: mpsc::Receiver<()>,
    poll_interval: Duration,
}

impl Arrivals {
    pub(crate) fn of(spool: &Spool, poll_interval: Duration) -> Self {
        // One pending event says as much as a thousand.
        let (sender, events) = mpsc::channel(1);
        let on_event = move |event: notify::Result<notify::Event>| {
            let arrival = |kind: &EventKind| {
                matches!(
                    kind,
                    EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_))
                )
            };
            if event.is_ok_and(|event| arrival(&event.kind)) {
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(on_event)
            .inspect_err(|error| warn!(%error, "no file events, polling only"))
            .ok();
        let roots = spool
            .trees
            .iter()
            .map(|tree| tree.root().to_owned())
            .collect();
        let mut arrivals = Self {
            roots,
            watcher,
            watched: Vec::new(),
            events,
            poll_interval,
        };
        arrivals.watch_new_days();
        arrivals
    }

    /// Returns when something has arrived, or the poll interval is over.
    pub(crate) async fn wait(&mut self) {
        self.watch_new_days();
        if let Ok(Some(())) = tokio::time::timeout(self.poll_interval, self.events.recv()).await {
            tokio::time::sleep(GATHER).await;
            // What came meanwhile is moved with the rest.
            let _ = self.events.try_recv();
        }
    }

    /// Watches the roots, where days appear, and each day's date branch, but not the many
    /// directories of the name branches.
    fn watch_new_days(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        self.watched.retain(|path| path.exists());
        let mut wanted = Vec::new();
        for root in &self.roots {
            wanted.push((root.clone(), RecursiveMode::NonRecursive));
            wanted.extend(date_branches(root).map(|branch| (branch, RecursiveMode::Recursive)));
        }
        for (path, mode) in wanted {
            if self.watched.contains(&path) || !path.exists() {
                continue;
            }
            match watcher.watch(&path, mode) {
                Ok(()) => self.watched.push(path),
                Err(error) => warn!(path = %path.display(), %error, "no file events, polling"),
            }
        }
    }
}

fn date_branches(root: &Path) -> impl Iterator<Item = PathBuf> {
    let days = std::fs::read_dir(root).into_iter().flatten().flatten();
    days.map(|day| day.path().join("date"))
        .filter(|branch| branch.is_dir())
}
