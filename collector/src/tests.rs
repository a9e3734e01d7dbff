//! The collector over real sockets: what it refuses, and what it survives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use socorro_core::config::{Config, Settings};
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
    let mut shared = Settings::default();
    shared.spool.primary = dir.path().join("spool");
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
    while TcpStream::connect(&metrics).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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

    async fn post(&self, head: &str, body: &[u8]) -> (u16, String) {
        let length = body.len();
        let head =
            format!("POST /submit HTTP/1.1\r\nHost: c\r\nContent-Length: {length}\r\n{head}\r\n");
        self.send(&[head.as_bytes(), body].concat()).await
    }

    async fn refused(&self, reason: &str) -> u64 {
        let request = b"GET /metrics HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
        let (_, text) = exchange(&self.metrics, request).await;
        let name = format!("socorro_collector_refused_total{{reason=\"{reason}\"}}");
        text.lines()
            .find_map(|line| line.strip_prefix(&name)?.trim().parse().ok())
            .unwrap_or(0)
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
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, body[..length].to_owned());
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => panic!("no whole answer: {text:?}"),
            Ok(read) => bytes.extend(&buffer[..read]),
        }
    }
}

const MULTIPART: &str = "Content-Type: multipart/form-data; boundary=XX\r\n";
const PRODUCT: &[u8] =
    b"--XX\r\nContent-Disposition: form-data; name=\"ProductName\"\r\n\r\nArena\r\n";
const DUMP: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
    filename=\"a\"\r\n\r\nMDMP\r\n";
const END: &[u8] = b"--XX--\r\n";
const GOOD: [&[u8]; 3] = [PRODUCT, DUMP, END];

fn json_part(json: &str) -> Vec<u8> {
    let head = "--XX\r\nContent-Disposition: form-data; name=\"extra\"; filename=\"extra.json\"\r\n\
                Content-Type: application/json\r\n\r\n";
    [head.as_bytes(), json.as_bytes(), b"\r\n", END].concat()
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason_and_counted_and_nothing_is_stored() {
    let collector = start(|options| {
        options.max_body_bytes = 100_000;
        options.max_annotation_bytes = 5_000;
        options.max_parts = 10;
    })
    .await;
    let gzip = format!("{MULTIPART}Content-Encoding: gzip\r\n");
    let part = |content: &[u8]| {
        let head = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n";
        [&head[..], content, b"\r\n", END].concat()
    };
    let many = [PRODUCT.repeat(11), END.to_vec()].concat();
    let large_dump = [PRODUCT, &DUMP.repeat(2_000), END].concat();
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("", GOOD.concat(), 400, "malformed_no_content_type"),
        (
            "Content-Type: text/plain\r\n",
            GOOD.concat(),
            400,
            "malformed_wrong_content_type",
        ),
        (
            "Content-Type: multipart/form-data\r\n",
            GOOD.concat(),
            400,
            "malformed_no_boundary",
        ),
        (
            MULTIPART,
            Vec::new(),
            400,
            "malformed_invalid_payload_structure",
        ),
        (
            MULTIPART,
            b"not multipart".to_vec(),
            400,
            "malformed_invalid_payload_structure",
        ),
        (
            MULTIPART,
            [PRODUCT, DUMP].concat(),
            400,
            "malformed_invalid_payload_structure",
        ),
        (
            MULTIPART,
            [DUMP, END].concat(),
            400,
            "malformed_no_annotations",
        ),
        (MULTIPART, END.to_vec(), 400, "malformed_no_annotations"),
        (MULTIPART, json_part("{}"), 400, "malformed_no_annotations"),
        (
            MULTIPART,
            json_part("{\"a\":"),
            400,
            "malformed_invalid_json",
        ),
        (
            MULTIPART,
            json_part(&"[".repeat(4_000)),
            400,
            "malformed_invalid_json",
        ),
        (
            MULTIPART,
            json_part("[1]"),
            400,
            "malformed_invalid_json_value",
        ),
        (&gzip, GOOD.concat(), 400, "malformed_bad_gzip"),
        (MULTIPART, large_dump, 413, "malformed_too_large"),
        (MULTIPART, part(&[b'x'; 6_000]), 413, "malformed_too_large"),
        (MULTIPART, many, 400, "malformed_too_many_parts"),
    ];
    for (head, body, status, reason) in cases {
        let before = collector.refused(reason).await;
        let answer = collector.post(head, &body).await;
        assert_eq!(answer, (status, format!("Discarded={reason}\n")));
        assert_eq!(
            collector.refused(reason).await,
            before + 1,
            "{reason} is counted"
        );
        assert_eq!(
            collector.files(),
            Vec::<PathBuf>::new(),
            "{reason}: nothing is stored"
        );
    }
    let brotli = format!("{MULTIPART}Content-Encoding: br\r\n");
    assert_eq!(collector.post(&brotli, &GOOD.concat()).await.0, 415);
    collector.accepts_a_crash().await;
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_what_is_right() {
    let collector = start(|_| {}).await;
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: c\r\n\r\n").into_bytes();
    for (line, status, part) in [
        ("GET /submit", 405, "POST"),
        ("PUT /submit", 405, "POST"),
        ("POST /__heartbeat__", 405, "GET"),
        ("GET /", 404, "/submit"),
        ("GET /__lbheartbeat__", 200, ""),
        ("GET /__heartbeat__", 200, "\"errors\":[]"),
        ("GET /__version__", 200, "collector"),
    ] {
        let (found, body) = collector.send(&request(line)).await;
        assert_eq!(found, status, "{line}: {body}");
        assert!(body.contains(part), "{line}: {body}");
    }
}

#[tokio::test]
async fn a_client_that_stalls_or_goes_away_leaves_nothing_behind() {
    let collector = start(|options| options.spill_bytes = 10).await;
    let length = GOOD.concat().len();
    let head =
        format!("POST /submit HTTP/1.1\r\nHost: c\r\n{MULTIPART}Content-Length: {length}\r\n\r\n");
    let part = [head.as_bytes(), PRODUCT, &DUMP[..DUMP.len() - 2]].concat();

    let answer = collector.send(&part).await;
    assert_eq!(answer, (408, "Discarded=malformed_stalled\n".into()));
    assert_eq!(collector.files(), Vec::<PathBuf>::new());

    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    stream.write_all(&part).await.unwrap();
    drop(stream);
    while collector.refused("malformed_stalled").await < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(collector.files(), Vec::<PathBuf>::new());
    collector.accepts_a_crash().await;
}

#[tokio::test]
async fn a_connection_takes_one_crash_after_the_other() {
    let collector = start(|_| {}).await;
    let body = GOOD.concat();
    let length = body.len();
    let head =
        format!("POST /submit/ HTTP/1.1\r\nHost: c\r\n{MULTIPART}Content-Length: {length}\r\n\r\n");
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(&[head.as_bytes(), &body].concat())
            .await
            .unwrap();
        assert_eq!(read_answer(&mut stream).await.0, 200);
    }
    assert_eq!(collector.spool.storage.new_crashes().unwrap().count(), 3);
}

