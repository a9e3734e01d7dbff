//! The three forms of a crash for programs.

use super::*;

fn path(datatype: &str, id: impl std::fmt::Display) -> String {
    format!("/crash_data/datatype/{datatype}/uuid/{id}")
}

#[tokio::test]
async fn dumps_are_sent_byte_for_byte_as_attachments() {
    let site = Site::start().await;
    let id = new_id();
    let main: Vec<u8> = (0..3_000_000_u32)
        .map(|at| (at ^ (at >> 7)) as u8)
        .collect();
    let other = b"<script>alert(1)</script>";
    site.save(
        &id,
        json!({}),
        &[("upload_file_minidump", &main), ("browser", other)],
    )
    .await;
    for (query, bytes, file_name) in [
        ("", &main[..], format!("{id}.dmp")),
        ("?name=upload_file_minidump", &main[..], format!("{id}.dmp")),
        ("?name=browser", &other[..], format!("{id}.browser.dmp")),
    ] {
        let answer = site.get(&(path("raw", id) + query)).await;
        assert_eq!(answer.status, 200, "{query}");
        assert!(answer.body == bytes, "{query}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/octet-stream")
        );
        let expected = format!("attachment; filename=\"{file_name}\"");
        assert_eq!(
            answer.header("content-disposition"),
            Some(expected.as_str())
        );
    }
    let bearer = format!("Authorization: Bearer {}", site.token());
    let head = site.ask("HEAD", &path("raw", id), &[&bearer]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("3000000"));
}

#[tokio::test]
async fn a_slow_client_keeps_its_place_and_gives_it_back() {
    let site = Site::start().await;
    let id = new_id();
    // More than the kernel takes off our hands.
    let dump = vec![7; 20_000_000];
    site.save(&id, json!({}), &[("upload_file_minidump", &dump)])
        .await;
    let path = path("raw", id);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\n\r\n",
        site.token()
    );
    let mut slow = Vec::new();
    for _ in 0..DOWNLOADS_AT_A_TIME {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // Its answer has begun, so it has its place.
        stream.read_exact(&mut [0]).await.unwrap();
        slow.push(stream);
    }
    let next = site.get(&path);
    tokio::pin!(next);
    let patience = Duration::from_millis(300);
    assert!(tokio::time::timeout(patience, &mut next).await.is_err());
    slow.pop();
    assert!(next.await.body == dump);
}

#[tokio::test]
async fn annotations_and_processed_crash_are_json() {
    let site = Site::start().await;
    let id = new_id();
    let raw = json!({"Email": "a@b", "ProductName": "Arena", "legacy_processing": 0});
    let processed = json!({"signature": "f", "json_dump": {"threads": []}});
    site.save(&id, raw.clone(), &[]).await;
    site.save_processed(&id, processed.clone()).await;
    let answer = site.get(&path("meta", id)).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!((answer.status, answer.json()), (200, raw));
    let answer = site.get(&path("processed", format!("bp-{id}"))).await;
    assert_eq!((answer.status, answer.json()), (200, processed));
}

#[tokio::test]
async fn what_is_not_there_yet_is_asked_for() {
    let site = Site::start().await;
    let (stored, coming) = (new_id(), new_id());
    site.save(&stored, json!({}), &[]).await;
    for id in [stored, coming] {
        let answer = site.get(&path("processed", id)).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (408, &json!("pending"))
        );
        assert!(answer.header("retry-after").is_some());
        assert!(site.is_requested(&id), "{id}");
    }
}

#[tokio::test]
async fn a_program_that_polls_asks_once() {
    let site = Site::start().await;
    let id = new_id();
    site.save(&id, json!({}), &[]).await;
    assert_eq!(site.get(&path("processed", id)).await.status, 408);
    // A processor takes the request.
    std::fs::remove_dir_all(site.dir.path().join("standard/.queue")).unwrap();
    assert_eq!(site.get(&path("processed", id)).await.status, 408);
    assert!(!site.is_requested(&id));
}

#[tokio::test]
async fn parts_of_a_crash_that_has_not_arrived_are_not_there_yet() {
    let site = Site::start().await;
    let (coming, here) = (new_id(), new_id());
    site.save(&here, json!({}), &[]).await;
    for datatype in ["raw", "meta"] {
        assert_eq!(site.get(&path(datatype, coming)).await.status, 408);
        assert_eq!(site.get(&path(datatype, old_id())).await.status, 404);
    }
    assert_eq!(site.get(&path("processed", old_id())).await.status, 404);
    assert!(!site.is_requested(&coming) && !site.is_requested(&old_id()));
    // The crash is there, and it has no dump.
    let answer = site.get(&path("raw", here)).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (404, &json!("not_found"))
    );
}

#[tokio::test]
async fn mistakes_are_told_in_json() {
    let site = Site::start().await;
    for (path, error) in [
        (path("raw", "nonsense"), "invalid_crash_id"),
        (path("meta", "../../etc/passwd"), "not_found"),
        (path("everything", old_id()), "bad_request"),
        (path("raw", old_id()) + "?name=..%2Fmain", "bad_request"),
        (path("raw", old_id()) + "?name=dump", "bad_request"),
        ("/crash_data/".to_owned(), "not_found"),
    ] {
        let answer = site.get(&path).await;
        assert_eq!(answer.json()["error"], error, "{path}");
        assert!(matches!(answer.status, 400 | 404), "{path}");
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
}
