//! How lists are read, and `patterns.tsv`: what their patterns match.

use std::fs;
use std::path::{Path, PathBuf};

use crate::signature::lists::{List, Lists, starts_with};

const FILES: [&str; 4] = [
    "irrelevant_signature_re.txt",
    "prefix_signature_re.txt",
    "signatures_with_line_numbers_re.txt",
    "signature_sentinels.txt",
];

fn patterns(text: &str) -> List {
    List::parse(Path::new("list.txt"), text, starts_with).expect("a list")
}

#[test]
fn every_pattern_matches_what_the_table_says() {
    for case in include_str!("patterns.tsv").lines() {
        if case.is_empty() || case.starts_with('#') {
            continue;
        }
        let [sentence, pattern, frame, expected] = case.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not four columns: {case}");
        };
        let matches = patterns(pattern).find(frame).is_some();
        assert_eq!(matches, expected == "yes", "{sentence}");
    }
}

#[test]
fn the_first_line_that_matches_is_named() {
    let list = patterns("# comment\n\n  free  \nfr\n");
    let line = list.find("free").expect("a match");
    assert_eq!(line.to_string(), "list.txt:3 free");
}

#[test]
fn a_list_of_comments_matches_nothing() {
    assert_eq!(patterns("# malloc\n\n").find("malloc"), None);
}

/// A directory of usable lists, gone when the test is over.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let name = format!("socorro-lists-{test}-{}", std::process::id());
        let directory = Self(std::env::temp_dir().join(name));
        fs::create_dir(&directory.0).expect("a new directory");
        for file in FILES {
            directory.write(file, b"# nothing\n");
        }
        directory
    }

    fn write(&self, file: &str, text: &[u8]) {
        fs::write(self.0.join(file), text).expect("a written list");
    }

    /// The error of loading, without the directory.
    fn error(&self) -> String {
        let error = Lists::load(&self.0)
            .expect_err("an unusable list")
            .to_string();
        error.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("a removed directory");
    }
}

#[test]
fn an_operators_lists_replace_the_default_ones() {
    let directory = Directory::new("replace");
    directory.write("irrelevant_signature_re.txt", b"malloc\n");
    directory.write("signature_sentinels.txt", b"my.function(1)\n");
    let lists = Lists::load(&directory.0).expect("usable lists");
    assert!(lists.irrelevant.find("malloc_usable_size").is_some());
    assert_eq!(lists.irrelevant.find("raise"), None);
    assert_eq!(lists.prefix.find("malloc"), None);
    assert!(lists.sentinels.find("my.function(1)").is_some());
    assert_eq!(lists.sentinels.find("my.function(1) and more"), None);
}

#[test]
fn a_wrong_pattern_is_named_by_file_line_and_reason() {
    let directory = Directory::new("wrong");
    directory.write("prefix_signature_re.txt", b"# comment\nmalloc\n(free\n");
    assert_eq!(
        directory.error(),
        "signature list prefix_signature_re.txt, line 3: unclosed group"
    );
}

#[test]
fn a_pattern_that_the_engine_cannot_do_says_so() {
    let directory = Directory::new("look-ahead");
    directory.write("irrelevant_signature_re.txt", b"foo(?!bar)\n");
    let error = directory.error();
    assert!(
        error.starts_with("signature list irrelevant_signature_re.txt, line 1: look-around"),
        "{error}"
    );
}

#[test]
fn a_missing_list_is_named() {
    let directory = Directory::new("missing");
    fs::remove_file(directory.0.join("signature_sentinels.txt")).expect("a removed list");
    let error = directory.error();
    assert!(
        error.starts_with("signature list signature_sentinels.txt: No such file"),
        "{error}"
    );
}

#[test]
fn a_list_that_is_no_text_is_named() {
    let directory = Directory::new("bytes");
    directory.write("signatures_with_line_numbers_re.txt", b"\xff\xfe\n");
    assert_eq!(
        directory.error(),
        "signature list signatures_with_line_numbers_re.txt: stream did not contain valid UTF-8"
    );
}

/// The patterns match from the start, so that a short one easily claims what it was not meant for.
#[test]
fn no_default_list_claims_the_functions_of_an_application() {
    let lists = Lists::default();
    let mut claims = Vec::new();
    for name in [
        "main",
        "start",
        "run",
        "killall",
        "killProcess",
        "raiseEvent",
        "abortTransfer",
        "exitCode",
        "freeze",
        "free_list_add",
        "mallocator",
        "memory_pool_free",
        "memberOf",
        "strategy",
        "string_append",
        "stream_read",
        "strpbrkx",
        "printfile",
        "openFile",
        "open_database",
        "readLine",
        "sleepy",
        "pollution",
        "selection",
        "semaphore",
        "TpManager::run",
        "RtlText::layout",
        "Ldr::open",
        "NtFile::read",
        "HeapView::show",
        "VirtualDisk::mount",
        "GetMessageCount",
        "SleepTimer::fire",
        "KindOf",
        "clonePage",
        "clone_repository",
        "syscall_table",
        "standard::Logger::log",
        "stdx::find",
        "coreutils::copy",
        "core_dump",
        "allocate",
        "alloc_page",
        "rusty::panic",
        "panic_button",
        "operator_table::find",
        "Logger::log",
        "logging::setup",
        "baseline",
        "artist::paint",
        "android_app",
        "Qt::run",
        "QStringify",
        "g_loggia",
        "g_mallocator",
        "swiftly::run",
        "lib.so",
        "libcairo.so.2",
        "libmine.so",
        "mylibc.so.6",
        "ntdll_proxy.dll",
        "app.exe",
        "foo.cpp#12",
        "-[Document save:]",
        "<my_app::Foo>::bar",
        "<my_app::Foo as my_app::Bar>::baz",
        "<my_app::Foo as core::fmt::Display>::fmt",
        "(anonymous namespace)::run",
        "(unloaded codec.dll)",
    ] {
        for list in [&lists.irrelevant, &lists.prefix, &lists.sentinels] {
            claims.extend(list.find(name).map(|line| format!("{name}: {line}")));
        }
    }
    assert!(claims.is_empty(), "{}", claims.join("\n"));
}

#[test]
fn no_default_pattern_stands_there_twice() {
    for text in [
        include_str!("../../../data/signature/irrelevant_signature_re.txt"),
        include_str!("../../../data/signature/prefix_signature_re.txt"),
    ] {
        let mut lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .collect();
        lines.sort_unstable();
        let twice: Vec<_> = lines.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
