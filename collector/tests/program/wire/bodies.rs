//! Bodies as a whole: chunks, gzip, sizes, time.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// `max_body_bytes` of the collector.
pub(super) const BODY_LIMIT: usize = 30_000;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zipped(body: &[u8]) -> Vec<u8> {
    post(&format!("{MULTIPART}Content-Encoding: gzip\r\n"), body)
}

/// A body of just that size.
fn sized(size: usize) -> Vec<u8> {
    let rest = [PRODUCT, &file("a", b""), END].concat().len();
    [PRODUCT, &file("a", &vec![b'x'; size - rest]), END].concat()
}

#[rustfmt::skip] // One line a request.
pub(super) fn cases() -> Vec<Case> {
    let good = GOOD.concat();
    let chunked = |parts: &[&[u8]]| chunks(CHUNKED, parts);
    let arena = || json!({"ProductName": "Arena", "dumps": {"upload_file_minidump": "MDMP"}});
    let last = b"0\r\n\r\n";
    let halves = good.split_at(50);
    let single: Vec<u8> = good.iter().flat_map(|byte| chunk(&[*byte])).collect();
    let zip = gzip(&good);
    let bad = |at: usize| {
        let mut bad = zip.clone();
        let at = if at == 0 { 3 } else { bad.len() - at };
        bad[at] ^= 0xff;
        bad
    };
    let bomb = |size: usize| gzip(&[PRODUCT, &file("a", &vec![0; size]), END].concat());
    let stalled = "Discarded=malformed_stalled\n";
    vec![
        // Chunks.
        stores("one chunk", chunked(&[&chunk(&good), last]), arena()),
        stores("two chunks", chunked(&[&chunk(halves.0), &chunk(halves.1), last]), arena()),
        stores("a chunk a byte", chunked(&[&single, last]), arena()),
        stores("chunk extension", chunked(&[format!("{:x};a=b\r\n", good.len()).as_bytes(), &good, b"\r\n", last]), arena()),
        stores("capital chunk size", chunked(&[format!("000{:X}\r\n", good.len()).as_bytes(), &good, b"\r\n", last]), arena()),
        stores("trailers", chunked(&[&chunk(&good), b"0\r\nX: y\r\n\r\n"]), arena()),
        stores("chunked, with a length", chunks("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", &[&chunk(&good), last]), arena()),
        stores("last chunk missing, half closed", chunked(&[&chunk(&good)]), arena()).half_closed(),
        answers("last chunk missing, client waits", chunked(&[&chunk(&good)]), 408, stalled),
        malformed("no chunk", chunked(&[last]), "invalid_payload_structure"),
        malformed("chunk size of letters", chunked(&[b"xyz\r\n", &good]), "bad_chunks"),
        malformed("no chunk size", chunked(&[b"\r\n", &good]), "bad_chunks"),
        malformed("negative chunk size", chunked(&[b"-5\r\n", &good]), "bad_chunks"),
        malformed("endless chunk size", chunked(&[b"fffffffffffffffffff\r\n", &good]), "bad_chunks"),
        malformed("chunk size with 0x", chunked(&[b"0x5\r\n", &good]), "bad_chunks"),
        malformed("chunk longer than its size", chunked(&[b"5\r\n", &good, last]), "bad_chunks"),
        malformed("chunk size and LF", chunked(&[b"5\nabcde\n0\n\n"]), "bad_chunks"),
        malformed("body not in chunks", chunked(&[&good]), "bad_chunks"),
        malformed("second chunk broken", chunked(&[&chunk(halves.0), b"?\r\n"]), "bad_chunks"),
        malformed("chunk cut off", chunked(&[b"fff\r\n", halves.0]), "incomplete").half_closed(),
        malformed("chunk extension without an end", chunked(&[b"5;", &[b'x'; 20_000]]), "bad_chunks"),
        answers("unknown transfer encoding", chunks("Transfer-Encoding: gzip\r\n", &[&good]), 400, ""),
        answers("chunked in HTTP/1.0", String::from_utf8(chunked(&[&chunk(&good), last])).unwrap().replace("HTTP/1.1", "HTTP/1.0"), 400, ""),
        // Gzip.
        stores("gzip", zipped(&zip), json!({"ProductName": "Arena", "metadata": {"payload_compressed": "1"}})),
        stores("gzip in capitals", post(&format!("{MULTIPART}Content-Encoding: GZIP\r\n"), &zip), arena()),
        stores("x-gzip", post(&format!("{MULTIPART}Content-Encoding: x-gzip\r\n"), &zip), arena()),
        stores("gzip in chunks", chunks(&format!("{CHUNKED}Content-Encoding: gzip\r\n"), &[&chunk(&zip), last]), arena()),
        stores("gzip and junk behind it", zipped(&[&zip[..], b"junk"].concat()), arena()),
        stores("gzip and another behind it", zipped(&[&zip[..], &zip].concat()), arena()),
        malformed("not gzip", zipped(&good), "bad_gzip"),
        malformed("empty gzip", zipped(b""), "bad_gzip"),
        malformed("gzip of nothing", zipped(&gzip(b"")), "invalid_payload_structure"),
        malformed("gzip cut off", zipped(&zip[..zip.len() - 9]), "bad_gzip"),
        malformed("gzip without its trailer", zipped(&zip[..zip.len() - 8]), "bad_gzip"),
        malformed("gzip with a bad checksum", zipped(&bad(8)), "bad_gzip"),
        malformed("gzip with a bad length", zipped(&bad(1)), "bad_gzip"),
        malformed("gzip with reserved flags", zipped(&bad(0)), "bad_gzip"),
        malformed("gzip of gzip", zipped(&gzip(&zip)), "invalid_payload_structure"),
        malformed("gzip that is half sent", [head("/submit", &format!("{MULTIPART}Content-Encoding: gzip\r\n"), 9_000).as_bytes(), &zip[..50]].concat(), "incomplete").half_closed(),
        stores("gzip that inflates a lot, but not to much", zipped(&bomb(1_000_000)), json!({"metadata": {"dump_sizes": {"a": 1_000_000}}})),
        answers("gzip that inflates too much", zipped(&bomb(2_000_000)), 413, "Discarded=malformed_inflates_too_much\n"),
        answers("gzip bomb", zipped(&bomb(20_000_000)), 413, "Discarded=malformed_inflates_too_much\n"),
        // Sizes.
        stores("as large as allowed", post(MULTIPART, &sized(BODY_LIMIT)), json!({"metadata": {"payload_size": BODY_LIMIT}})),
        too_large("a byte too large", post(MULTIPART, &sized(BODY_LIMIT + 1))),
        stores("as large as allowed, in chunks", chunked(&[&chunk(&sized(BODY_LIMIT)), last]), json!({"metadata": {"payload_size": BODY_LIMIT}})),
        too_large("a byte too large, in chunks", chunked(&[&chunk(&sized(BODY_LIMIT + 1)), last])),
        too_large("chunks without end", chunked(&[&chunk(&[b'x'; 5_000]).repeat(20)])),
        // Time.
        answers("body that never comes", head("/submit", MULTIPART, 100), 408, stalled),
        answers("body that stops", form(&[PRODUCT, DUMP]), 408, stalled).pausing_at(150),
        answers("large body that stops", post(MULTIPART, &sized(20_000)), 408, stalled).pausing_at(15_000),
        malformed("client that closes early", head("/submit", MULTIPART, 100), "incomplete").half_closed(),
        malformed("client that closes in a dump", [head("/submit", MULTIPART, 9_000).as_bytes(), &sized(8_000)[..7_000]].concat(), "incomplete").half_closed(),
    ]
}
