//! What crashed, where, when, and how: a few short lines.

use jiff::Timestamp;
use serde_json::Value;
use socorro_core::processed_crash::ProcessedCrash;
use socorro_core::raw_crash::parse_timestamp;

use super::json::Json;
use crate::web::text;

/// A name and a value.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// The cause, as the system and the stack walker tell it.
pub(super) fn cause(crash: &ProcessedCrash) -> Vec<Fact> {
    let top = |name| Json(crash.get(name));
    let info = top("json_dump").at("crash_info");
    let adjusted = info.at("adjusted_address");
    let address = info.at("address").hex().or_else(|| top("address").hex());
    let address = address.map(|address| match adjusted.at("kind").str() {
        Some("null-pointer") => match adjusted.at("offset").hex() {
            Some(offset) => format!("{address} (null pointer + {offset})"),
            None => address,
        },
        Some("non-canonical") => match adjusted.at("address").hex() {
            Some(real) => format!("{real} (the system says {address}: not canonical)"),
            None => address,
        },
        _ => address,
    });
    let access = match info.at("memory_accesses").items() {
        [only] => Json(Some(only)).at("access_type").text(),
        _ => None,
    };
    facts([
        (
            "Reason",
            top("reason").text().or_else(|| info.at("type").text()),
        ),
        ("Address", address),
        ("Access", access),
        ("Instruction", info.at("instruction").text()),
        ("Assertion", info.at("assertion").text()),
        ("Crash reason", top("moz_crash_reason").text()),
    ])
}

/// What crashed, where and when.
pub(super) fn circumstances(crash: &ProcessedCrash) -> Vec<Fact> {
    let top = |name| Json(crash.get(name));
    let text = |name| top(name).text();
    let ago = |name| Some(text::duration(top(name).number()?));
    let system = top("json_dump").at("system_info");
    let product = join(" ", [text("product"), text("version")]);
    let os = join(
        " ",
        [
            text("os_name").or_else(|| system.at("os").text()),
            text("os_version").or_else(|| system.at("os_ver").text()),
        ],
    );
    let cores = top("cpu_count")
        .number()
        .or_else(|| system.at("cpu_count").number());
    let cpu = join(
        ", ",
        [
            text("cpu_arch")
                .or_else(|| text("cpu_name"))
                .or_else(|| system.at("cpu_arch").text()),
            // 2.x adds the number of cores: `family 6 | 4`.
            text("cpu_info")
                .and_then(|info| info.split(" | ").next().map(str::to_owned))
                .or_else(|| system.at("cpu_info").text()),
            cores.filter(|cores| *cores > 0).map(|cores| match cores {
                1 => "1 core".to_owned(),
                _ => format!("{cores} cores"),
            }),
        ],
    );
    facts([
        ("Product", product),
        ("Build", text("build")),
        ("Channel", text("release_channel")),
        ("Process", text("process_type")),
        ("System", text("os_pretty_version").or(os)),
        ("Processor", cpu),
        ("Uptime", ago("uptime")),
        ("Installed for", ago("install_age")),
        ("Since last crash", ago("last_crash")),
        (
            "Crashed",
            time(top("crash_time")).or_else(|| time(top("client_crash_date"))),
        ),
        (
            "Received",
            time(top("date_processed")).or_else(|| time(top("submitted_timestamp"))),
        ),
        (
            "Processed",
            time(top("completed_datetime")).or_else(|| time(top("completeddatetime"))),
        ),
        ("Comments", text("user_comments")),
    ])
}

fn facts<const N: usize>(all: [(&'static str, Option<String>); N]) -> Vec<Fact> {
    let known = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    known.map(|(name, value)| Fact { name, value }).collect()
}

fn join<const N: usize>(between: &str, parts: [Option<String>; N]) -> Option<String> {
    let known: Vec<_> = parts.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(between))
}

/// A time as text or as seconds since 1970; what is neither is shown as it is.
fn time(json: Json<'_>) -> Option<String> {
    let time = match json.0? {
        Value::String(text) => match text.parse() {
            Ok(seconds) => Timestamp::from_second(seconds).ok(),
            Err(_) => parse_timestamp(text),
        },
        value => value
            .as_i64()
            .and_then(|seconds| Timestamp::from_second(seconds).ok()),
    };
    time.map(text::time).or_else(|| json.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(facts: fn(&ProcessedCrash) -> Vec<Fact>, json: &str) -> String {
        let crash = ProcessedCrash::from_json(json.as_bytes()).unwrap();
        let lines = facts(&crash)
            .into_iter()
            .map(|fact| format!("{}: {}\n", fact.name, fact.value));
        lines.collect()
    }

    #[test]
    fn the_cause_tells_of_null_pointers() {
        let json = r#"{"address": "0x0000000000000010", "json_dump": {"crash_info": {
            "type": "SIGSEGV / SEGV_MAPERR", "instruction": "mov qword [rax + 0x10], rdx",
            "memory_accesses": [{"access_type": "write"}],
            "adjusted_address": {"kind": "null-pointer", "offset": "0x0000000000000010"}}}}"#;
        let expected = "Reason: SIGSEGV / SEGV_MAPERR\nAddress: 0x10 (null pointer + 0x10)\n\
                        Access: write\nInstruction: mov qword [rax + 0x10], rdx\n";
        assert_eq!(shown(cause, json), expected);
    }

    #[test]
    fn keys_of_both_generations_are_read() {
        let old = r#"{"product": "Firefox", "version": "14.0", "os_name": "Windows NT",
            "os_version": "6.1.7601", "cpu_name": "x86", "cpu_info": "GenuineIntel | 2",
            "cpu_count": 2,
            "uptime": 134, "client_crash_date": "2012-05-08 23:26:33", "last_crash": null}"#;
        let expected = "Product: Firefox 14.0\nSystem: Windows NT 6.1.7601\n\
                        Processor: x86, GenuineIntel, 2 cores\nUptime: 2 min 14 s\n\
                        Crashed: 2012-05-08 23:26:33 UTC\n";
        assert_eq!(shown(circumstances, old), expected);
        let new = r#"{"os_pretty_version": "Debian 12", "cpu_arch": "amd64", "cpu_count": "1",
            "crash_time": 1336519593, "uptime": "90061"}"#;
        let expected = "System: Debian 12\nProcessor: amd64, 1 core\nUptime: 1 d 1 h\n\
                        Crashed: 2012-05-08 23:26:33 UTC\n";
        assert_eq!(shown(circumstances, new), expected);
    }

    #[test]
    fn wrong_types_are_left_out() {
        let odd = r#"{"product": ["x"], "uptime": -1, "crash_time": {}, "reason": 7,
            "json_dump": [], "completed_datetime": "soon", "cpu_count": "many"}"#;
        assert_eq!(shown(circumstances, odd), "Processed: soon\n");
        assert_eq!(shown(cause, odd), "Reason: 7\n");
    }
}
