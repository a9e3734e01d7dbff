//! Dumps, symbols and annotations from `tests/fixtures`.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// The directory of the fixtures.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The directory of the symbols.
pub fn symbols() -> PathBuf {
    root().join("symbols")
}

/// A dump by its name, such as `null-write`.
pub fn dump(name: &str) -> Vec<u8> {
    read(&format!("dumps/{name}.dmp"))
}

/// The annotations of the crash `null-write`.
pub fn annotations() -> Map<String, Value> {
    serde_json::from_slice(&read("annotations/null-write.json")).unwrap()
}

/// What a dump's processed crash is to say.
pub fn expected(name: &str) -> Value {
    serde_json::from_slice(&read(&format!("expected/{name}.json"))).unwrap()
}

fn read(path: &str) -> Vec<u8> {
    let path = root().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Bytes that no compression or text handling leaves alone by chance.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        // xorshift64 (Marsaglia 2003): quick, and the same everywhere.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
