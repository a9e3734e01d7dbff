//! What is kept of a submission, and what rules make of it.

use std::path::PathBuf;

use super::*;

#[tokio::test]
async fn what_a_client_calls_otherwise_or_sends_twice_or_forges_is_kept_in_its_place() {
    let collector = start(|_| {}).await;
    let body = [
        pair("prod", b"Arena"),
        pair("submitted_timestamp", b"1999-01-01"),
        pair("legacy_processing", b"2"),
        pair("metadata", b"{}"),
        pair("uuid", b"4dd21cc0-49d9-46ae-a42b-fadb42090928"),
        pair("Odd", b"a\0b\xff"),
        pair("Twice", b"one"),
        pair("Twice", b"two"),
        file("../../x", b"one"),
        file("x", b"two"),
        file("dump", b""),
        END.to_vec(),
    ]
    .concat();
    let target = "/submit?ver=7%2E1&prod=Other&Twice=no&Nul=a%00b";
    let request = [head(target, MULTIPART, body.len()).as_bytes(), &body].concat();
    let (status, answer) = collector.send(&request).await;
    assert_eq!(status, 200, "{answer}");

    let (raw, dumps) = collector.stored().await;
    for (name, value) in [
        ("prod", "Arena"),
        ("ProductName", "Arena"),
        ("ver", "7.1"),
        ("Version", "7.1"),
        ("Twice", "two"),
        ("Odd", "ab\u{fffd}"),
        ("Nul", "ab"),
    ] {
        assert_eq!(raw.get_str(name), Some(value), "{name}");
    }
    let received = raw.get_str("submitted_timestamp").unwrap();
    assert!(received.starts_with("20"), "{received}");
    let id = answer.trim_end().strip_prefix("CrashID=bp-");
    assert_eq!(raw.get_str("uuid"), id, "not the one that was sent");
    assert_eq!(raw.get("legacy_processing"), Some(&0.into()));
    assert_eq!(raw.get("throttle_rate"), Some(&100.0.into()));
    let metadata = raw.get("metadata").unwrap();
    assert_eq!(metadata["throttle_rule"], "accept_everything");
    assert_eq!(metadata["payload_size"], body.len());
    assert_eq!(metadata["dump_sizes"]["x_2"], 3);
    let notes = metadata["collector_notes"].to_string();
    for part in ["Odd", "Twice", "metadata", "uuid", "x_2", "dump_"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let expected = [("dump_", &b""[..]), ("x", b"one"), ("x_2", b"two")];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.to_vec()));
    assert_eq!(dumps, expected.into());
}

#[tokio::test]
async fn a_crash_without_a_dump_is_taken() {
    let collector = start(|_| {}).await;
    let answer = collector.post(MULTIPART, &[PRODUCT, END].concat()).await;
    assert_eq!(answer.0, 200);
    let (raw, dumps) = collector.stored().await;
    assert_eq!(raw.get_str("ProductName"), Some("Arena"));
    assert!(dumps.is_empty());
}

#[tokio::test]
async fn annotations_may_all_stand_in_the_query_string() {
    let collector = start(|_| {}).await;
    let body = [DUMP, END].concat();
    let head = head("/submit?prod=Arena", MULTIPART, body.len());
    let answer = collector.send(&[head.as_bytes(), &body].concat()).await;
    assert_eq!(answer.0, 200);
    let (raw, _) = collector.stored().await;
    assert_eq!(raw.get_str("ProductName"), Some("Arena"));
}

#[tokio::test]
async fn a_large_dump_goes_through_the_disk_byte_for_byte() {
    let collector = start(|_| {}).await;
    let large: Vec<u8> = (0..20u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let body = [PRODUCT, DUMP, &file("big", &large), END].concat();
    assert_eq!(collector.post(MULTIPART, &body).await.0, 200);
    let (raw, dumps) = collector.stored().await;
    assert!(dumps["big"] == large);
    assert_eq!(dumps["upload_file_minidump"], b"MDMP");
    let sizes = &raw.get("metadata").unwrap()["dump_sizes"];
    assert_eq!(sizes["big"], large.len());
}

#[tokio::test]
async fn throttled_submissions_are_answered_as_the_rule_says_and_counted() {
    let rule = |name: &str, product: &str, result: &str| {
        let text = format!(
            "name = {name:?}\nwhen = [{{ annotation = \"ProductName\", equals = {product:?} }}]\nresult = {result:?}"
        );
        toml::from_str(&text).unwrap()
    };
    let collector = start(|options| {
        options.throttle = vec![
            rule("no_beta", "Beta", "discard"),
            rule("unknown", "Other", "ignore"),
            rule("later", "Later", "defer"),
            rule("fake", "Fake", "fake_accept"),
        ];
    })
    .await;
    let product = |name: &str| [pair("ProductName", name.as_bytes()), END.to_vec()].concat();
    let discarded = collector.post(MULTIPART, &product("Beta")).await;
    assert_eq!(discarded, (200, "Discarded=no_beta\n".into()));
    let ignored = collector.post(MULTIPART, &product("Other")).await;
    assert_eq!(ignored, (200, "Unsupported=1\n".into()));
    let (_, faked) = collector.post(MULTIPART, &product("Fake")).await;
    assert!(faked.starts_with("CrashID=bp-"), "{faked}");
    assert_eq!(collector.files(), Vec::<PathBuf>::new());

    let (_, deferred) = collector.post(MULTIPART, &product("Later")).await;
    assert!(deferred.starts_with("CrashID=bp-"), "{deferred}");
    let (raw, _) = collector.stored().await;
    assert_eq!(raw.get("legacy_processing"), Some(&1.into()));
    assert_eq!(raw.get("metadata").unwrap()["throttle_rule"], "later");
    for result in ["discard", "ignore", "fake_accept", "defer"] {
        let name = format!("submissions_total{{result=\"{result}\"}}");
        assert_eq!(collector.metric(&name).await, 1, "{result}");
    }
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
    const FUTURE: &str = "4dd21cc0-49d9-46ae-a42b-fadb42991231";
    let body = |id: &str| [pair("uuid", id.as_bytes()), GOOD.concat()].concat();
    let with = |token: &str| format!("{MULTIPART}Authorization: Bearer {token}\r\n");
    for headers in [MULTIPART, &with("wrong"), &with("")] {
        let answer = collector.post(headers, &body(ID)).await;
        assert_eq!(answer, (401, "Discarded=unauthorized_uuid\n".into()));
    }
    for id in ["nonsense", FUTURE] {
        let answer = collector.post(&with("s3cret"), &body(id)).await;
        assert_eq!(answer, (400, "Discarded=malformed_invalid_uuid\n".into()));
    }
    assert_eq!(collector.files(), Vec::<PathBuf>::new());
    let answer = collector.post(&with("s3cret"), &body(ID)).await;
    assert_eq!(answer, (200, format!("CrashID=bp-{ID}\n")));
    collector.accepts_a_crash().await;
}
