//! Row keys: made of crash ids, and read back.

use jiff::Timestamp;

use crate::crash_id::CrashId;
use crate::raw_crash::format_timestamp;

/// The sixteen first characters of row keys.
pub(super) const SALTS: &[u8; 16] = b"0123456789abcdef";

/// The key of a crash: `salt YYMMDD id`.
pub(super) fn crash(id: &CrashId) -> Vec<u8> {
    format!("{}{}{id}", id.salt(), id.yymmdd()).into_bytes()
}

/// The key in an index by time: `salt time id`. `submitted` is the text of `timestamps:submitted`;
/// its zone, always UTC, is left out.
pub(super) fn by_time(id: &str, submitted: &str) -> Vec<u8> {
    let salt = &id[..id.chars().next().map_or(0, char::len_utf8)];
    format!("{salt}{}{id}", without_zone(submitted)).into_bytes()
}

/// The key in the index by signature: `signature id`.
pub(super) fn by_signature(id: &CrashId, signature: &[u8]) -> Vec<u8> {
    [signature, id.as_str().as_bytes()].concat()
}

/// The key in the index by day and signature: `YYMMDD signature id`.
pub(super) fn by_day_and_signature(id: &CrashId, signature: &[u8]) -> Vec<u8> {
    [id.yymmdd().as_bytes(), signature, id.as_str().as_bytes()].concat()
}

/// The text of `timestamps:submitted`.
pub(super) fn submitted(time: Timestamp) -> String {
    format_timestamp(time)
}

fn without_zone(time: &str) -> &str {
    match time
        .len()
        .checked_sub(6)
        .map(|at| (at, time.as_bytes()[at]))
    {
        Some((at, b'+' | b'-')) => &time[..at],
        _ => time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_socorro_2x() {
        let id: CrashId = "4dd21cc0-49d9-46ae-a42b-fadb42090928".parse().unwrap();
        assert_eq!(crash(&id), b"40909284dd21cc0-49d9-46ae-a42b-fadb42090928");
        let time = submitted("2009-09-28T13:05:59Z".parse().unwrap());
        assert_eq!(
            by_time(id.as_str(), &time),
            b"42009-09-28T13:05:59.0000004dd21cc0-49d9-46ae-a42b-fadb42090928"
        );
        assert_eq!(
            by_time("hang", "2009-09-28T13:05:59"),
            b"h2009-09-28T13:05:59hang"
        );
        assert_eq!(
            by_signature(&id, b"f | g"),
            b"f | g4dd21cc0-49d9-46ae-a42b-fadb42090928"
        );
    }
}
