//! Real worker processes, and dumps and symbols that are out to harm them.

mod dump;
mod mutations;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dump::dump;
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use processor::transform::{Knowledge, transform};
use processor::walk::{Walk, WalkOptions};
use processor::workers::Pool;
use rustix::process::{Pid, Signal, kill_process};
use socorro_core::config::Period;
use socorro_core::dumps::{Dump, DumpName};
use socorro_core::processed_crash::ProcessedCrash;
use socorro_core::raw_crash::RawCrash;

/// The beginnings of functions of the module: one return address up the stack is the next frame.
const OFFSETS: [u64; 3] = [0x5fda, 0x6003, 0x60d3];
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
    assert_eq!(
        walk.json_dump["crashing_thread"]["frames"][0]["function"],
        "arena::Renderer::DrawSprite(arena::Sprite const&, float)"
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

/// How many workers have died for that reason.
fn deaths(pool: &Pool, reason: &str) -> u64 {
    let label = [("reason", reason.to_owned())];
    pool.deaths().get_or_create(&label).get()
}

/// The processed crash of a crash whose main dump gave this.
fn processed(walk: Walk) -> ProcessedCrash {
    let id = "4dd21cc0-49d9-46ae-a42b-fadb42261116".parse().unwrap();
    let walks = BTreeMap::from([(DumpName::main(), walk)]);
    let knowledge = Knowledge::default();
    transform(id, &RawCrash::default(), &walks, &knowledge, Vec::new())
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
    let processed = processed(walk);
    assert_eq!(processed.get("truncated"), Some(&true.into()));
    let signature = processed.signature().unwrap();
    assert_eq!(signature, "arena::CheckFailed");
    assert_walks_well(&pool);
}

#[test]
fn a_dump_for_which_the_time_is_too_short_is_given_up_and_the_next_is_walked() {
    let short = WalkOptions {
        timeout: Period::from(Duration::from_secs(2)),
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
    assert_eq!((deaths(&pool, "Timeout"), deaths(&pool, "Killed")), (2, 0));
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
    let processed = processed(walk);
    assert_eq!(processed.get("success"), Some(&false.into()));
    assert_eq!(processed.get_str("mdsw_status_string"), Some("OutOfMemory"));
    let notes = processed.get_str("processor_notes").unwrap();
    assert!(
        notes.contains("the stack walker needed more than"),
        "{notes}"
    );
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
    // One while it waited, and two at work.
    assert_eq!(deaths(&pool, "Killed"), 3);
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

#[test]
fn a_worker_has_limits_and_no_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let pool = pool(WalkOptions {
        symbols: vec![fixtures().join("symbols"), directory.path().to_owned()],
        memory_bytes: 3 << 30,
        ..options()
    });
    assert_walks_well(&pool);
    let [worker] = workers(directory.path())[..] else {
        panic!("one worker is waiting");
    };
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{worker}/{name}")).unwrap();
    let status = read("status");
    for fact in ["Seccomp:\t2\n", "NoNewPrivs:\t1\n", "Threads:\t1\n"] {
        assert!(status.contains(fact), "{fact}: {status}");
    }
    let limits = read("limits");
    let limit = |name: &str| {
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max address space"), (3_u64 << 30).to_string());
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max file size"), "0");
    assert!(limit("Max cpu time").parse::<u64>().unwrap() <= 62);
}

#[test]
fn a_worker_reads_nothing_but_symbols() {
    let access = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1));
    if access.and_then(Ruleset::create).is_err() {
        eprintln!("skipped: this kernel has no landlock");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let place = "arena/63B35814B41794D4B6BDF76028E736940";
    let copy = directory.path().join(place);
    std::fs::create_dir_all(&copy).unwrap();
    let secret = fixtures().join("symbols").join(place).join("arena.sym");
    std::os::unix::fs::symlink(secret, copy.join("arena.sym")).unwrap();
    let pool = pool(WalkOptions {
        symbols: vec![directory.path().to_owned()],
        ..options()
    });
    let walk = pool.walk(&good_dump()).unwrap();
    assert_eq!(walk.status, "OK", "{:?}", walk.problem);
    let first = &walk.json_dump["crashing_thread"]["frames"][0];
    assert!(first["module"].is_string() && first["function"].is_null());
}
