//! Real worker processes, and dumps and symbols that are out to harm them.

mod dump;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dump::dump;
use processor::walk::{Walk, WalkOptions};
use processor::workers::Pool;
use rustix::process::{Pid, Signal, kill_process};
use socorro_core::config::Period;
use socorro_core::dumps::Dump;

/// Offsets of code in the module of the made dumps.
const OFFSETS: [u64; 3] = [0x2100, 0x2200, 0x2300];
/// The words of an 8 MiB stack.
const LONG: usize = 1 << 20;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn options() -> WalkOptions {
    WalkOptions {
        symbols: vec![fixtures().join("symbols")],
        ..WalkOptions::default()
    }
}

fn pool(options: WalkOptions) -> Pool {
    Pool::of(env!("CARGO_BIN_EXE_processor").into(), options)
}

fn good_dump() -> Dump {
    Dump::File(fixtures().join("dumps/null-write.dmp"))
}

#[track_caller]
fn assert_walks_well(pool: &Pool) {
    let walk = pool.walk(&good_dump()).unwrap();
    assert_eq!(walk.status, "OK", "{:?}", walk.problem);
    let frame = &walk.frames().unwrap()[0];
    assert_eq!(
        frame.function.as_deref(),
        Some("arena::Texture::Touch(int)")
    );
}

fn assert_failed(walk: &Walk, status: &str, problem: &str) {
    let told = walk.problem.as_deref().unwrap_or("");
    assert!(
        walk.status == status && told.starts_with(problem),
        "{}: {told}",
        walk.status
    );
}

/// The processes that this one has started for that directory of symbols.
fn workers(of: &Path) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if String::from_utf8_lossy(&command).contains(of.to_str().unwrap()) {
            found.extend(pid.and_then(Pid::from_raw));
        }
    }
    found
}

#[test]
fn a_stack_of_a_million_return_addresses_ends_within_the_limits_and_says_so() {
    let pool = pool(options());
    let bomb = dump(1, LONG, &OFFSETS);
    assert!(bomb.len() > 8 << 20);
    let walk = pool.walk(&Dump::Bytes(bomb.into())).unwrap();
    assert_eq!(walk.status, "OK", "{:?}", walk.problem);
    assert!(walk.truncated);
    let thread = &walk.json_dump["threads"][0];
    let options = options();
    let kept = options.head_frames + options.tail_frames;
    assert_eq!(thread["frames"].as_array().unwrap().len(), kept);
    let count = thread["frame_count"].as_u64().unwrap();
    assert!(
        count > 1000 && count <= options.max_frames / 2 + 1,
        "{count}"
    );
    assert_eq!(thread["frames_left_out"], count - kept as u64);
    assert_walks_well(&pool);
}

#[test]
fn a_dump_for_which_the_time_is_too_short_is_given_up_and_the_next_is_walked() {
    let short = WalkOptions {
        timeout: Period::from(Duration::from_secs(3)),
        max_frames: u64::MAX,
        max_output_bytes: usize::MAX,
        memory_bytes: 64 << 30,
        ..options()
    };
    let pool = pool(short);
    let bombs = dump(4, LONG, &OFFSETS);
    let walk = pool.walk(&Dump::Bytes(bombs.into())).unwrap();
    assert_eq!(walk.status, "Timeout", "{:?}", walk.problem);
    assert_walks_well(&pool);
}

#[test]
fn a_dump_that_computes_for_too_long_is_given_up_and_the_next_is_walked() {
    let pool = pool(WalkOptions {
        cpu_time: Period::from_secs(1),
        max_frames: u64::MAX,
        memory_bytes: 64 << 30,
        ..options()
    });
    let bombs = dump(4, LONG, &OFFSETS);
    let walk = pool.walk(&Dump::Bytes(bombs.into())).unwrap();
    assert_failed(
        &walk,
        "Timeout",
        "the dump: the stack walker computed for longer",
    );
    assert_walks_well(&pool);
}

