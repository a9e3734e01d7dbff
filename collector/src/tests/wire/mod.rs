//! Malformed, hostile and odd requests over a real socket, each with the answer that it must get.
//! The tables are in the modules: a request is a line there. (A handler that panicked would give no
//! answer.)

mod bodies;
mod heads;
mod parts;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::*;
use bodies::BODY_LIMIT;

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

async fn start_for_cases(token: &std::path::Path) -> Running {
    let token = token.to_owned();
    start(|options| {
        options.max_body_bytes = BODY_LIMIT as u64;
        options.max_inflated_bytes = 3 << 20;
        options.max_annotation_bytes = 2_000;
        options.max_annotations_bytes = 6_000;
        options.max_annotations = 50;
        options.max_json_depth = 8;
        options.max_parts = 40;
        options.max_part_head_bytes = 1_000;
        options.spill_bytes = 4_000;
        options.header_timeout = Duration::from_millis(300).into();
        options.accept_submitted_crash_id = true;
        options.submit_token_file = token;
    })
    .await
}

/// Sends a request as its case says; status 0 is the end of the connection.
async fn send(collector: &Running, case: &Case) -> (u16, String) {
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
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

#[tokio::test]
async fn every_request_gets_its_answer_and_a_refused_one_leaves_nothing() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "s3cret").unwrap();
    let collector = start_for_cases(token.path()).await;
    let cases = [heads::cases(), bodies::cases(), parts::cases()].into_iter();
    let cases: Vec<Case> = cases.flatten().collect();
    assert!(cases.len() >= 150, "{} requests", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (status, body) = send(&collector, case).await;
        let problem = match &case.expected {
            Expected::Refused(expected, text) => {
                let files = collector.files();
                let answered = (status, &body) == (*expected, text);
                clear(&collector);
                (!answered || !files.is_empty())
                    .then(|| format!("{status} {body:?}, not {expected} {text:?}; {files:?}"))
            }
            Expected::Stored(_) if status != 200 || !body.starts_with("CrashID=bp-") => {
                Some(format!("{status} {body:?}, not stored"))
            }
            Expected::Stored(expected) => {
                let found = stored_entries(&collector).await;
                clear(&collector);
                (!contains(&found, expected)).then(|| format!("{found:#}\nlacks {expected:#}"))
            }
        };
        wrong.extend(problem.map(|problem| format!("{}: {problem}", case.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    collector.accepts_a_crash().await;
}

/// The one crash in the spool, with its dumps as text.
async fn stored_entries(collector: &Running) -> Value {
    let (raw, dumps) = collector.stored().await;
    let mut entries = raw.entries().clone();
    let text = |(name, dump): (String, Vec<u8>)| {
        (name, String::from_utf8_lossy(&dump).into_owned().into())
    };
    let dumps: serde_json::Map<String, Value> = dumps.into_iter().map(text).collect();
    entries.insert("dumps".into(), dumps.into());
    entries.into()
}

fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|found| contains(found, value))),
        _ => found == expected,
    }
}

fn clear(collector: &Running) {
    let entries = std::fs::read_dir(collector.spool.trees[0].root());
    for entry in entries.into_iter().flatten() {
        let path = entry.unwrap().path();
        if !path.ends_with(".staging") {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}
