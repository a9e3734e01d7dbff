//! Malformed, hostile and odd requests to the program, each with the answer that it must get. The
//! tables are in the modules: a request is a line there. (A handler that panicked would give no answer.)

mod bodies;
mod heads;
mod parts;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use socorro_core::config::Settings;
use socorro_core::storage::open::Spool;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::files;
use crate::requests::*;
use crate::server::Server;
use bodies::BODY_LIMIT;

/// What all uploads may hold in memory.
const MEMORY: usize = 8 << 20;

/// A request and what must come of it.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    /// Where the client stops sending for longer than it may.
    pause_at: Option<usize>,
    /// The client closes its side after the request.
    half_close: bool,
    expected: Expected,
}

enum Expected {
    /// This answer, and nothing in the spool. Status 0: the connection ends without an answer.
    Refused(u16, String),
    /// A crash id, and a crash with at least these entries; dumps are under `dumps`, as text.
    Stored(Value),
}

impl Case {
    fn half_closed(self) -> Self {
        let half_close = true;
        Self { half_close, ..self }
    }

    fn pausing_at(self, at: usize) -> Self {
        let pause_at = Some(at);
        Self { pause_at, ..self }
    }
}

fn case(name: &'static str, request: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case {
        name,
        request: request.into(),
        pause_at: None,
        half_close: false,
        expected,
    }
}

/// A request that is refused with this status and this body.
fn answers(name: &'static str, request: impl Into<Vec<u8>>, status: u16, body: &str) -> Case {
    case(name, request, Expected::Refused(status, body.to_owned()))
}

/// A submission that is refused with 400 and this word.
fn malformed(name: &'static str, request: impl Into<Vec<u8>>, reason: &str) -> Case {
    let body = format!("Discarded=malformed_{reason}\n");
    answers(name, request, 400, &body)
}

/// A submission that is too large: 413.
fn too_large(name: &'static str, request: impl Into<Vec<u8>>) -> Case {
    answers(name, request, 413, "Discarded=malformed_too_large\n")
}

/// A submission that is stored, with these entries.
fn stores(name: &'static str, request: impl Into<Vec<u8>>, entries: Value) -> Case {
    case(name, request, Expected::Stored(entries))
}

/// A post of that body, with its length.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    [head("/submit", headers, body.len()).as_bytes(), body].concat()
}

/// A post of these parts, and the closing boundary.
fn form(parts: &[&[u8]]) -> Vec<u8> {
    post(MULTIPART, &[&parts.concat(), END].concat())
}

/// A post of what stands where chunks should.
fn chunks(headers: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let head = format!("POST /submit HTTP/1.1\r\nHost: c\r\n{MULTIPART}{headers}\r\n");
    [head.as_bytes(), &chunks.concat()].concat()
}