#[tokio::test]
async fn an_upload_that_has_begun_is_finished_after_the_stop() {
    let collector = start(|options| options.body_timeout = Duration::from_secs(60).into()).await;
    let body = GOOD.concat();
    let (one, two) = body.split_at(body.len() / 2);
    let length = body.len();
    let head =
        format!("POST /submit HTTP/1.1\r\nHost: c\r\n{MULTIPART}Content-Length: {length}\r\n\r\n");
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    stream
        .write_all(&[head.as_bytes(), one].concat())
        .await
        .unwrap();
    let in_flight = b"GET /metrics HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";
    while !exchange(&collector.metrics, in_flight)
        .await
        .1
        .contains("uploads_in_flight 1")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    collector.stop.cancel();
    while TcpStream::connect(&collector.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(two).await.unwrap();
    let (status, text) = read_answer(&mut stream).await;
    assert!(
        status == 200 && text.starts_with("CrashID=bp-"),
        "{status} {text}"
    );
    collector.server.await.unwrap();
    assert_eq!(collector.spool.storage.new_crashes().unwrap().count(), 1);
}

async fn stored(collector: &Running) -> socorro_core::raw_crash::RawCrash {
    let id = collector
        .spool
        .storage
        .new_crashes()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    collector.spool.storage.get_raw_crash(&id).await.unwrap()
}

#[tokio::test]
async fn what_a_client_calls_otherwise_or_sends_twice_or_forges_is_kept_in_its_place() {
    let collector = start(|_| {}).await;
    let pair = |name: &str, value: &[u8]| {
        let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), value, b"\r\n"].concat()
    };
    let dump = |name: &str| {
        let head =
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=x\r\n\r\n");
        [head.as_bytes(), name.as_bytes(), b"\r\n"].concat()
    };
    let body = [
        pair("prod", b"Arena"),
        pair("submitted_timestamp", b"1999-01-01"),
        pair("legacy_processing", b"2"),
        pair("metadata", b"{}"),
        pair("Odd", b"a\0b\xff"),
        pair("Twice", b"one"),
        pair("Twice", b"two"),
        dump("../../x"),
        dump("x"),
        dump("dump"),
        END.to_vec(),
    ]
    .concat();
    let length = body.len();
    let head = format!(
        "POST /submit?ver=7%2E1&prod=Other&Twice=no HTTP/1.1\r\nHost: c\r\n{MULTIPART}\
         Content-Length: {length}\r\n\r\n"
    );
    assert_eq!(
        collector.send(&[head.as_bytes(), &body].concat()).await.0,
        200
    );

    let raw = stored(&collector).await;
    for (name, value) in [
        ("prod", "Arena"),
        ("ProductName", "Arena"),
        ("ver", "7.1"),
        ("Version", "7.1"),
        ("Twice", "two"),
        ("Odd", "ab\u{fffd}"),
    ] {
        assert_eq!(raw.get_str(name), Some(value), "{name}");
    }
    assert!(
        raw.get_str("submitted_timestamp")
            .unwrap()
            .starts_with("20")
    );
    assert_eq!(raw.get("legacy_processing"), Some(&0.into()));
    assert_eq!(
        raw.get("metadata").unwrap()["throttle_rule"],
        "accept_everything"
    );
    let notes = raw.get("metadata").unwrap()["collector_notes"].to_string();
    for part in ["Odd", "Twice", "metadata", "x_2", "dump_"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let id = collector
        .spool
        .storage
        .new_crashes()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let dumps = collector.spool.storage.get_dumps(&id).await.unwrap();
    let names: Vec<_> = dumps.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["dump_", "x", "x_2"]);
    assert_eq!(&dumps["x_2"].read().unwrap()[..], b"x");
}

