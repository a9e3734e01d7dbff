//! The collector over real sockets.

mod clients;
mod connections;
mod refusals;
mod requests;
mod spools;
mod submissions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use socorro_core::config::{Config, Settings};
use socorro_core::raw_crash::RawCrash;
use socorro_core::service::Context;
use socorro_core::storage::open::Spool;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::config::Options;
use requests::*;

/// A collector with a spool of its own.
struct Running {
    dir: TempDir,
    address: String,
    metrics: String,
    spool: Spool,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

async fn start(change: impl FnOnce(&mut Options)) -> Running {
    let dir = TempDir::new().unwrap();
    let primary = dir.path().join("spool");
    start_on(dir, primary, PathBuf::new(), change).await
}

/// With these directories for the spool; an empty path is no fallback.
async fn start_on(
    dir: TempDir,
    primary: PathBuf,
    fallback: PathBuf,
    change: impl FnOnce(&mut Options),
) -> Running {
    let mut shared = Settings::default();
    (shared.spool.primary, shared.spool.fallback) = (primary, fallback);
    let metrics = free_address().await;
    let mut own = Options {
        metrics_listen: metrics.clone(),
        min_free_bytes: 0,
        body_timeout: Duration::from_millis(300).into(),
        ..Options::default()
    };
    change(&mut own);
    let stop = CancellationToken::new();
    let spool = Spool::new(&shared);
    let context = Context::new(Config { shared, own }, stop.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        crate::serve(listener, context).await.unwrap();
    });
    until(async || TcpStream::connect(&metrics).await.is_ok()).await;
    Running {
        dir,
        address,
        metrics,
        spool,
        stop,
        server,
    }
}

/// An address that was free a moment ago.
async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

impl Running {
    async fn send(&self, request: &[u8]) -> (u16, String) {
        exchange(&self.address, request).await
    }

    /// The head of the answer.
    async fn answer_head(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    async fn post(&self, headers: &str, body: &[u8]) -> (u16, String) {
        let head = head("/submit", headers, body.len());
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// The value of a metric; 0 where it is not there.
    async fn metric(&self, name: &str) -> u64 {
        let request = b"GET /metrics HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
        let (_, text) = exchange(&self.metrics, request).await;
        let name = format!("socorro_collector_{name} ");
        text.lines()
            .find_map(|line| line.strip_prefix(&name)?.parse().ok())
            .unwrap_or(0)
    }

    async fn refused(&self, reason: &str) -> u64 {
        let name = format!("refused_total{{reason=\"{reason}\"}}");
        self.metric(&name).await
    }

    async fn accepted(&self) -> u64 {
        self.metric("submissions_total{result=\"accept\"}").await
    }

    /// How many crashes wait in the spool.
    fn waiting(&self) -> usize {
        self.spool.storage.new_crashes().unwrap().count()
    }

    /// The one crash in the spool: its annotations, and its dumps by name.
    async fn stored(&self) -> (RawCrash, BTreeMap<String, Vec<u8>>) {
        let storage = &self.spool.storage;
        let ids: Vec<_> = storage.new_crashes().unwrap().map(Result::unwrap).collect();
        let [id] = ids.as_slice() else {
            panic!("not one crash, but {ids:?}")
        };
        let raw = storage.get_raw_crash(id).await.unwrap();
        let dumps = storage.get_dumps(id).await.unwrap().into_iter();
        let read = dumps.map(|(name, dump)| (name.to_string(), dump.read().unwrap().to_vec()));
        (raw, read.collect())
    }

    /// The files in the spool, those in staging included.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.dir.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => dirs.push(entry.path()),
                    false => found.push(entry.path()),
                }
            }
        }
        found
    }

    async fn accepts_a_crash(&self) {
        let (status, body) = self.post(MULTIPART, &GOOD.concat()).await;
        assert!(
            status == 200 && body.starts_with("CrashID=bp-"),
            "{status} {body}"
        );
    }
}

async fn exchange(address: &str, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close before it has read all.
    let _ = stream.write_all(request).await;
    read_answer(&mut stream).await
}

async fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    try_read_answer(stream).await.expect("an answer")
}

/// Waits until it is so; a test that waits for too long has failed.
async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, waiting).await.unwrap();
}
