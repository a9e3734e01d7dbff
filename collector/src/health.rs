//! What the load balancer asks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use socorro_core::http::{Response, answer};
use socorro_core::storage::filesystem::Tree;
use tokio::sync::Mutex;

use crate::Collector;

const JSON: &str = "application/json";

/// How long a look at the disks may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the disks, one look at a time: those that a dead disk holds up must not pile up.
#[derive(Debug, Default)]
pub(crate) struct Probe(Arc<Mutex<()>>);

/// `/__heartbeat__`: whether a spool takes crashes and has room; 503 with the reasons if none does.
pub(crate) async fn heartbeat(collector: Arc<Collector>) -> Response {
    let probing = async {
        let alone = Arc::clone(&collector.probe.0).lock_owned().await;
        let collector = Arc::clone(&collector);
        let probing = tokio::task::spawn_blocking(move || {
            let _alone = alone;
            probe(&collector)
        });
        probing.await
    };
    match tokio::time::timeout(PATIENCE, probing).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => tell(false, &["the look at the spool broke down".to_owned()]),
        Err(_) => tell(false, &["the spool's disks don't answer".to_owned()]),
    }
}

fn probe(collector: &Collector) -> Response {
    let reserve = collector.options.min_free_bytes;
    let trees = &collector.spool.trees;
    let errors = trees.iter().filter_map(|tree| check(tree, reserve).err());
    let errors: Vec<String> = errors.collect();
    tell(errors.len() < trees.len(), &errors)
}

fn tell(is_well: bool, errors: &[String]) -> Response {
    let status = match is_well {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, JSON, format!("{}\n", json!({ "errors": errors })))
}

fn check(tree: &Tree, reserve: u64) -> Result<(), String> {
    // A real file: a directory that can be opened may lie on a disk that can't be written.
    tree.spill().map_err(|error| error.to_string())?;
    let free =
        free_bytes(tree.root()).map_err(|error| format!("{}: {error}", tree.root().display()))?;
    if free < reserve {
        return Err(format!(
            "{}: {free} bytes free, fewer than collector.min_free_bytes = {reserve}",
            tree.root().display()
        ));
    }
    Ok(())
}

fn free_bytes(root: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(root)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// `/__version__`: what runs here.
pub(crate) fn version() -> Response {
    let body = json!({ "name": "socorro collector", "version": env!("CARGO_PKG_VERSION") });
    answer(StatusCode::OK, JSON, format!("{body}\n"))
}
