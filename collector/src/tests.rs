//! The collector over real sockets.

mod clients;
mod connections;
mod refusals;
mod spools;
mod submissions;
mod wire;

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

/// `None` if the connection ends without a whole answer.
async fn try_read_answer(stream: &mut TcpStream) -> Option<(u16, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                let status = head.split(' ').nth(1)?.parse().ok()?;
                return Some((status, body[..length].to_owned()));
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend(&buffer[..read]),
        }
    }
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

/// The head of a post to `target` with these header lines.
fn head(target: &str, headers: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: c\r\n{headers}Content-Length: {length}\r\n\r\n")
}

const MULTIPART: &str = "Content-Type: multipart/form-data; boundary=XX\r\n";
const PRODUCT: &[u8] =
    b"--XX\r\nContent-Disposition: form-data; name=\"ProductName\"\r\n\r\nArena\r\n";
const DUMP: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
    filename=\"a\"\r\n\r\nMDMP\r\n";
const END: &[u8] = b"--XX--\r\n";
const GOOD: [&[u8]; 3] = [PRODUCT, DUMP, END];

/// An annotation.
fn pair(name: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

/// A dump.
fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let head =
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=x\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// An object of annotations.
fn json_part(json: &str) -> Vec<u8> {
    let head = "--XX\r\nContent-Disposition: form-data; name=\"extra\"; filename=\"extra.json\"\r\n\
                Content-Type: application/json\r\n\r\n";
    [head.as_bytes(), json.as_bytes(), b"\r\n"].concat()
}
