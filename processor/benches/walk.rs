//! How fast one worker walks dumps with warm symbols, against the library's own loop: `minidump-processor`
//! with a symbolizer that stays, and `print_json`.
//!
//! Both make a whole `json_dump` with every frame, in one process, in turns. Times are processor times of
//! the thread, medians; what counts is the ratio. The last column is the wall time of a dump through a
//! worker process, up to the parsed answer.
//!
//! `cargo bench -p processor --bench walk`

#[path = "../tests/workers/dump.rs"]
mod dump;

use std::path::Path;
use std::time::{Duration, Instant};

use dump::dump;
use minidump::Minidump;
use minidump_processor::{ProcessorOptions, process_minidump_with_options};
use minidump_unwind::{Symbolizer, simple_symbol_supplier};
use processor::walk::{WalkOptions, Walker};
use processor::workers::Pool;
use rustix::time::{ClockId, clock_gettime};
use socorro_core::dumps::Dump;

/// Functions of the module, a little behind their beginnings.
const OFFSETS: [u64; 8] = [
    0x5fda, 0x6003, 0x60d3, 0x6d27, 0x6df7, 0x6f1d, 0x7169, 0x742f,
];

fn main() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let symbols = vec![fixtures.join("symbols")];
    let options = WalkOptions {
        symbols: symbols.clone(),
        head_frames: usize::MAX,
        max_frames: u64::MAX,
        max_threads: usize::MAX,
        max_output_bytes: usize::MAX / 4,
        ..WalkOptions::default()
    };
    let walker = Walker::new(options.clone());
    let stock = Symbolizer::new(simple_symbol_supplier(symbols));
    let pool = Pool::of(env!("CARGO_BIN_EXE_processor").into(), options);

    let names = [
        "null-write",
        "abort",
        "uncaught-exception",
        "stack-overflow",
        "rust-panic",
    ];
    let mut dumps: Vec<(String, Vec<u8>)> = names
        .iter()
        .map(|name| {
            let path = fixtures.join(format!("dumps/{name}.dmp"));
            ((*name).to_owned(), std::fs::read(path).unwrap())
        })
        .collect();
    for (threads, frames) in [(1, 1000), (20, 50), (100, 100), (300, 100)] {
        let name = format!("{threads} threads of {frames} frames");
        dumps.push((name, dump(threads, frames, &OFFSETS)));
    }

    println!(
        "{:32} {:>9} {:>9} {:>6} {:>9}",
        "dump", "stock ms", "own ms", "ratio", "pool ms"
    );
    let mut product = 1.0;
    for (name, bytes) in &dumps {
        let (mut theirs, mut ours, mut through) = (Vec::new(), Vec::new(), Vec::new());
        let dump = Dump::Bytes(bytes.clone().into());
        let until = Instant::now() + Duration::from_secs(3);
        while theirs.len() < 7 || Instant::now() < until && theirs.len() < 300 {
            theirs.push(cpu_time(|| walk_stock(bytes, &stock)));
            ours.push(cpu_time(|| walker.walk(bytes, &|_| {})));
            let start = Instant::now();
            assert!(pool.walk(&dump).unwrap().is_ok());
            through.push(start.elapsed());
        }
        let [theirs, ours, through] = [theirs, ours, through].map(median);
        let ratio = theirs / ours;
        product *= ratio;
        println!("{name:32} {theirs:9.3} {ours:9.3} {ratio:6.2} {through:9.3}");
    }
    let mean = f64::powf(product, 1.0 / dumps.len() as f64);
    println!("geometric mean of the ratios: {mean:.2}");
}

fn walk_stock(bytes: &[u8], symbols: &Symbolizer) -> Vec<u8> {
    let dump = Minidump::read(bytes).unwrap();
    let state = process_minidump_with_options(&dump, symbols, ProcessorOptions::default());
    let mut json = Vec::new();
    let state = pollster::block_on(state).unwrap();
    state.print_json(&mut json, false).unwrap();
    json
}

fn cpu_time(work: impl FnOnce() -> Vec<u8>) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap(),
        )
    };
    let start = now();
    std::hint::black_box(work());
    now() - start
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