fn chunk(content: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", content.len());
    [size.as_bytes(), content, b"\r\n"].concat()
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A collector with small limits, and its spool as it is seen from outside.
struct Target {
    server: Server,
    spool: Spool,
    _dir: TempDir,
}

impl Target {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "s3cret").unwrap();
        let settings = [
            format!("max_body_bytes={BODY_LIMIT}"),
            format!("max_bytes_in_flight={MEMORY}"),
            format!("submit_token_file={}", token.display()),
            "accept_submitted_crash_id=true".into(),
            "max_inflated_bytes=3145728".into(),
            "max_annotation_bytes=2000".into(),
            "max_annotations_bytes=6000".into(),
            "max_annotations=50".into(),
            "max_json_depth=8".into(),
            "max_parts=40".into(),
            "max_part_head_bytes=1000".into(),
            "max_dump_name_bytes=40".into(),
            "spill_bytes=4000".into(),
            "header_timeout=300ms".into(),
            "body_timeout=300ms".into(),
            "min_free_bytes=0".into(),
        ];
        let settings = settings.map(|setting| format!("collector.{setting}"));
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let server = Server::start(dir.path(), &settings);
        let mut shared = Settings::default();
        shared.spool.primary.clone_from(&server.spool);
        let spool = Spool::new(&shared);
        Self {
            server,
            spool,
            _dir: dir,
        }
    }

    /// Sends a request as its case says; status 0 is the end of the connection.
    async fn send(&self, case: &Case) -> (u16, String) {
        let mut stream = TcpStream::connect(self.server.address).await.unwrap();
        let (one, two) = case.request.split_at(case.pause_at.unwrap_or(0));
        // A server that refuses early may close before it has read all.
        let _ = stream.write_all(one).await;
        if case.pause_at.is_some() {
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
        let _ = stream.write_all(two).await;
        if case.half_close {
            let _ = stream.shutdown().await;
        }
        try_read_answer(&mut stream).await.unwrap_or_default()
    }

    /// What is wrong with what comes of a case.
    async fn problem_with(&self, case: &Case) -> Option<String> {
        let (status, body) = self.send(case).await;
        let problem = match &case.expected {
            Expected::Refused(expected, text) => {
                let files = files(&self.server.spool);
                let answered = (status, &body) == (*expected, text);
                (!answered || !files.is_empty())
                    .then(|| format!("{status} {body:?}, not {expected} {text:?}; {files:?}"))
            }
            Expected::Stored(_) if status != 200 || !body.starts_with("CrashID=bp-") => {
                Some(format!("{status} {body:?}, not stored"))
            }
            Expected::Stored(expected) => {
                let found = self.stored().await;
                (!contains(&found, expected)).then(|| format!("{found:#}\nlacks {expected:#}"))
            }
        };
        self.clear();
        problem.map(|problem| format!("{}: {problem}", case.name))
    }

    /// The one crash in the spool, with its dumps as text.
    async fn stored(&self) -> Value {
        let storage = &self.spool.storage;
        let ids: Vec<_> = storage.new_crashes().unwrap().map(Result::unwrap).collect();
        let [id] = ids.as_slice() else {
            return json!({ "crashes": ids.len() });
        };
        let mut entries = storage.get_raw_crash(id).await.unwrap().entries().clone();
        let dumps = storage.get_dumps(id).await.unwrap();
        let dumps = dumps.iter().map(|(name, dump)| {
            let bytes = dump.read().unwrap();
            (
                name.to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            )
        });
        entries.insert("dumps".into(), json!(BTreeMap::from_iter(dumps)));
        entries.into()
    }

    fn clear(&self) {
        for entry in std::fs::read_dir(&self.server.spool).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with(".staging") {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
    }
}

/// Sends the cases, each to a collector that has dealt with all before.
async fn all_get_their_answers(cases: Vec<Case>) {
    let mut target = Target::start();
    let good = stores("a good crash", form(&GOOD[..2]), json!({}));
    assert_eq!(target.problem_with(&good).await, None);
    let before = target.server.peak_bytes();
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(target.problem_with(case).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(target.problem_with(&good).await, None);
    assert!(
        target.server.child.try_wait().unwrap().is_none(),
        "it ended"
    );
    let more = target.server.peak_bytes() - before;
    println!("{} requests, {more} bytes more", cases.len());
    assert!(more <= MEMORY as u64, "{more} bytes more than before");
}

#[tokio::test]
async fn every_odd_head_gets_its_answer_and_a_refused_one_leaves_nothing() {
    all_get_their_answers(heads::cases()).await;
}

#[tokio::test]
async fn every_odd_body_gets_its_answer_and_a_refused_one_leaves_nothing() {
    all_get_their_answers(bodies::cases()).await;
}

#[tokio::test]
async fn every_odd_part_gets_its_answer_and_a_refused_one_leaves_nothing() {
    all_get_their_answers(parts::cases()).await;
}

fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|found| contains(found, value))),
        _ => found == expected,
    }
}
