//! `socorro signature explain`.

use super::*;

fn walk() -> Value {
    json!({
        "status": "OK",
        "system_info": {"os": "Linux"},
        "crash_info": {"crashing_thread": 1},
        "threads": [{"frames": []}, {"frames": [
            {"function": "raise", "offset": "0x1"},
            {"function": "abort", "offset": "0x2"},
            {"function": "arena::Check(int)", "offset": "0x3", "inlines": [{"function": "fail()"}]},
        ]}],
    })
}

#[tokio::test]
async fn a_signature_is_explained_frame_by_frame_from_a_file_or_the_storage() {
    let site = Site::on_files();
    let file = site.path("walk.json");
    fs::write(&file, walk().to_string()).unwrap();
    let text = site.run(&["signature", "explain", &file]).await;
    for part in [
        "   0  raise\n      skipped, irrelevant: irrelevant_signature_re.txt:",
        "*  1  abort\n      kept, goes on: prefix_signature_re.txt:",
        "*  2  fail (inlined)\n      was: fail()\n      kept, complete",
        "   3  arena::Check\n      was: arena::Check(int)\n      not reached",
        "signature: abort | fail\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let id = site.processed().await;
    let mut processed = ProcessedCrash::default();
    processed.set("signature", "old");
    processed.set("json_dump", walk());
    site.storage()
        .save_processed(&id, &processed)
        .await
        .unwrap();
    let text = site
        .run(&["signature", "explain", &format!("bp-{}", id.as_str())])
        .await;
    assert!(
        text.ends_with("signature: abort | fail\nstored:    old\n"),
        "{text}"
    );
    let json = site.json(&["signature", "explain", &file]).await;
    assert_eq!(json["signature"], "abort | fail");
    assert_eq!(json["steps"][1]["kept"], true);
}

#[tokio::test]
async fn lists_can_be_tried_out_and_a_wrong_one_is_named() {
    let site = Site::on_files();
    let (file, lists) = (site.path("walk.json"), site.path("lists"));
    fs::write(&file, walk().to_string()).unwrap();
    fs::create_dir(&lists).unwrap();
    let list = |name: &str, text: &str| fs::write(format!("{lists}/{name}"), text).unwrap();
    for name in ["prefix_signature_re", "signatures_with_line_numbers_re"] {
        list(&format!("{name}.txt"), "");
    }
    list("signature_sentinels.txt", "");
    list("irrelevant_signature_re.txt", "raise|abort\n");
    let words = ["signature", "explain", &file, "--lists", &lists];
    assert!(site.run(&words).await.ends_with("signature: fail\n"));
    list("irrelevant_signature_re.txt", "(\n");
    let error = site.error(&words).await;
    assert!(
        error.contains("irrelevant_signature_re.txt, line 1"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_crash_is_told_so() {
    let site = Site::on_files();
    for input in ["", "[]", "{}"] {
        let words = ["signature", "explain", "-"];
        assert!(site.try_run(&words, input).await.is_err(), "{input:?}");
    }
    let error = site.error(&["signature", "explain", "nowhere"]).await;
    assert!(error.contains("\"nowhere\" is no crash id"), "{error}");
}
