//! Damaged dumps, by the thousand: each gets an answer of its own, and no other crash notices.
//!
//! `SOCORRO_MUTATED_DUMPS` says how many, `SOCORRO_MUTATION_SEED` where to begin: dump number N of any run
//! is the first one of a run that begins at N.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

use super::*;

/// What a worker may take, and so what the largest may have taken.
const MEMORY_BYTES: u64 = 1 << 30;
/// A good dump is walked after so many damaged ones.
const BETWEEN: u64 = 10;
/// Numbers that counts, sizes and offsets are not prepared for.
const ODD: [u32; 8] = [
    0,
    1,
    0x7f,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX - 1,
    u32::MAX,
];

#[test]
fn damaged_dumps_get_their_answers_and_no_other_crash_is_blamed() {
    let first = number("SOCORRO_MUTATION_SEED").unwrap_or_else(|| fastrand::u64(..) >> 32);
    let count = number("SOCORRO_MUTATED_DUMPS").unwrap_or(200);
    println!("dumps {first} to {}", first + count - 1);
    // A directory of its own tells the workers from those of other tests.
    let dir = tempfile::tempdir().unwrap();
    let symbols = dir.path().join("symbols");
    std::os::unix::fs::symlink(fixtures().join("symbols"), &symbols).unwrap();
    let pool = pool(WalkOptions {
        symbols: vec![symbols.clone()],
        timeout: Period::from_secs(20),
        memory_bytes: MEMORY_BYTES,
        ..options()
    });
    let sources = sources();
    let next = AtomicU64::new(first);
    let answers = Mutex::new(BTreeMap::<String, u64>::new());
    let (pool, sources, next, answers) = (&pool, &sources, &next, &answers);
    let mut largest = 0;
    std::thread::scope(|scope| {
        let walking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || walk_all(pool, sources, next, first..first + count, answers))
            })
            .collect();
        while walking.iter().any(|walking| !walking.is_finished()) {
            let sizes = workers(dir.path()).into_iter().filter_map(peak_bytes);
            largest = sizes.fold(largest, u64::max);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let answers = answers.lock().unwrap();
    println!("{answers:?}, at most {} MB in a worker", largest >> 20);
    assert_eq!(answers.values().sum::<u64>(), count);
    assert!(answers.contains_key("OK"), "all dumps were beyond repair");
    assert!(largest > 0 && largest <= MEMORY_BYTES);
}

/// Walks damaged dumps, and good ones in between.
fn walk_all(
    pool: &Pool,
    sources: &[Vec<u8>],
    next: &AtomicU64,
    numbers: Range<u64>,
    answers: &Mutex<BTreeMap<String, u64>>,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if !numbers.contains(&number) {
            return;
        }
        let dump = Dump::Bytes(damaged(sources, number).into());
        let walk = pool
            .walk(&dump)
            .unwrap_or_else(|error| panic!("dump {number}: {error}"));
        let blamed = walk.problem.as_deref().unwrap_or_default();
        assert!(!blamed.starts_with("the host"), "dump {number}: {blamed}");
        assert_eq!(
            walk.status == "OK",
            walk.problem.is_none(),
            "dump {number}: {blamed}"
        );
        *answers.lock().unwrap().entry(walk.status).or_default() += 1;
        if number.is_multiple_of(BETWEEN) {
            assert_walks_well(pool);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value:?} is no number")),
    )
}

/// What is damaged: our fixtures, and a dump of many threads.
fn sources() -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(fixtures().join("dumps")).unwrap();
    let files = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let mut sources: Vec<_> = files.filter(|content| content.len() > 1000).collect();
    sources.push(dump(100, 64, &OFFSETS));
    // The order of a directory's entries is no seed.
    sources.sort();
    sources
}

/// The damaged dump of that number.
fn damaged(sources: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let mut dump = sources[random.usize(..sources.len())].clone();
    for _ in 0..random.usize(1..=6) {
        damage(&mut dump, &mut random);
    }
    dump
}

fn damage(dump: &mut Vec<u8>, random: &mut Rng) {
    let len = dump.len();
    if len < 64 {
        return;
    }
    match random.u8(..16) {
        0 => dump.truncate(random.usize(..len)),
        1..4 => dump[random.usize(..len)] ^= 1 << random.u8(..8),
        4 => {
            // A piece of it once more, elsewhere.
            let size = random.usize(..len.min(4096));
            let (from, to) = (random.usize(..=len - size), random.usize(..=len - size));
            dump.copy_within(from..from + size, to);
        }
        5..9 => put_odd(dump, random.usize(..len / 4) * 4, random),
        // Header and directory: 32 bytes, then 12 for each stream.
        9 => put_odd(dump, random.usize(..(len / 4).min(60)) * 4, random),
        // The beginning of a stream: counts, sizes and offsets.
        _ => {
            let streams = read(dump, 8).clamp(1, 64) as usize;
            let entry = read(dump, 12) as usize + random.usize(..streams) * 12;
            let stream = read(dump, entry + 8) as usize;
            put_odd(dump, stream.saturating_add(random.usize(..64) * 4), random);
        }
    }
}

/// Puts a number there that is odd, near to what was there, or anything.
fn put_odd(dump: &mut [u8], at: usize, random: &mut Rng) {
    let old = read(dump, at);
    let new = match random.u8(..4) {
        0 => old.wrapping_add(random.u32(1..=16)),
        1 => old.wrapping_sub(random.u32(1..=16)),
        2 => random.u32(..),
        _ => ODD[random.usize(..ODD.len())],
    };
    if let Some(place) = at.checked_add(4).and_then(|end| dump.get_mut(at..end)) {
        place.copy_from_slice(&new.to_le_bytes());
    }
}

/// The number there, or 0.
fn read(dump: &[u8], at: usize) -> u32 {
    let bytes = at.checked_add(4).and_then(|end| dump.get(at..end));
    bytes.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
}

/// The most memory that a process has had, unless it has ended.
fn peak_bytes(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
