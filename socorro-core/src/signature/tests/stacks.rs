//! `stacks.txt`: what a stack becomes by the lists that come with the processor.

use crate::signature::{
    CrashStack, Frame, HangType, Inline, Lists, Signature, Step, Verdict, generate,
};

/// A case of the table.
#[derive(Default)]
struct Case {
    sentence: String,
    stack: CrashStack,
    expected: Vec<(String, String)>,
}

fn cases() -> Vec<Case> {
    include_str!("stacks.txt")
        .split("\n\n")
        .filter_map(case)
        .collect()
}

fn case(block: &str) -> Option<Case> {
    let lines: Vec<&str> = block
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let mut case = Case::default();
    case.stack.os = Some("Linux".to_owned());
    let mut frames: Vec<Frame> = Vec::new();
    let mut inlines = Vec::new();
    let mut no_thread = false;
    for line in lines {
        let (key, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("no colon: {line}"));
        let value = unescape(value.trim());
        let mut frame = Frame::default();
        match key {
            "case" => case.sentence = value,
            "os" => case.stack.os = Some(value),
            "status" => case.stack.mdsw_status = Some(value),
            "hang" if value == "browser" => case.stack.hang_type = Some(HangType::Browser),
            "hang" if value == "plugin" => case.stack.hang_type = Some(HangType::Plugin),
            "thread" if value == "none" => no_thread = true,
            "reason" => case.stack.reason = Some(value),
            "last_error" => case.stack.last_error = Some(value),
            "oom" => case.stack.oom_allocation_size = value.parse().ok(),
            "js_large" => case.stack.js_large_allocation_failure = Some(value),
            "abort" => case.stack.abort_message = Some(value),
            "shutdown" => case.stack.async_shutdown_timeout = Some(value),
            "channel" => case.stack.ipc_channel_error = Some(value),
            "message" => case.stack.ipc_message_name = Some(value),
            "browser" if value == "dump" => case.stack.browser_dump = true,
            "guard" if value == "page" => case.stack.guard_page = true,
            "first" => {
                frame.function = Some(value);
                case.stack.first_thread.get_or_insert_default().push(frame);
            }
            "java" => {
                let trace = case.stack.java_stack_trace.get_or_insert_default();
                trace.push_str(&value);
                trace.push('\n');
            }
            "inline" => inlines.push(Inline {
                function: Some(value),
                ..Inline::default()
            }),
            "line" => frames.last_mut().expect("a frame before").line = value.parse().ok(),
            "signature" | "proto" | "note" => case.expected.push((key.to_owned(), value)),
            _ => {
                match key {
                    "function" => frame.function = Some(value),
                    "module" => frame.module = Some(value),
                    "unloaded" => frame.unloaded_modules = vec![value],
                    "address" => frame.address = parse_hex(&value),
                    "source" => {
                        let (file, line) = value.rsplit_once(':').expect("file:line");
                        frame.file = Some(file.to_owned());
                        frame.line = line.parse().ok();
                    }
                    _ => panic!("unknown key: {line}"),
                }
                frame.inlines = std::mem::take(&mut inlines);
                frames.push(frame);
            }
        }
    }
    case.stack.frames = (!no_thread).then_some(frames);
    assert!(
        !case.sentence.is_empty() && !case.expected.is_empty(),
        "a case needs a sentence and a signature: {block}"
    );
    Some(case)
}

/// What a table cannot show is written `\u{1b}`.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_once('}').expect("a closing brace");
        unescaped.extend(u32::from_str_radix(hex, 16).ok().and_then(char::from_u32));
        unescaped.push_str(rest);
    }
    unescaped
}

fn parse_hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("an address")
}

#[test]
fn the_tables_have_more_than_200_cases_of_every_language_and_system() {
    let stacks = cases().len();
    let names = include_str!("names.tsv").lines();
    let names = names.filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(stacks + names.count() >= 200);
    for kind in [
        "Linux: ",
        "Windows: ",
        "macOS: ",
        "Android: ",
        "Rust: ",
        "Java: ",
        "OOM: ",
    ] {
        let of_kind = cases()
            .iter()
            .filter(|case| case.sentence.starts_with(kind))
            .count();
        assert!(of_kind >= 4, "{kind}{of_kind}");
    }
}

