//! Connections that go on, end halfway, or outlive the stop; a spool that comes and goes.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

fn good_request() -> Vec<u8> {
    let body = GOOD.concat();
    [head("/submit", MULTIPART, body.len()).as_bytes(), &body].concat()
}

#[tokio::test]
async fn a_connection_takes_one_crash_after_the_other() {
    let collector = start(|_| {}).await;
    let body = GOOD.concat();
    let request = [head("/submit/", MULTIPART, body.len()).as_bytes(), &body].concat();
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(&request).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.0, 200);
    }
    assert_eq!(collector.waiting(), 3);
}

/// As curl does with large bodies.
#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let collector = start(|_| {}).await;
    let body = GOOD.concat();
    let headers = format!("{MULTIPART}Expect: 100-continue\r\n");
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    let head = head("/submit", &headers, body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.0, 200);
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_sending_gets_its_answer() {
    let collector = start(|_| {}).await;
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    stream.write_all(&good_request()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read_answer(&mut stream).await.0, 200);
}

#[tokio::test]
async fn a_crash_that_is_all_there_is_stored_and_counted_though_its_sender_has_gone() {
    let collector = start(|options| options.spill_bytes = 2).await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&collector.address).await.unwrap();
        stream.write_all(&good_request()).await.unwrap();
    }
    until(async || collector.accepted().await == 20).await;
    assert_eq!(collector.waiting(), 20);
    // For each a dump, the json and two links; no leftovers of uploads.
    assert_eq!(collector.files().len(), 20 * 4);
}

#[tokio::test]
async fn an_upload_that_has_begun_is_finished_after_the_stop() {
    let collector = start(|options| options.body_timeout = Duration::from_secs(60).into()).await;
    let request = good_request();
    let (one, two) = request.split_at(request.len() - 40);
    let mut stream = TcpStream::connect(&collector.address).await.unwrap();
    stream.write_all(one).await.unwrap();
    until(async || collector.metric("uploads_in_flight").await == 1).await;
    collector.stop.cancel();
    until(async || TcpStream::connect(&collector.address).await.is_err()).await;
    stream.write_all(two).await.unwrap();
    let (status, text) = read_answer(&mut stream).await;
    assert!(
        status == 200 && text.starts_with("CrashID=bp-"),
        "{status} {text}"
    );
    collector.server.await.unwrap();
    assert_eq!(collector.spool.storage.new_crashes().unwrap().count(), 1);
}

const LB_HEARTBEAT: &[u8] =
    b"GET /__lbheartbeat__ HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_load_balancer_is_answered_while_all_uploads_stall_and_others_wait() {
    let collector = start(|options| {
        (options.connections, options.uploads) = (8, 2);
        options.body_timeout = Duration::from_secs(60).into();
        options.refuse_after = Duration::from_secs(60).into();
    })
    .await;
    let mut stalled = Vec::new();
    // Two upload, four wait to upload, for the others there is no room.
    for _ in 0..6 {
        let mut stream = TcpStream::connect(&collector.address).await.unwrap();
        stream.write_all(&good_request()[..200]).await.unwrap();
        stalled.push(stream);
    }
    until(async || collector.send(&good_request()).await.0 == 503).await;
    assert_eq!(collector.metric("uploads_in_flight").await, 2);
    assert!(collector.refused("busy").await > 0);
    for _ in 0..20 {
        assert_eq!(collector.send(LB_HEARTBEAT).await.0, 200);
    }
    // Those that wait take the place of those that go.
    drop(stalled);
    until(async || collector.send(&good_request()).await.0 == 200).await;
}

#[tokio::test]
async fn an_upload_that_finds_no_place_in_time_is_told_to_come_back() {
    let collector = start(|options| {
        options.uploads = 1;
        options.body_timeout = Duration::from_secs(60).into();
        options.refuse_after = Duration::from_millis(50).into();
    })
    .await;
    let mut first = TcpStream::connect(&collector.address).await.unwrap();
    let request = good_request();
    first.write_all(&request[..200]).await.unwrap();
    until(async || collector.metric("uploads_in_flight").await == 1).await;
    let head = collector.answer_head(&request).await;
    assert!(
        head.starts_with("HTTP/1.1 503") && head.contains("retry-after: "),
        "{head}"
    );
    first.write_all(&request[200..]).await.unwrap();
    assert_eq!(read_answer(&mut first).await.0, 200);
}