#[tokio::test]
async fn throttled_submissions_are_answered_as_the_rule_says() {
    let rule = |name: &str, product: &str, result: &str| {
        let text = format!(
            "name = {name:?}\nannotation = \"ProductName\"\nequals = {product:?}\nresult = {result:?}"
        );
        toml::from_str(&text).unwrap()
    };
    let collector = start(|options| {
        options.throttle = vec![
            rule("no_beta", "Beta", "discard"),
            rule("unknown", "Other", "ignore"),
            rule("later", "Later", "defer"),
        ];
    })
    .await;
    let product = |name: &str| {
        let head = "--XX\r\nContent-Disposition: form-data; name=\"ProductName\"\r\n\r\n";
        [head.as_bytes(), name.as_bytes(), b"\r\n", END].concat()
    };
    assert_eq!(
        collector.post(MULTIPART, &product("Beta")).await.1,
        "Discarded=no_beta\n"
    );
    assert_eq!(
        collector.post(MULTIPART, &product("Other")).await.1,
        "Unsupported=1\n"
    );
    assert_eq!(collector.files(), Vec::<PathBuf>::new());
    assert!(
        collector
            .post(MULTIPART, &product("Later"))
            .await
            .1
            .starts_with("CrashID=")
    );
    let raw = stored(&collector).await;
    assert_eq!(raw.get("legacy_processing"), Some(&1.into()));
    assert_eq!(raw.get("metadata").unwrap()["throttle_rule"], "later");
}

#[tokio::test]
async fn a_senders_crash_id_is_kept_only_with_the_token() {
    let token_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token_file.path(), "s3cret\n").unwrap();
    let collector = start(|options| {
        options.accept_submitted_crash_id = true;
        options.submit_token_file = token_file.path().to_owned();
    })
    .await;
    const ID: &str = "4dd21cc0-49d9-46ae-a42b-fadb42090928";
    let body = |id: &str| {
        let pair = format!("--XX\r\nContent-Disposition: form-data; name=\"uuid\"\r\n\r\n{id}\r\n");
        [pair.as_bytes(), &GOOD.concat()].concat()
    };
    let with = |token: &str| format!("{MULTIPART}Authorization: Bearer {token}\r\n");
    for head in [MULTIPART, &with("wrong"), &with("")] {
        let answer = collector.post(head, &body(ID)).await;
        assert_eq!(answer, (401, "Discarded=unauthorized_uuid\n".into()));
    }
    let answer = collector.post(&with("s3cret"), &body("nonsense")).await;
    assert_eq!(answer, (400, "Discarded=malformed_invalid_uuid\n".into()));
    assert_eq!(collector.files(), Vec::<PathBuf>::new());
    let answer = collector.post(&with("s3cret"), &body(ID)).await;
    assert_eq!(answer, (200, format!("CrashID=bp-{ID}\n")));
    collector.accepts_a_crash().await;
}

#[tokio::test]
async fn a_spool_that_takes_nothing_is_told_to_clients_and_the_load_balancer_until_it_does() {
    let collector = start(|_| {}).await;
    let root: &Path = collector.spool.trees[0].root();
    let away = root.with_extension("away");
    collector.accepts_a_crash().await;
    std::fs::rename(root, &away).unwrap();
    std::fs::write(root, "a file where the spool should be").unwrap();
    let heartbeat = b"GET /__heartbeat__ HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";

    // The first failure drops what was open.
    while collector.post(MULTIPART, &GOOD.concat()).await.0 != 503 {}
    assert_eq!(collector.send(heartbeat).await.0, 503);
    assert!(collector.refused("not_stored").await > 0);

    std::fs::remove_file(root).unwrap();
    std::fs::rename(&away, root).unwrap();
    collector.accepts_a_crash().await;
    assert_eq!(collector.send(heartbeat).await.0, 200);
}

#[tokio::test]
async fn a_large_dump_goes_through_the_disk_byte_for_byte() {
    let collector = start(|_| {}).await;
    let large: Vec<u8> = (0..20u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let head = b"--XX\r\nContent-Disposition: form-data; name=big; filename=x\r\n\r\n";
    let body = [PRODUCT, head, &large, b"\r\n", END].concat();
    assert_eq!(collector.post(MULTIPART, &body).await.0, 200);
    let id = collector
        .spool
        .storage
        .new_crashes()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let dumps = collector.spool.storage.get_dumps(&id).await.unwrap();
    assert!(dumps["big"].read().unwrap() == large);
}
