//! The whole server over a real file-system storage, asked by raw HTTP.

mod access;
mod data;
mod hostile;
mod reports;

use std::net::SocketAddr;

use serde_json::{Value, json};
use socorro_core::config::Settings;
use socorro_core::dumps::{Dump, DumpName, Dumps};
use socorro_core::processed_crash::ProcessedCrash;
use socorro_core::raw_crash::RawCrash;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::DropGuard;

use super::*;

/// A server of its own for one test.
struct Site {
    dir: TempDir,
    address: SocketAddr,
    primary: PrimaryStorage,
    _stop: DropGuard,
}

/// What came back.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Site {
    /// A server that asks for the token.
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with other options.
    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.filesystem.standard = dir.path().join("standard");
        settings.filesystem.deferred = dir.path().join("deferred");
        settings.filesystem.processed = dir.path().join("processed");
        let primary = PrimaryStorage::new(&settings);
        let mut options = Options {
            token_file: dir.path().join("token"),
            ..Options::default()
        };
        change(&mut options);
        if options.auth == Auth::Token {
            Token::open(&options.token_file).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (storage, stopped) = (primary.clone(), stop.clone());
        tokio::spawn(async move {
            let metrics = Metrics::default();
            serve(listener, &options, storage, metrics, stopped)
                .await
                .unwrap();
        });
        Self {
            dir,
            address,
            primary,
            _stop: stop.drop_guard(),
        }
    }

    fn token(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("token")).unwrap();
        text.trim().to_owned()
    }

    /// Asks with the token.
    async fn get(&self, path: &str) -> Answer {
        let bearer = format!("Authorization: Bearer {}", self.token());
        self.ask("GET", path, &[&bearer]).await
    }

    /// Asks with these headers.
    async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let host = match headers.iter().any(|header| header.starts_with("Host:")) {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        let request =
            format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: answer[end + 4..].to_vec(),
        }
    }

    async fn save(&self, id: &CrashId, raw: Value, dumps: &[(&str, &[u8])]) {
        let raw = RawCrash::from_json(raw.to_string().as_bytes()).unwrap();
        let dumps: Dumps = dumps
            .iter()
            .map(|(name, bytes)| {
                let bytes = Dump::Bytes(bytes.to_vec().into());
                (DumpName::parse(name).unwrap(), bytes)
            })
            .collect();
        self.primary
            .storage
            .save_raw_crash(id, &raw, &dumps)
            .await
            .unwrap();
    }

    async fn save_processed(&self, id: &CrashId, crash: Value) {
        let crash = ProcessedCrash::from_json(crash.to_string().as_bytes()).unwrap();
        self.primary
            .storage
            .save_processed(id, &crash)
            .await
            .unwrap();
    }

    /// Whether somebody has asked for that crash.
    fn is_requested(&self, id: &CrashId) -> bool {
        let requests = self.dir.path().join("standard/.queue/priority");
        requests.join(id.as_str()).exists()
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        assert!(self.text().contains(text), "no {text:?} in {}", self.text());
    }

    #[track_caller]
    fn hides(&self, text: &str) {
        assert!(!self.text().contains(text), "{text:?} in {}", self.text());
    }
}

/// A crash of today.
fn new_id() -> CrashId {
    CrashId::new(Timestamp::now().to_zoned(TimeZone::UTC).date())
}

/// A crash of long ago.
fn old_id() -> CrashId {
    "4dd21cc0-49d9-46ae-a42b-fadb42090928".parse().unwrap()
}

#[tokio::test]
async fn health_and_looks_are_open_to_all() {
    let site = Site::start().await;
    for (path, content_type) in [
        ("/__lbheartbeat__", "text/plain"),
        ("/__heartbeat__", "application/json"),
        ("/__version__", "application/json"),
        ("/static/style.css", "text/css"),
        ("/static/icon.svg", "image/svg+xml"),
    ] {
        let answer = site.ask("GET", path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
    }
    let version = site.ask("GET", "/__version__", &[]).await.json();
    assert_eq!(version["name"], "processor");
}

#[tokio::test]
async fn a_storage_that_can_not_be_read_is_not_well() {
    let site = Site::start().await;
    // A file where a directory should be.
    std::fs::write(site.dir.path().join("standard"), "").unwrap();
    let answer = site.ask("GET", "/__heartbeat__", &[]).await;
    assert_eq!(answer.status, 503);
    answer.hides(site.dir.path().to_str().unwrap());
    let answer = site.get(&format!("/report/index/{}", old_id())).await;
    assert_eq!(answer.status, 503);
    answer.shows("The storage does not answer");
    answer.hides(site.dir.path().to_str().unwrap());
    let answer = site
        .get(&format!("/crash_data/datatype/meta/uuid/{}", old_id()))
        .await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (503, &json!("unavailable"))
    );
}

#[tokio::test]
async fn every_answer_is_protected() {
    let site = Site::start().await;
    let id = new_id();
    site.save(&id, json!({}), &[("upload_file_minidump", b"MDMP")])
        .await;
    site.save_processed(&id, json!({"signature": "f"})).await;
    for (path, status) in [
        ("/".to_owned(), 200),
        ("/nowhere".to_owned(), 404),
        ("/report/index/nonsense".to_owned(), 400),
        (format!("/report/index/{id}"), 200),
        (format!("/report/index/bp-{id}"), 303),
        (format!("/crash_data/datatype/raw/uuid/{id}"), 200),
        ("/static/style.css".to_owned(), 200),
        ("/login?token=wrong".to_owned(), 401),
    ] {
        let answer = site.get(&path).await;
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn the_front_page_leads_to_the_report_of_whatever_holds_an_id() {
    let site = Site::start().await;
    site.get("/").await.shows("<h1>Open a report</h1>");
    let answer = site
        .get(&format!("/?id=+CrashID%3Dbp-{}%0A", old_id()))
        .await;
    assert_eq!(answer.status, 303);
    let expected = format!("/report/index/{}", old_id());
    assert_eq!(answer.header("location"), Some(expected.as_str()));
    let answer = site.get("/?id=%22%3E%3Cscript%3E").await;
    assert_eq!(answer.status, 400);
    answer.shows(r#"value="&#34;&#62;&#60;script&#62;""#);
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let site = Site::start().await;
    let id = new_id();
    site.save_processed(&id, json!({"signature": "f"})).await;
    let path = format!("/report/index/{id}");
    let bearer = format!("Authorization: Bearer {}", site.token());
    let get = site.ask("GET", &path, &[&bearer]).await;
    let head = site.ask("HEAD", &path, &[&bearer]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let answer = site
            .ask(method, &path, &[&bearer, "Content-Length: 0"])
            .await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
}