#[test]
fn every_stack_becomes_what_the_table_says() {
    let lists = Lists::default();
    let mut wrong = Vec::new();
    for case in cases() {
        let made = generate(&case.stack, &lists);
        for (key, expected) in &case.expected {
            let got = match key.as_str() {
                "signature" => &made.signature,
                "proto" => &made.proto_signature,
                _ => &made.notes.join("; "),
            };
            if got != expected {
                wrong.push(format!(
                    "{}\n expected {key}: {expected}\n      got {key}: {got}",
                    case.sentence
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} stacks\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn functions(names: impl IntoIterator<Item = impl Into<String>>) -> CrashStack {
    let frames = names.into_iter().map(|name| Frame {
        function: Some(name.into()),
        ..Frame::default()
    });
    CrashStack {
        frames: Some(frames.collect()),
        ..CrashStack::default()
    }
}

fn signature_of(names: impl IntoIterator<Item = impl Into<String>>) -> Signature {
    generate(&functions(names), &Lists::default())
}

#[test]
fn every_step_is_explained() {
    let mut stack = functions([
        "middle()",
        "raise",
        "_purecall",
        "raise",
        "free",
        "last()",
        "main",
    ]);
    stack.hang_type = Some(HangType::Plugin);
    let made = generate(&stack, &Lists::default());
    let steps: Vec<String> = made
        .steps
        .iter()
        .map(|step| match step {
            Step::Frame {
                raw,
                normalized,
                verdict,
                ..
            } => format!("{raw} > {normalized}: {verdict}"),
            Step::Rule { rule, signature } => format!("{rule}: {signature}"),
        })
        .collect();
    let in_brief: Vec<&str> = steps
        .iter()
        .map(|step| step.split("_re.txt").next().unwrap_or_default())
        .collect();
    assert_eq!(
        in_brief,
        [
            "middle() > middle: skipped, above a sentinel: signature_sentinels.txt:6 _purecall",
            "raise > raise: skipped, above a sentinel: signature_sentinels.txt:6 _purecall",
            "_purecall > _purecall: kept, goes on: prefix_signature",
            "raise > raise: skipped, irrelevant: irrelevant_signature",
            "free > free: kept, goes on: prefix_signature",
            "last() > last: kept, complete",
            "main > main: not reached",
            "HungProcess: hang | _purecall | free | last",
        ]
    );
}

#[test]
fn a_line_of_a_list_is_named_as_an_editor_shows_it() {
    let made = signature_of(["raise", "main"]);
    let Step::Frame {
        verdict: Verdict::Irrelevant(line),
        ..
    } = &made.steps[0]
    else {
        panic!("{:?}", made.steps);
    };
    let file = include_str!("../../../data/signature/irrelevant_signature_re.txt");
    assert_eq!(line.file, "irrelevant_signature_re.txt");
    assert_eq!(file.lines().nth(line.line - 1), Some(line.pattern.as_str()));
}

#[test]
fn forty_calls_are_looked_at_inlined_ones_counted() {
    let mut stack = functions(vec!["memcpy"; 50]);
    for frame in stack.frames.iter_mut().flatten() {
        frame.inlines = vec![Inline {
            function: Some("std::copy".to_owned()),
            ..Inline::default()
        }];
    }
    let made = generate(&stack, &Lists::default());
    assert_eq!(
        made.steps
            .iter()
            .filter(|step| matches!(step, Step::Frame { .. }))
            .count(),
        40
    );
    assert_eq!(
        made.proto_signature,
        vec!["std::copy | memcpy"; 20].join(" | ")
    );
}

#[test]
fn a_name_that_nobody_wrote_is_cut() {
    let made = signature_of(["x".repeat(1_000_000)]);
    assert_eq!(made.proto_signature.len(), 8 * 1024);
}

#[test]
fn a_signature_of_255_characters_is_left_alone() {
    let name = "é".repeat(255);
    let made = signature_of([&name]);
    assert_eq!(made.signature, name);
    assert!(made.notes.is_empty());
}

#[test]
fn a_longer_signature_is_cut_and_says_so() {
    let made = signature_of(["é".repeat(256)]);
    assert_eq!(made.signature, format!("{}...", "é".repeat(252)));
    assert_eq!(
        made.notes,
        ["SigTruncate: signature truncated due to length"]
    );
}

#[test]
fn a_hang_is_cut_to_the_same_length() {
    let mut stack = functions(["x".repeat(255)]);
    stack.hang_type = Some(HangType::Browser);
    let made = generate(&stack, &Lists::default());
    assert!(made.signature.starts_with("chromehang | xxx") && made.signature.ends_with("xxx..."));
    assert_eq!(made.signature.chars().count(), 255);
}

#[test]
fn no_stack_has_a_blank_signature() {
    let texts = [
        None,
        Some(""),
        Some(" \t"),
        Some("\u{1}"),
        Some("[]"),
        Some("()"),
        Some("const"),
        Some("free"),
    ];
    let lists = Lists::default();
    for function in texts {
        for module in texts {
            for file in texts {
                let frame = Frame {
                    function: function.map(str::to_owned),
                    module: module.map(str::to_owned),
                    file: file.map(str::to_owned),
                    line: Some(1),
                    ..Frame::default()
                };
                let stack = CrashStack {
                    frames: Some(vec![frame]),
                    ..CrashStack::default()
                };
                let signature = generate(&stack, &lists).signature;
                assert!(!signature.trim().is_empty(), "{stack:?}");
            }
        }
    }
}
