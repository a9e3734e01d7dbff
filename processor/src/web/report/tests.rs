use serde_json::json;

use super::*;

const ID: &str = "4dd21cc0-49d9-46ae-a42b-fadb42090928";

/// A processed crash in which all that a page shows is there.
fn sample() -> Value {
    serde_json::from_str(include_str!("sample.json")).unwrap()
}

fn render(crash: &Value) -> String {
    let crash = ProcessedCrash::from_json(crash.to_string().as_bytes()).unwrap();
    let raw = RawCrash::from_json(br#"{"ProductName": "Arena", "n": 1, "Email": "a@b"}"#).unwrap();
    let raw = Raw::There {
        crash: raw,
        hidden: 0,
    };
    let style = Style {
        public: &PublicAnnotations::default(),
        links: &SourceLinks::new(&[]).unwrap(),
        private: true,
    };
    let report = Report::new(ID.parse().unwrap(), &crash, &raw, &style);
    report.render().unwrap()
}

/// The text of a page, with blanks for the tags that part words.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        let (tag, rest) = part.split_once('>').unwrap_or(("", part));
        let joins = matches!(tag.trim_start_matches('/'), "wbr" | "i" | "bdi");
        text.push_str(if joins { "" } else { " " });
        text.push_str(rest);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_shows(crash: &Value, texts: &[&str]) {
    let page = text_of(&render(crash));
    for text in texts {
        assert!(page.contains(text), "no {text:?} in {page}");
    }
}

#[test]
fn a_report_shows_what_is_known() {
    assert_shows(
        &sample(),
        &[
            "arena::Texture::Touch",
            "Reason SIGSEGV / SEGV_MAPERR Address 0x10 (null pointer + 0x10) Access write",
            "Product Arena 2.4.1 Build 20261116093012",
            "Uptime 2 min 14 s",
            "Crashing thread 1 · Main · 1 frame",
            "arena arena::Texture::Touch() (in the signature) t.h:2 inline 0 arena",
            "arena::Draw(int) draw.cc:7 context",
            "Registers at the crash · private r9 0x3 r10 0x2 rip 0x0000000000000001",
            "Thread 0 Audio 3 frames",
            "0 libc.so.6 + 0x123 scan 1 old.so (unloaded) + 0x9 2 0x7ff0",
            "Modules 3 · 2 without symbols",
            "libc.so.6 missing ld.so corrupt",
            "Email private a@b",
            "first note second note Of earlier times 1 2026-11-21T00:00:00+00:00: old note; older host",
            "Minidump upload_file_minidump_browser private",
        ],
    );
    assert!(!render(&sample()).contains("../etc"));
}

#[test]
fn any_part_may_be_missing_or_of_a_wrong_type() {
    let odd =
        json!([null, true, -1, 1e300, u64::MAX, "", "\0é", [], {}, [null], [[{}]], [{"a": 1}]]);
    let whole = sample();
    let mut paths = Vec::new();
    collect_paths(&whole, "", &mut paths);
    assert!(paths.len() > 100, "{}", paths.len());
    for path in paths {
        for odd in odd.as_array().unwrap() {
            let mut crash = whole.clone();
            *crash.pointer_mut(&path).unwrap() = odd.clone();
            render(&crash);
        }
    }
    render(&json!({}));
}

fn collect_paths(value: &Value, path: &str, paths: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(name, v)| (name.clone(), v)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => return,
    };
    for (name, child) in children {
        let path = format!("{path}/{name}");
        collect_paths(child, &path, paths);
        paths.push(path);
    }
}

#[test]
fn a_failed_processing_says_so_first() {
    let crash = json!({"success": false, "mdsw_status_string": "HeaderMismatch",
                       "processor_notes": "no minidump"});
    assert_shows(
        &crash,
        &["No signature This crash could not be processed. \
             The stack walker says: HeaderMismatch. no minidump"],
    );
    assert!(!text_of(&render(&sample())).contains("could not be processed"));
}

#[test]
fn the_crashing_thread_is_found_under_each_of_its_names() {
    let threads = json!([{"frames": []}, {"frames": [{"function": "here"}]}]);
    for crash in [
        json!({"crashing_thread": 1, "json_dump": {"threads": threads}}),
        json!({"crashedThread": "1", "json_dump": {"threads": threads}}),
        json!({"json_dump": {"threads": threads, "crash_info": {"crashing_thread": 1}}}),
        json!({"json_dump": {"threads": threads, "crashing_thread": {"threads_index": 1}}}),
    ] {
        assert_shows(&crash, &["Crashing thread 1 · 1 frame", "0 here"]);
    }
    let unknown = json!({"json_dump": {"threads": threads}});
    assert_shows(&unknown, &["Threads 2"]);
    let beyond = json!({"crashing_thread": 7, "json_dump": {"threads": threads}});
    assert_shows(&beyond, &["Crashing thread 7 · 0 frames It has no frames."]);
}

#[test]
fn a_page_stays_a_page_whatever_the_dump_holds() {
    let frames = |count| -> Vec<Value> {
        (0..count)
            .map(|at| json!({"function": format!("f{at}")}))
            .collect()
    };
    let deep = json!({"crashing_thread": 0, "json_dump": {"threads": [{"frames": frames(5000)}]}});
    assert_shows(
        &deep,
        &[
            "· 5000 frames",
            "119 f119",
            "4850 more frames",
            "4970 f4970",
            "4999 f4999",
        ],
    );
    let page = render(&deep);
    assert!(!page.contains("f120<") && !page.contains("f4969<"));

    let thread = json!({"frames": frames(100)});
    let modules = vec![json!({"filename": "m", "missing_symbols": true}); 3000];
    let wide = json!({"json_dump": {"threads": vec![thread; 3000], "modules": modules}});
    assert_shows(
        &wide,
        &[
            "Threads 3000",
            "Modules 3000 · 3000 without symbols",
            "The rest is in",
        ],
    );
    let page = render(&wide);
    assert!(page.len() < 8_000_000, "{}", page.len());
}
