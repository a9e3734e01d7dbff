//! Parts, annotations and dumps.

use super::*;

/// A part with this head.
fn part(head: &str, content: &[u8]) -> Vec<u8> {
    [b"--XX\r\n", head.as_bytes(), b"\r\n\r\n", content, b"\r\n"].concat()
}

/// A part with this `Content-Disposition`.
fn disposed(disposition: &str, content: &[u8]) -> Vec<u8> {
    part(&format!("Content-Disposition: {disposition}"), content)
}

/// An annotation `a` of this type.
fn typed(kind: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: {kind}");
    part(&head, content)
}

#[rustfmt::skip] // One line a request.
pub(super) fn cases() -> Vec<Case> {
    let structure = "invalid_payload_structure";
    let good = GOOD.concat();
    let body = |parts: &[&[u8]]| post(MULTIPART, &parts.concat());
    let json = |text: &str| form(&[&json_part(text)]);
    let dumped = |disposition: &str| form(&[PRODUCT, &disposed(disposition, b"MDMP")]);
    let named = |name: &str| form(&[PRODUCT, &file(name, b"MDMP")]);
    let is_dump = |name: &str| json!({"dumps": {name: "MDMP"}});
    let inner = b"--YY\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nc\r\n--YY--";
    let nested = "form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=YY";
    let no_cr: Vec<u8> = good.iter().copied().filter(|c| *c != b'\r').collect();
    let no_lf: Vec<u8> = good.iter().copied().filter(|c| *c != b'\n').collect();
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|i| format!("\"k{i}\":{i}")).collect();
        format!("{{{}}}", keys.join(","))
    };
    let pairs = |count: usize| (0..count).flat_map(|i| pair(&format!("k{i}"), b"")).collect::<Vec<_>>();
    let many_texts = [&pair("a", &[b'x'; 1_900])[..], &pair("b", &[b'x'; 1_900]), &pair("c", &[b'x'; 1_900])].concat();
    let swallowing = b"--XX\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; filename=\"a\"\r\n\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nc\r\n";
    vec![
        // Structure.
        malformed("empty body", body(&[]), structure),
        malformed("text", body(&[b"hello"]), structure),
        malformed("raw dump under a multipart type", body(&[b"MDMP\x93\xa7\0\0"]), structure),
        malformed("no closing boundary", body(&[PRODUCT, DUMP]), structure),
        malformed("half a closing boundary", body(&[PRODUCT, b"--XX-"]), structure),
        malformed("junk behind a boundary", body(&[b"--XXjunk\r\n", PRODUCT, END]), structure),
        malformed("bare LF", body(&[&no_cr]), structure),
        malformed("bare CR", body(&[&no_lf]), structure),
        malformed("head without an end", body(&[b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n--XX--\r\n"]), structure),
        malformed("only the closing boundary", body(&[END]), "no_annotations"),
        malformed("closing boundary first", body(&[END, PRODUCT, END]), "no_annotations"),
        malformed("only a dump", form(&[DUMP]), "no_annotations"),
        malformed("only a nameless annotation", form(&[&pair("", b"x")]), "no_annotations"),
        malformed("parts without heads", form(&[b"--XX\r\n\r\nx\r\n"]), "no_annotations"),
        malformed("part head too large", form(&[PRODUCT, &part(&format!("X: {}", "x".repeat(1_000)), b"")]), "part_head_too_large"),
        malformed("part head without an end, too large", body(&[b"--XX\r\nX: ", &[b'x'; 5_000]]), "part_head_too_large"),
        malformed("too many parts", form(&[&file("a", b"").repeat(41)]), "too_many_parts"),
        stores("preamble and epilogue", body(&[b"hello\r\n", &good, b"bye"]), json!({"ProductName": "Arena"})),
        stores("no line end at the end", body(&[PRODUCT, b"--XX--"]), json!({"ProductName": "Arena"})),
        stores("blanks behind a boundary", body(&[b"--XX \t\r\n", &PRODUCT[6..], END]), json!({"ProductName": "Arena"})),
        stores("as many parts as allowed", form(&[PRODUCT, &file("a", b"").repeat(39)]), json!({"dumps": {"a_39": ""}})),
        stores("head lines of any case", form(&[&part("CONTENT-DISPOSITION:form-data;NAME=\"a\"", b"b")]), json!({"a": "b"})),
        stores("head lines we don't know", form(&[&part("X-Y: z\r\nContent-Disposition: form-data; name=a", b"b")]), json!({"a": "b"})),
        stores("transfer encoding of a part", form(&[&part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", b"Yg==")]), json!({"a": "Yg=="})),
        stores("nested multipart is a text", form(&[&disposed(nested, inner)]), json!({"a": String::from_utf8_lossy(inner)})),
        stores("a boundary in the middle of a line", form(&[&pair("a", b"x--XX--")]), json!({"a": "x--XX--"})),
        stores("almost a boundary", form(&[&pair("a", b"\r\n--X\r\n-XX--")]), json!({"a": "\r\n--X\r\n-XX--"})),
        // As Crashpad writes it for an empty dump: the boundary has no line of its own before it.
        stores("empty dump that swallows the next part", form(&[PRODUCT, swallowing]), json!({"dumps": {"upload_file_minidump": "--XX\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nc"}})),
        stores("empty dump", form(&[PRODUCT, &file("upload_file_minidump", b"")]), json!({"dumps": {"upload_file_minidump": ""}})),
        stores("no dump", form(&[PRODUCT]), json!({"dumps": {}})),
        stores("a dump that is none", form(&[PRODUCT, &file("upload_file_minidump", b"hello")]), json!({"dumps": {"upload_file_minidump": "hello"}})),
        // Annotations.
        stores("empty annotation", form(&[&pair("a", b"")]), json!({"a": ""})),
        stores("a name of an escape", form(&[&pair("a\\\"b", b"c")]), json!({"a\"b": "c"})),
        stores("a name with a path", form(&[&pair("../../etc", b"c")]), json!({"../../etc": "c"})),
        stores("a name beyond ASCII", form(&[&pair("né", b"c")]), json!({"né": "c"})),
        stores("a name that is not UTF-8", form(&[&part_bytes(b"n\xff", b"c")]), json!({"n\u{fffd}": "c"})),
        stores("a name with NUL", form(&[&pair("a\0b", b"c")]), json!({"ab": "c"})),
        stores("a value with NUL", form(&[&pair("a", b"b\0c")]), json!({"a": "bc"})),
        stores("a value that is not UTF-8", form(&[&pair("a", b"b\xff")]), json!({"a": "b\u{fffd}", "metadata": {"collector_notes": ["annotation \"a\" was not UTF-8"]}})),
        stores("a charset that is wrong", form(&[&typed("text/plain; charset=utf-16", b"b")]), json!({"a": "b"})),
        stores("Latin-1", form(&[&typed("text/plain; charset=iso-8859-1", b"\xe9")]), json!({"a": "\u{fffd}"})),
        stores("an unknown charset", form(&[&typed("text/plain; charset=x", b"b")]), json!({"a": "b"})),
        stores("bytes without a file name", form(&[&typed("application/octet-stream", b"b")]), json!({"a": "b", "dumps": {}})),
        stores("a byte order mark", form(&[&pair("a", b"\xef\xbb\xbfb")]), json!({"a": "\u{feff}b"})),
        stores("twice the same", form(&[&pair("a", b"1"), &pair("a", b"2")]), json!({"a": "2", "metadata": {"collector_notes": ["annotation \"a\" came twice; the last counts"]}})),
        stores("values in chunks", form(&[&pair("a__1", b"x"), &pair("a__2", b"y")]), json!({"a__1": "x", "a__2": "y"})),
        stores("an extra without a type", form(&[&pair("extra", b"{\"a\":1}")]), json!({"extra": "{\"a\":1}"})),
        stores("nameless among others", form(&[PRODUCT, &pair("", b"x")]), json!({"metadata": {"collector_notes": ["an annotation without a name was dropped"]}})),
        stores("aliases", form(&[&pair("prod", b"A"), &pair("ver", b"1"), &pair("ptype", b"gpu")]), json!({"ProductName": "A", "Version": "1", "ProcessType": "gpu", "prod": "A"})),
        stores("forged entries", form(&[PRODUCT, &pair("metadata", b"x"), &pair("legacy_processing", b"2"), &pair("throttle_rate", b"0")]), json!({"legacy_processing": 0, "throttle_rate": 100.0, "metadata": {"payload": "multipart"}})),
        stores("forged entries in JSON", json(r#"{"a":1,"metadata":{"throttle_rule":"x"},"legacy_processing":1}"#), json!({"legacy_processing": 0, "metadata": {"throttle_rule": "accept_everything"}})),
        stores("as large as allowed", form(&[&pair("a", &[b'x'; 2_000])]), json!({"a": "x".repeat(2_000)})),
        too_large("a byte too large", form(&[&pair("a", &[b'x'; 2_001])])),
        too_large("together too large", form(&[&many_texts, &pair("d", &[b'x'; 1_900])])),
        stores("together not too large", form(&[&many_texts]), json!({})),
        malformed("too many in JSON", json(&keys(50)), "too_many_annotations"),
        stores("as many as allowed in JSON", json(&keys(49)), json!({"k48": 48})),
        malformed("too many in fields and JSON", form(&[&pairs(20), &json_part(&keys(30))]), "too_many_annotations"),
        malformed("too many in a JSON array", json(&format!("{{\"a\":[{}1]}}", "1,".repeat(60))), "too_many_annotations"),
        malformed("too many in the query", [head(&format!("/submit?{}", (0..60).map(|i| format!("q{i}=1&")).collect::<String>()), MULTIPART, good.len()).as_bytes(), &good].concat(), "too_many_annotations"),
        // JSON.
        stores("JSON of all types", json(r#"{"a":"b","c":1,"d":null,"e":[true,1.5],"f":{"g":"h"}}"#), json!({"a": "b", "c": 1, "d": null, "e": [true, 1.5], "f": {"g": "h"}, "metadata": {"payload": "json"}})),
        stores("JSON with a byte order mark", json("\u{feff}{\"a\":1}"), json!({"a": 1})),
        stores("JSON and blanks", json(" \r\n{ \"a\" : 1 }\t"), json!({"a": 1})),
        stores("JSON with NUL", json(r#"{"a\u0000b":["c\u0000d"]}"#), json!({"ab": ["cd"]})),
        stores("JSON with a name twice", json(r#"{"a":1,"a":2}"#), json!({"a": 2})),
        stores("two JSON parts", form(&[&json_part(r#"{"a":1,"b":1}"#), &json_part(r#"{"a":2}"#)]), json!({"a": 2, "b": 1})),
        stores("JSON and fields", form(&[&json_part(r#"{"a":1,"b":1}"#), &pair("a", b"x")]), json!({"a": "x", "b": 1})),
        stores("JSON with parameters in its type", form(&[&typed("Application/JSON; charset=utf-8", b"{\"b\":1}")]), json!({"b": 1})),
        malformed("empty JSON", json(""), "invalid_json"),
        malformed("half JSON", json("{\"a\":"), "invalid_json"),
        malformed("JSON and more", json("{\"a\":1} x"), "invalid_json"),
        malformed("JSON with a comma too many", json("{\"a\":1,}"), "invalid_json"),
        malformed("JSON with NaN", json("{\"a\":NaN}"), "invalid_json"),
        malformed("JSON with an endless number", json("{\"a\":1e999}"), "invalid_json"),
        malformed("JSON with half a surrogate", json(r#"{"a":"\ud800"}"#), "invalid_json"),
        malformed("JSON that is not UTF-8", form(&[&typed("application/json", b"{\"a\":\"\xff\"}")]), "invalid_json"),
        malformed("JSON in UTF-16", form(&[&typed("application/json", b"{\0\"\0a\0\"\0:\x001\0}\0")]), "invalid_json"),
        malformed("JSON with a raw line end in a text", json("{\"a\":\"\n\"}"), "invalid_json"),
        malformed("JSON array", json("[1]"), "invalid_json_value"),
        malformed("JSON text", json("\"a\""), "invalid_json_value"),
        malformed("JSON null", json("null"), "invalid_json_value"),
        malformed("empty JSON object", json("{}"), "no_annotations"),
        malformed("JSON nested too deep", json(&format!("{{\"a\":{}{}}}", "[".repeat(8), "]".repeat(8))), "json_too_deep"),
        stores("JSON nested as deep as allowed", json(&format!("{{\"a\":{}{}}}", "[".repeat(7), "]".repeat(7))), json!({})),
        malformed("JSON nested without end", json(&"{\"a\":".repeat(390)), "json_too_deep"),
        too_large("JSON too large", json(&format!("{{\"a\":\"{}\"}}", "x".repeat(2_000)))),
        // Dumps and their names.
        stores("a file name and no type", dumped("form-data; name=\"d1\"; filename=\"x\""), is_dump("d1")),
        stores("an empty file name", dumped("form-data; name=\"d1\"; filename=\"\""), is_dump("d1")),
        stores("a file name before the name", dumped("form-data; filename=x; name=d1"), is_dump("d1")),
        stores("a file name with a semicolon", dumped("form-data; filename=\"a;name=b\"; name=d1"), is_dump("d1")),
        stores("an encoded file name", dumped("form-data; name=d1; filename*=UTF-8''x"), is_dump("d1")),
        stores("a Windows path", dumped("form-data; name=d1; filename=\"C:\\dumps\\x.dmp\""), is_dump("d1")),
        stores("a quote that does not end", dumped("form-data; name=d1; filename=\"x"), is_dump("d1")),
        stores("a dump of a text type", form(&[PRODUCT, &disposed("form-data; name=d1; filename=x\r\nContent-Type: text/plain", b"MDMP")]), is_dump("d1")),
        stores("a dump without a name", dumped("form-data; filename=x"), is_dump("unnamed")),
        stores("a path", named("../../../etc/passwd"), is_dump("etcpasswd")),
        stores("an absolute path", named("/etc/passwd"), is_dump("etcpasswd")),
        stores("only dots", named(".."), is_dump("unnamed")),
        stores("NUL in a name", named("a\0b"), is_dump("ab")),
        stores("letters beyond ASCII", named("dümp"), is_dump("dmp")),
        stores("the main dump's other name", named("dump"), is_dump("dump_")),
        stores("a name that another file has", named("json"), is_dump("json")),
        stores("names reserved elsewhere", form(&[PRODUCT, &file("raw_crash", b"1"), &file("processed_crash", b"2"), &file("dump_names", b"3")]), json!({"dumps": {"raw_crash": "1", "processed_crash": "2", "dump_names": "3"}})),
        stores("an endless name", named(&"n".repeat(900)), is_dump(&"n".repeat(40))),
        stores("two that are cut to one", form(&[PRODUCT, &file(&"n".repeat(41), b"1"), &file(&"n".repeat(42), b"2")]), json!({"dumps": {"n".repeat(40): "1", format!("{}_2", "n".repeat(40)): "2"}})),
        stores("two of one name", form(&[PRODUCT, &file("d", b"1"), &file("d", b"2")]), json!({"dumps": {"d": "1", "d_2": "2"}})),
        stores("two that are cleaned to one", form(&[PRODUCT, &file("d/", b"1"), &file("d", b"2"), &file("d_2", b"3")]), json!({"dumps": {"d": "1", "d_2": "2", "d_2_2": "3"}})),
        stores("many small ones, more than memory takes", form(&[PRODUCT, &file("d", &[b'x'; 900]).repeat(30)]), json!({"dumps": {"d": "x".repeat(900), "d_30": "x".repeat(900)}})),
    ]
}

fn part_bytes(name: &[u8], content: &[u8]) -> Vec<u8> {
    let head = [
        b"--XX\r\nContent-Disposition: form-data; name=\"",
        name,
        b"\"\r\n\r\n",
    ]
    .concat();
    [&head, content, b"\r\n"].concat()
}
