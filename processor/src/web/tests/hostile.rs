//! A crash whose every text is an attack.

use super::*;

const HOSTILE: &str = "</title></td>\"><script>alert(1)</script><img src=x onerror=alert(2)>' \
                       onmouseover='alert(3) javascript:alert(4) \u{202e}\0\u{7}&lt;{{7*7}}";

/// A crash that says the same in every place that holds a text of strangers.
fn crash(text: &str) -> (Value, Value) {
    let frame = json!({"module": text, "function": text, "file": text, "line": 7, "trust": text,
        "inlines": [{"function": text, "file": text, "line": text}],
        "registers": {text: text}});
    let nameless = json!({"offset": text, "module_offset": text,
        "unloaded_modules": [{"module": text, "offsets": [text]}]});
    let thread = json!({"thread_name": text, "frames": [frame, nameless]});
    let module = json!({"filename": text, "version": text, "base_addr": text, "debug_file": text,
        "debug_id": text, "missing_symbols": true});
    let processed = json!({
        "signature": text, "success": false, "mdsw_status_string": text, "reason": text,
        "address": text, "crashing_thread": 0, "product": text, "version": text, "build": text,
        "os_name": text, "cpu_info": text, "uptime": text, "crash_time": text,
        "user_comments": text, "processor_notes": text, "additional_minidumps": [text, "browser"],
        "json_dump": {"crashing_thread": thread.clone(), "threads": [thread.clone(), thread],
            "modules": [module], "crash_info": {"instruction": text, "assertion": text}}
    });
    let raw = json!({"ProductName": text, text: text, "Long": text.repeat(300),
                     "list": [text.repeat(9), {"a": text}]});
    (raw, processed)
}

/// The tags of a page with the names of their attributes, quotes honoured as browsers do. Sorted,
/// as annotations are by their names.
fn tags(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let mut quote = None;
        let end = rest.find(|c| match quote {
            Some(open) if c == open => {
                quote = None;
                false
            }
            Some(_) => false,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                false
            }
            None => c == '>',
        });
        let tag = &rest[..end.unwrap()];
        let quoted = tag.split('"').step_by(2).collect::<String>();
        // These only part long names.
        if !matches!(tag, "wbr" | "i" | "/i") {
            tags.push(quoted);
        }
        rest = &rest[tag.len()..];
    }
    tags.sort();
    tags
}

async fn pages(text: &str) -> (Vec<String>, String) {
    let site = Site::with(|options| {
        options.source_links = vec![SourceLink {
            files: String::new(),
            url: "https://example.org/{path}#{line}".into(),
        }];
    })
    .await;
    let id = old_id();
    let (raw, processed) = crash(text);
    site.save(&id, raw, &[]).await;
    site.save_processed(&id, processed).await;
    let answer = site.get(&format!("/report/index/{id}")).await;
    assert_eq!(answer.status, 200);
    (tags(answer.text()), answer.text().to_owned())
}

#[tokio::test]
async fn a_hostile_crash_adds_nothing_to_the_page_but_text() {
    let (harmless, _) = pages(&"x".repeat(HOSTILE.chars().count())).await;
    let (hostile, html) = pages(HOSTILE).await;
    assert!(harmless.len() > 200, "{}", harmless.len());
    for tag in &hostile {
        let count = |tags: &[String]| tags.iter().filter(|other| *other == tag).count();
        assert_eq!(count(&hostile), count(&harmless), "{tag}");
    }
    assert_eq!(hostile.len(), harmless.len());
    for never in [
        "<script",
        "<img src=x",
        "href=\"javascript",
        "\u{202e}",
        "\0",
        "\u{7}",
    ] {
        assert!(!html.contains(never), "{never:?}");
    }
    assert!(html.contains("[U+202E][U+0000][U+0007]"));
}

#[tokio::test]
async fn a_text_without_end_is_cut() {
    let (_, html) = pages(&"y".repeat(100_000)).await;
    assert!(html.contains("more characters)"));
    assert!(html.len() < 500_000, "{}", html.len());
}

#[tokio::test]
async fn a_hostile_address_is_only_told() {
    let site = Site::start().await;
    for path in [
        "/report/index/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/?id=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/login?token=x&next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/\"><script>alert(1)</script>",
    ] {
        let answer = site.get(path).await;
        assert!(matches!(answer.status, 400 | 401 | 404), "{path}");
        answer.hides("<script");
    }
}