#[test]
fn a_dump_that_needs_too_much_memory_is_given_up_and_the_next_is_walked() {
    let pool = pool(WalkOptions {
        max_frames: u64::MAX,
        memory_bytes: 256 << 20,
        ..options()
    });
    let bomb = dump(1, LONG, &OFFSETS);
    let walk = pool.walk(&Dump::Bytes(bomb.into())).unwrap();
    assert_failed(&walk, "OutOfMemory", "the dump: ");
    assert_walks_well(&pool);
}

#[test]
fn a_worker_that_was_killed_while_it_waited_or_worked_is_replaced() {
    let symbols = tempfile::tempdir().unwrap();
    let pool = Arc::new(pool(WalkOptions {
        symbols: vec![fixtures().join("symbols"), symbols.path().to_owned()],
        max_frames: u64::MAX,
        memory_bytes: 64 << 30,
        ..options()
    }));
    assert_walks_well(&pool);
    for worker in workers(symbols.path()) {
        kill_process(worker, Signal::KILL).unwrap();
    }
    assert_walks_well(&pool);

    let walking = {
        let pool = Arc::clone(&pool);
        let bombs = dump(4, LONG, &OFFSETS);
        std::thread::spawn(move || pool.walk(&Dump::Bytes(bombs.into())).unwrap())
    };
    // Both workers that get it are killed at work.
    while !walking.is_finished() {
        for worker in workers(symbols.path()) {
            let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
            if stat.contains(") R ") {
                let _ = kill_process(worker, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let walk = walking.join().unwrap();
    assert_failed(&walk, "Killed", "the host: ");
    assert_walks_well(&pool);
}

#[test]
fn symbols_that_are_garbage_or_too_large_are_told_by_module() {
    let directory = tempfile::tempdir().unwrap();
    let place = "arena/63B35814B41794D4B6BDF76028E736940/arena.sym";
    let path = directory.path().join(place);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let module = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let options = WalkOptions {
            symbols: vec![directory.path().to_owned()],
            max_symbol_file_bytes: 1 << 20,
            ..options()
        };
        let walk = pool(options).walk(&good_dump()).unwrap();
        assert_eq!(walk.status, "OK", "{:?}", walk.problem);
        let modules = walk.json_dump["modules"].as_array().unwrap();
        let arena = modules.iter().find(|module| module["filename"] == "arena");
        arena.unwrap().clone()
    };
    let garbage = module(b"\0\0 nothing that is a symbol file\n");
    assert_eq!(garbage["corrupt_symbols"], true);
    let huge = module(&vec![b'\n'; 2 << 20]);
    assert_eq!(huge["too_large_symbols"], true);
    assert_eq!(huge["missing_symbols"], true);
}

#[test]
fn symbols_over_which_workers_die_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let place = "arena/63B35814B41794D4B6BDF76028E736940/arena.sym";
    let path = directory.path().join(place);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut content = String::from("MODULE Linux x86_64 63B35814B41794D4B6BDF76028E736940 arena\n");
    for index in 0..2_000_000 {
        content.push_str(&format!("PUBLIC {index:x} 0 p\n"));
    }
    std::fs::write(&path, content).unwrap();
    let pool = pool(WalkOptions {
        symbols: vec![directory.path().to_owned()],
        memory_bytes: 64 << 20,
        ..options()
    });
    let walk = pool.walk(&good_dump()).unwrap();
    assert_failed(&walk, "OutOfMemory", &format!("the symbols {place}: "));
}

#[test]
fn the_symbols_stay_warm_from_one_dump_to_the_next() {
    let symbols = tempfile::tempdir().unwrap();
    let copy = symbols
        .path()
        .join("arena/63B35814B41794D4B6BDF76028E736940");
    std::fs::create_dir_all(&copy).unwrap();
    let from = "symbols/arena/63B35814B41794D4B6BDF76028E736940/arena.sym";
    std::fs::copy(fixtures().join(from), copy.join("arena.sym")).unwrap();
    let pool = pool(WalkOptions {
        symbols: vec![symbols.path().to_owned()],
        ..options()
    });
    assert_walks_well(&pool);
    std::fs::remove_dir_all(copy).unwrap();
    assert_walks_well(&pool);
}
