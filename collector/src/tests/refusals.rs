//! What is refused, and that it leaves nothing behind.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

const GZIP: &str = "Content-Type: multipart/form-data; boundary=XX\r\nContent-Encoding: gzip\r\n";

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Posts each body and expects its refusal: told, counted, nothing stored.
async fn all_refused(collector: &Running, status: u16, cases: &[(&str, &str, Vec<u8>)]) {
    for (reason, headers, body) in cases {
        let before = collector.refused(reason).await;
        let answer = collector.post(headers, body).await;
        assert_eq!(answer, (status, format!("Discarded={reason}\n")));
        let counted = collector.refused(reason).await - before;
        assert_eq!(counted, 1, "{reason} is counted");
        assert_eq!(collector.files(), Vec::<PathBuf>::new(), "{reason}");
    }
    collector.accepts_a_crash().await;
    assert_eq!(collector.accepted().await, 1, "refusals are not accepted");
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason_and_counted_and_nothing_is_stored() {
    let collector = start(|options| options.max_parts = 10).await;
    let structure = "malformed_invalid_payload_structure";
    let (no_json, no_object) = ("malformed_invalid_json", "malformed_invalid_json_value");
    let none = "malformed_no_annotations";
    let good = GOOD.concat();
    let json = |text: &str| [json_part(text), END.to_vec()].concat();
    let mut not_utf8 = json("{\"a\":\"x\"}");
    let value = not_utf8.iter().rposition(|c| *c == b'x').unwrap();
    not_utf8[value] = 0xff;
    let bare_line_ends: Vec<u8> = good.iter().copied().filter(|c| *c != b'\r').collect();
    let zipped = gzip(&good);
    let cut_off = zipped[..zipped.len() - 9].to_vec();
    let cases = [
        ("malformed_no_content_type", "", good.clone()),
        (
            "malformed_wrong_content_type",
            "Content-Type: text/plain\r\n",
            good.clone(),
        ),
        (
            "malformed_no_boundary",
            "Content-Type: multipart/form-data\r\n",
            good.clone(),
        ),
        (structure, MULTIPART, Vec::new()),
        (structure, MULTIPART, b"not multipart".to_vec()),
        (structure, MULTIPART, [PRODUCT, DUMP].concat()),
        (structure, MULTIPART, bare_line_ends),
        (none, MULTIPART, [DUMP, END].concat()),
        (none, MULTIPART, END.to_vec()),
        (none, MULTIPART, json("{}")),
        (no_json, MULTIPART, json("{\"a\":")),
        (
            "malformed_json_too_deep",
            MULTIPART,
            json(&"[".repeat(4_000)),
        ),
        (no_json, MULTIPART, not_utf8),
        (no_object, MULTIPART, json("[1]")),
        ("malformed_bad_gzip", GZIP, good.clone()),
        ("malformed_bad_gzip", GZIP, cut_off),
        (
            "malformed_too_many_parts",
            MULTIPART,
            [PRODUCT.repeat(11), END.to_vec()].concat(),
        ),
    ];
    all_refused(&collector, 400, &cases).await;

    let brotli = format!("{MULTIPART}Content-Encoding: br\r\n");
    let encoding = "malformed_unknown_content_encoding";
    assert_eq!(collector.post(&brotli, &good).await.0, 415);
    assert_eq!(collector.refused(encoding).await, 1);
}

#[tokio::test]
async fn what_is_too_large_is_refused_wherever_it_is_too_large() {
    let collector = start(|options| {
        options.max_body_bytes = 100_000;
        options.max_inflated_bytes = 1_000_000;
        options.max_annotation_bytes = 5_000;
        options.max_annotations_bytes = 20_000;
        options.spill_bytes = 10;
    })
    .await;
    let reason = "malformed_too_large";
    let whole = |parts: &[u8]| [PRODUCT, parts, END].concat();
    let bomb = gzip(&whole(&file("upload_file_minidump", &vec![0; 2_000_000])));
    assert!(bomb.len() < 5_000);
    let cases = [
        (reason, MULTIPART, whole(&DUMP.repeat(2_000))),
        (reason, MULTIPART, whole(&pair("a", &[b'x'; 5_001]))),
        (
            reason,
            MULTIPART,
            whole(&pair("a", &[b'x'; 4_000]).repeat(6)),
        ),
        (
            reason,
            MULTIPART,
            whole(&json_part(&format!("{{\"a\":\"{}\"}}", "x".repeat(5_000)))),
        ),
        (reason, GZIP, bomb),
    ];
    all_refused(&collector, 413, &cases).await;
}

#[tokio::test]
async fn a_body_that_grows_too_large_chunk_by_chunk_is_refused_as_well() {
    let collector = start(|options| options.max_body_bytes = 1_000).await;
    let chunk = [&b"64\r\n"[..], &[b'x'; 100], b"\r\n"].concat();
    let head = "POST /submit HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n";
    let start = format!("{head}{MULTIPART}\r\n").into_bytes();
    let answer = collector.send(&[start, chunk.repeat(11)].concat()).await;
    assert_eq!(answer, (413, "Discarded=malformed_too_large\n".into()));
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_what_is_right_and_counted() {
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
    assert_eq!(collector.refused("wrong_method").await, 3);
    assert_eq!(collector.refused("unknown_path").await, 1);

    let head = collector.answer_head(&request("GET /submit")).await;
    assert!(head.contains("allow: POST\r\n"), "{head}");
}

#[tokio::test]
async fn a_client_that_stalls_or_goes_away_leaves_nothing_behind() {
    let collector = start(|options| options.spill_bytes = 2).await;
    let head = head("/submit", MULTIPART, GOOD.concat().len());
    let part = [head.as_bytes(), PRODUCT, &DUMP[..DUMP.len() - 2]].concat();

    let answer = collector.send(&part).await;
    assert_eq!(answer, (408, "Discarded=malformed_stalled\n".into()));
    assert_eq!(collector.files(), Vec::<PathBuf>::new());

    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    stream.write_all(&part).await.unwrap();
    drop(stream);
    until(async || collector.refused("malformed_incomplete").await == 1).await;
    assert_eq!(collector.files(), Vec::<PathBuf>::new());
    assert_eq!(collector.metric("uploads_in_flight").await, 0);
    collector.accepts_a_crash().await;
}

#[tokio::test]
async fn a_client_that_is_refused_early_can_send_on_and_then_reads_why() {
    let collector = start(|options| options.max_body_bytes = 1_000).await;
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    for headers in [MULTIPART, "Content-Type: text/plain\r\n"] {
        let size = 20 << 20;
        let head = head("/submit", headers, size);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; size]).await.unwrap();
        let (status, _) = read_answer(&mut stream).await;
        assert!(status == 413 || status == 400, "{status}");
    }
    stream
        .write_all(b"GET /__lbheartbeat__ HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read_answer(&mut stream).await.0, 200);
}

/// A byte in every 100 ms would never be silent for the 300 ms that may pass.
#[tokio::test]
async fn a_client_that_sends_too_little_is_not_waited_for() {
    let collector = start(|options| options.min_body_rate = 1_000).await;
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    let head = head("/submit", MULTIPART, 1_000_000);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"-").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = vec![0; 12];
    reading.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    drop(reading);
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_slow_client_that_keeps_sending_is_waited_for() {
    let collector = start(|_| {}).await;
    let body = GOOD.concat();
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    let head = head("/submit", MULTIPART, body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // Each pause is shorter than the time-out of 300 ms, all of them together are longer.
    for piece in body.chunks(body.len() / 4) {
        tokio::time::sleep(Duration::from_millis(120)).await;
        stream.write_all(piece).await.unwrap();
    }
    assert_eq!(read_answer(&mut stream).await.0, 200);
}
