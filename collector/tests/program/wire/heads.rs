//! Odd request lines and headers.

use super::*;

#[rustfmt::skip] // One line a request.
pub(super) fn cases() -> Vec<Case> {
    let good = GOOD.concat();
    let with = |headers: &str| post(&format!("{MULTIPART}{headers}"), &good);
    let typed = |kind: &str| post(&format!("Content-Type: {kind}\r\n"), &good);
    let line = |line: &str| format!("{line}\r\nHost: c\r\n\r\n").into_bytes();
    let method = "use method POST; crashes are posted to /submit, as multipart/form-data\n";
    let reading = "use method GET, HEAD; crashes are posted to /submit, as multipart/form-data\n";
    let path = "there is nothing here; crashes are posted to /submit\n";
    let arena = || json!({"ProductName": "Arena", "dumps": {"upload_file_minidump": "MDMP"}});
    let none = json!({});
    let at = |target: &str| [head(target, MULTIPART, good.len()).as_bytes(), &good].concat();
    let length = |length: &str| {
        let head = format!("POST /submit HTTP/1.1\r\nHost: c\r\n{MULTIPART}{length}\r\n");
        [head.as_bytes(), &good].concat()
    };
    let exact = format!("Content-Length: {}\r\n", good.len());
    let unauthorized = "Discarded=unauthorized_uuid\n";
    vec![
        // Paths and methods.
        answers("get", line("GET /submit HTTP/1.1"), 405, method),
        answers("put", line("PUT /submit HTTP/1.1"), 405, method),
        answers("delete", line("DELETE /submit HTTP/1.1"), 405, method),
        answers("options", line("OPTIONS /submit HTTP/1.1"), 405, method),
        answers("unknown method", line("SUBMIT /submit HTTP/1.1"), 405, method),
        answers("method in small letters", line("post /submit HTTP/1.1"), 405, method),
        answers("root", line("GET / HTTP/1.1"), 404, path),
        answers("star", line("OPTIONS * HTTP/1.1"), 404, path),
        answers("dots", line("POST /../submit HTTP/1.1"), 404, path),
        answers("escaped path", line("POST /%73ubmit HTTP/1.1"), 404, path),
        answers("path below", line("POST /submit/x HTTP/1.1"), 404, path),
        answers("capital path", line("POST /SUBMIT HTTP/1.1"), 404, path),
        answers("broken on purpose", line("GET /__broken__ HTTP/1.1"), 404, path),
        answers("post to a heartbeat", line("POST /__heartbeat__ HTTP/1.1"), 405, reading),
        answers("heartbeat", line("GET /__heartbeat__ HTTP/1.1"), 200, "{\"errors\":[]}\n"),
        answers("load balancer", line("GET /__lbheartbeat__ HTTP/1.1"), 200, ""),
        answers("load balancer, query", line("GET /__lbheartbeat__?a HTTP/1.1"), 200, ""),
        stores("slash behind the path", at("/submit/"), arena()),
        stores("query of a Firefox", at("/submit?id={ec8}&version=1&buildid=2"), json!({"id": "{ec8}", "version": "1"})),
        stores("query of a Crashpad", at("/submit?product=A&version=1&guid=6f%2d1"), json!({"guid": "6f-1"})),
        stores("query that is none", at("/submit?&&=x&a&%ff=%ff&%"), json!({"a": ""})),
        stores("whole address as target", at("http://c/submit"), arena()),
        // What is not HTTP.
        answers("empty lines first", [b"\r\n\r\n", &line("GET /__lbheartbeat__ HTTP/1.1")[..]].concat(), 200, ""),
        answers("no HTTP at all", &b"hello\r\n\r\n"[..], 400, ""),
        answers("TLS", &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], 400, ""),
        answers("HTTP/2", &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], 0, ""),
        answers("HTTP/9", line("GET / HTTP/9.9"), 400, ""),
        answers("NUL in the head", &b"GET /\0 HTTP/1.1\r\nHost: c\r\n\r\n"[..], 400, ""),
        answers("header without a colon", &b"GET / HTTP/1.1\r\nHost\r\n\r\n"[..], 400, ""),
        answers("blank before the colon", &b"GET / HTTP/1.1\r\nHost : c\r\n\r\n"[..], 400, ""),
        answers("header with NUL", &b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"[..], 400, ""),
        answers("folded header", &b"GET / HTTP/1.1\r\nHost: c\r\n d\r\n\r\n"[..], 400, ""),
        answers("bare LF in the head", &b"GET /__lbheartbeat__ HTTP/1.1\nHost: c\n\n"[..], 200, ""),
        answers("300 headers", with(&"X: y\r\n".repeat(300)), 431, ""),
        answers("head of 200 kB", with(&format!("X: {}\r\n", "y".repeat(200_000))), 431, ""),
        answers("path of 80 kB", line(&format!("GET /{} HTTP/1.1", "y".repeat(80_000))), 414, ""),
        answers("HTTP/1.0", &b"GET /__lbheartbeat__ HTTP/1.0\r\n\r\n"[..], 200, ""),
        stores("HTTP/1.0 post", String::from_utf8(with("")).unwrap().replace("HTTP/1.1", "HTTP/1.0"), arena()),
        answers("head that never ends", &b"POST /submit HTTP/1.1\r\nHost: c\r\n"[..], 0, ""),
        answers("head half closed", &b"POST /submit HTTP/1.1\r\nHo"[..], 0, "").half_closed(),
        answers("nothing at all", &b""[..], 0, "").half_closed(),
        answers("slow head", with(""), 0, "").pausing_at(20),
        // Content types.
        malformed("no content type", post("", &good), "no_content_type"),
        malformed("empty content type", typed(""), "wrong_content_type"),
        malformed("text", typed("text/plain; boundary=XX"), "wrong_content_type"),
        malformed("url encoded", typed("application/x-www-form-urlencoded"), "wrong_content_type"),
        malformed("raw dump", post("Content-Type: application/x-dmp\r\n", b"MDMP"), "wrong_content_type"),
        malformed("raw bytes", post("Content-Type: application/octet-stream\r\n", b"MDMP"), "wrong_content_type"),
        malformed("JSON", post("Content-Type: application/json\r\n", b"{\"ProductName\":\"A\"}"), "wrong_content_type"),
        malformed("multipart/related", typed("multipart/related; boundary=XX"), "wrong_content_type"),
        malformed("no boundary", typed("multipart/form-data"), "no_boundary"),
        malformed("empty boundary", typed("multipart/form-data; boundary="), "no_boundary"),
        malformed("empty quoted boundary", typed("multipart/form-data; boundary=\"\""), "no_boundary"),
        malformed("boundary of another name", typed("multipart/form-data; bound=XX"), "no_boundary"),
        malformed("endless boundary", typed(&format!("multipart/form-data; boundary={}", "X".repeat(257))), "no_boundary"),
        malformed("another boundary", typed("multipart/form-data; boundary=YY"), "invalid_payload_structure"),
        malformed("boundary that is a part", typed("multipart/form-data; boundary=X"), "invalid_payload_structure"),
        stores("quoted boundary", typed("multipart/form-data; boundary=\"XX\""), arena()),
        stores("boundary after a charset", typed("multipart/form-data; charset=utf-8; boundary=XX"), arena()),
        stores("boundary before a charset", typed("multipart/form-data; boundary=XX; charset=utf-8"), arena()),
        stores("capitals", typed("MULTIPART/FORM-DATA; BOUNDARY=XX"), arena()),
        stores("multipart/mixed", typed("multipart/mixed; boundary=XX"), arena()),
        stores("blanks", typed("multipart/form-data ;  boundary = XX "), arena()),
        stores("type of bytes beyond ASCII", [b"POST /submit HTTP/1.1\r\nHost: c\r\nContent-Type: multipart/form-data; x=\xff; boundary=XX\r\n", exact.as_bytes(), b"\r\n", &good].concat(), arena()),
        // Encodings.
        answers("brotli", with("Content-Encoding: br\r\n"), 415, "Discarded=malformed_unknown_content_encoding\n"),
        answers("deflate", with("Content-Encoding: deflate\r\n"), 415, "Discarded=malformed_unknown_content_encoding\n"),
        answers("gzip twice", with("Content-Encoding: gzip, gzip\r\n"), 415, "Discarded=malformed_unknown_content_encoding\n"),
        answers("encoding of odd bytes", with("Content-Encoding: \u{e9}\r\n"), 415, "Discarded=malformed_unknown_content_encoding\n"),
        stores("identity", with("Content-Encoding: identity\r\n"), arena()),
        stores("empty encoding", with("Content-Encoding:\r\n"), arena()),
        // Lengths.
        malformed("no length", length(""), "invalid_payload_structure"),
        malformed("length 0", length("Content-Length: 0\r\n"), "invalid_payload_structure"),
        answers("negative length", length("Content-Length: -1\r\n"), 400, ""),
        answers("length of letters", length("Content-Length: abc\r\n"), 400, ""),
        answers("length with a plus", length("Content-Length: +5\r\n"), 400, ""),
        answers("two lengths", length("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, ""),
        answers("endless length", length("Content-Length: 99999999999999999999999\r\n"), 400, ""),
        too_large("length over the limit, no body", length("Content-Length: 30001\r\n")),
        too_large("length over the limit, far", length("Content-Length: 9223372036854775807\r\n")),
        stores("length twice the same", length(&format!("{exact}{exact}")), none.clone()),
        malformed("length too small", length("Content-Length: 60\r\n"), "invalid_payload_structure"),
        answers("length too large, client waits", length("Content-Length: 9000\r\n"), 408, "Discarded=malformed_stalled\n"),
        stores("length too large, half closed", length("Content-Length: 9000\r\n"), arena()).half_closed(),
        // Identity and rights.
        answers("uuid without a token", form(&[PRODUCT, &pair("uuid", b"4dd21cc0-49d9-46ae-a42b-fadb42090928")]), 401, unauthorized),
        answers("uuid with a wrong token", uuid("Bearer wrong", "4dd21cc0-49d9-46ae-a42b-fadb42090928"), 401, unauthorized),
        answers("uuid with half the token", uuid("Bearer s3cre", "4dd21cc0-49d9-46ae-a42b-fadb42090928"), 401, unauthorized),
        answers("uuid with the token bare", uuid("s3cret", "4dd21cc0-49d9-46ae-a42b-fadb42090928"), 401, unauthorized),
        answers("uuid with an empty token", uuid("Bearer ", "4dd21cc0-49d9-46ae-a42b-fadb42090928"), 401, unauthorized),
        malformed("uuid that is none", uuid("Bearer s3cret", "x"), "invalid_uuid"),
        malformed("uuid with a path", uuid("Bearer s3cret", "../../../../../../../../../etc/passwd"), "invalid_uuid"),
        malformed("uuid in capitals", uuid("Bearer s3cret", "4DD21CC0-49d9-46ae-a42b-fadb42090928"), "invalid_uuid"),
        malformed("uuid with a prefix", uuid("Bearer s3cret", "bp-4dd21cc0-49d9-46ae-a42b-fadb42090928"), "invalid_uuid"),
        malformed("uuid of no date", uuid("Bearer s3cret", "4dd21cc0-49d9-46ae-a42b-fadb42091399"), "invalid_uuid"),
        malformed("uuid of the future", uuid("Bearer s3cret", "4dd21cc0-49d9-46ae-a42b-fadb42991231"), "invalid_uuid"),
        stores("uuid with the token", uuid("Bearer s3cret", "4dd21cc0-49d9-46ae-a42b-fadb42090928"), json!({"uuid": "4dd21cc0-49d9-46ae-a42b-fadb42090928"})),
        stores("long user agent", with(&format!("User-Agent: {}\r\n", "u".repeat(5_000))), json!({"metadata": {"user_agent": "u".repeat(1_000)}})),
        // The connection.
        stores("a second request behind it", [form(&[PRODUCT]), line("GET /__lbheartbeat__ HTTP/1.1")].concat(), none.clone()),
        stores("close after the answer", with("Connection: close\r\n"), arena()),
        stores("an upgrade that is not wanted", with("Connection: upgrade\r\nUpgrade: h2c\r\n"), arena()),
        stores("forwarded", with("X-Forwarded-For: 1.2.3.4\r\n"), arena()),
        stores("an expectation we don't know", with("Expect: 200-ok\r\n"), arena()),
    ]
}

fn uuid(authorization: &str, id: &str) -> Vec<u8> {
    let body = [PRODUCT, &pair("uuid", id.as_bytes()), END].concat();
    post(
        &format!("{MULTIPART}Authorization: {authorization}\r\n"),
        &body,
    )
}
