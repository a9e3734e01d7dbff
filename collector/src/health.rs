//! What the load balancer asks.

use std::path::Path;

use hyper::StatusCode;
use serde_json::json;
use socorro_core::http::{Response, answer};
use socorro_core::storage::filesystem::Tree;

use crate::Collector;

const JSON: &str = "application/json";

/// `/__heartbeat__`: whether a spool takes crashes and has room; 503 with the reasons if none does.
pub(crate) fn heartbeat(collector: &Collector) -> Response {
    let reserve = collector.options.min_free_bytes;
    let checks = collector
        .spool
        .trees
        .iter()
        .map(|tree| check(tree, reserve));
    let errors: Vec<String> = checks.filter_map(Result::err).collect();
    let all_bad = errors.len() == collector.spool.trees.len();
    let status = if all_bad {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
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