#[tokio::test]
async fn connections_that_are_idle_or_slow_with_their_heads_make_room_for_others() {
    let collector = start(|options| (options.connections, options.uploads) = (4, 1)).await;
    let mut others = Vec::new();
    for round in 0..20 {
        let mut idle = TcpStream::connect(&collector.address).await.unwrap();
        idle.write_all(&good_request()).await.unwrap();
        assert_eq!(read_answer(&mut idle).await.0, 200, "{round}");
        let mut slow = TcpStream::connect(&collector.address).await.unwrap();
        slow.write_all(b"POST /submit HT").await.unwrap();
        others.extend([idle, slow]);
        assert_eq!(collector.send(LB_HEARTBEAT).await.0, 200, "{round}");
    }
    assert_eq!(collector.waiting(), 20);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let collector =
        start(|options| options.header_timeout = Duration::from_millis(50).into()).await;
    let mut slow = TcpStream::connect(&collector.address).await.unwrap();
    slow.write_all(b"POST /submit HT").await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
}

#[tokio::test]
async fn what_uploads_hold_in_memory_is_bounded_by_the_disk_and_then_by_refusals() {
    let collector = start(|options| {
        options.max_bytes_in_flight = 20_000;
        options.body_timeout = Duration::from_secs(60).into();
    })
    .await;
    let dump = [
        PRODUCT,
        &file("upload_file_minidump", &[b'x'; 100_000]),
        END,
    ]
    .concat();
    assert_eq!(collector.post(MULTIPART, &dump).await.0, 200, "to the disk");
    let large = [&pair("a", &[b'x'; 30_000])[..], END].concat();
    assert_eq!(collector.post(MULTIPART, &large).await.0, 503);
    assert_eq!(collector.refused("busy").await, 1);
    let half = [&pair("a", &[b'x'; 15_000])[..], END].concat();
    let mut first = TcpStream::connect(&collector.address).await.unwrap();
    let request = [head("/submit", MULTIPART, half.len()).as_bytes(), &half].concat();
    let (one, two) = request.split_at(request.len() - 9);
    first.write_all(one).await.unwrap();
    until(async || collector.post(MULTIPART, &half).await.0 == 503).await;
    first.write_all(two).await.unwrap();
    assert_eq!(read_answer(&mut first).await.0, 200);
    until(async || collector.post(MULTIPART, &half).await.0 == 200).await;
}

#[tokio::test]
async fn a_spool_that_takes_nothing_is_told_to_clients_and_the_load_balancer_until_it_does() {
    let collector = start(|options| options.refuse_after = Duration::from_millis(50).into()).await;
    let root = collector.spool.trees[0].root().to_owned();
    let away = root.with_extension("away");
    collector.accepts_a_crash().await;
    std::fs::rename(&root, &away).unwrap();
    std::fs::write(&root, "a file where the spool should be").unwrap();
    let heartbeat = b"GET /__heartbeat__ HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";

    // The first failure drops what was open.
    until(async || collector.post(MULTIPART, &GOOD.concat()).await.0 == 503).await;
    let refusal = collector.answer_head(&good_request()).await;
    assert!(refusal.contains("retry-after: "), "{refusal}");
    assert_eq!(collector.send(heartbeat).await.0, 503);
    assert!(collector.refused("not_stored").await > 0);

    std::fs::remove_file(&root).unwrap();
    std::fs::rename(&away, &root).unwrap();
    let accepted = collector.accepted().await;
    collector.accepts_a_crash().await;
    assert_eq!(collector.accepted().await, accepted + 1);
    assert_eq!(collector.send(heartbeat).await.0, 200);
}
