//! One crash, from a client's socket to the report page.

use serde_json::Value;
use socorro_core::crash_id::CrashId;
use socorro_tests::client::{FORMS, Form, Submission};
use socorro_tests::site::Site;
use socorro_tests::{fixtures, http};

use crate::null_write;

crate::on_each_storage! {
    a_crash_in_each_form_of_real_clients_arrives_byte_for_byte_and_on_the_report
    two_dumps_and_one_of_20_mb_pass_the_whole_way
    a_crash_without_a_dump_passes
    broken_dumps_become_reports_that_say_what_is_wrong
}

/// Moves and processes what is in the spool.
fn process(site: &Site, ids: &[CrashId]) -> Vec<Value> {
    site.run_mover();
    assert_eq!(
        site.spooled(),
        Vec::<std::path::PathBuf>::new(),
        "the source is empty"
    );
    let processor = site.start("processor", &["run"]);
    let processed = ids.iter().map(|id| site.processed(id)).collect();
    assert!(processor.stop().success());
    processed
}

fn a_crash_in_each_form_of_real_clients_arrives_byte_for_byte_and_on_the_report(site: &Site) {
    let (collector, address) = site.collector();
    let sent = null_write();
    let ids = FORMS.map(|form| sent.accepted(form, &address));
    assert!(collector.stop().success());

    let processed = process(site, &ids);
    let (_web, web) = site.serve("processor", &["web"]);
    let token = format!("Authorization: Bearer {}", site.token());
    let expected = fixtures::expected("null-write");
    for (id, processed) in ids.iter().zip(processed) {
        assert_eq!(site.dump(id, "upload_file_minidump"), sent.dumps[0].1);
        let raw = site.raw_crash(id);
        for (name, value) in &sent.annotations {
            assert_eq!(raw.get(name), Some(value), "{name}");
        }
        assert_eq!(processed["reason"], expected["reason"]);
        assert_eq!(processed["crashing_thread"], expected["crashing_thread"]);
        let signature = processed["signature"].as_str().unwrap();
        assert!(signature.contains("arena::"), "{signature}");
        assert!(
            !processed.to_string().contains("player@example.com"),
            "private stays private"
        );

        let page = http::get(&web, &format!("/report/index/{id}"), &[&token]);
        assert_eq!(page.status, 200);
        let text = page.text();
        for part in ["SIGSEGV", "DrawSprite", "renderer.cc", "2.4.1"] {
            assert!(text.contains(part), "{part} is on the page");
        }
        let dump = http::get(
            &web,
            &format!("/crash_data/datatype/raw/uuid/{id}"),
            &[&token],
        );
        assert_eq!(dump.body, sent.dumps[0].1);
    }
}

fn two_dumps_and_one_of_20_mb_pass_the_whole_way(site: &Site) {
    let (collector, address) = site.collector();
    let mut sent = null_write();
    let large = fixtures::noise(20 << 20, 7);
    sent.dumps.push((
        "upload_file_minidump_browser".into(),
        fixtures::dump("abort"),
    ));
    sent.dumps.push(("memory_report".into(), large.clone()));
    let id = sent.accepted(Form::BreakpadUpload, &address);
    assert!(collector.stop().success());

    let processed = &process(site, &[id])[0];
    assert_eq!(site.dump(&id, "memory_report"), large);
    assert_eq!(
        site.dump(&id, "upload_file_minidump_browser"),
        fixtures::dump("abort")
    );
    assert_eq!(
        site.dump(&id, "upload_file_minidump"),
        fixtures::dump("null-write")
    );
    assert_eq!(
        processed["additional_minidumps"],
        serde_json::json!(["upload_file_minidump_browser"])
    );
    let browser = &processed["upload_file_minidump_browser"]["json_dump"];
    assert_eq!(
        browser["crash_info"]["type"],
        fixtures::expected("abort")["reason"]
    );
}

fn a_crash_without_a_dump_passes(site: &Site) {
    let (collector, address) = site.collector();
    let sent = Submission {
        annotations: fixtures::annotations(),
        ..Submission::default()
    };
    let id = sent.accepted(Form::Firefox, &address);
    assert!(collector.stop().success());

    let processed = &process(site, &[id])[0];
    assert_eq!(processed["success"], false);
    assert_eq!(processed["product"], "Arena");
    assert!(
        processed["processor_notes"]
            .as_str()
            .unwrap()
            .contains("no minidump")
    );
}

fn broken_dumps_become_reports_that_say_what_is_wrong(site: &Site) {
    let (collector, address) = site.collector();
    let broken = [
        ("not-a-minidump", "MissingHeader"),
        ("truncated", "MissingSystemInfo"),
        ("empty", "EmptyMinidump"),
    ];
    let ids = broken.map(|(name, _)| {
        let sent = Submission::new(fixtures::annotations(), fixtures::dump(name));
        sent.accepted(Form::Chromium, &address)
    });
    assert!(collector.stop().success());

    for ((name, status), processed) in broken.iter().zip(process(site, &ids)) {
        assert_eq!(processed["success"], false, "{name}");
        assert_eq!(processed["mdsw_status_string"], *status, "{name}");
        let signature = processed["signature"].as_str().unwrap();
        assert!(
            signature.starts_with("EMPTY: ") && signature.contains(status),
            "{signature}"
        );
    }
}
