//! Posts crashes over raw sockets, byte for byte as real clients do.
//!
//! The forms were recorded off the wire from Firefox ESR, Chromium's and Sentry's Crashpad, and
//! Breakpad's `minidump_upload`; the crashes are our own.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use socorro_core::crash_id::CrashId;

use crate::http::{Answer, send};

/// A way in which some client sends a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Firefox: annotations as one JSON part, a dump with a strange type, Content-Length.
    Firefox,
    /// Firefox where it falls back to curl.
    FirefoxCurl,
    /// Chromium: text parts without a type, chunked and gzip, values in the query string.
    Chromium,
    /// Sentry's Crashpad: as Chromium, and a dump without a type.
    SentryCrashpad,
    /// The same with `--no-upload-gzip`.
    SentryCrashpadPlain,
    /// Breakpad's Linux uploader.
    BreakpadUpload,
}

/// All of them.
pub const FORMS: [Form; 6] = [
    Form::Firefox,
    Form::FirefoxCurl,
    Form::Chromium,
    Form::SentryCrashpad,
    Form::SentryCrashpadPlain,
    Form::BreakpadUpload,
];

/// A crash to send.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// Its annotations.
    pub annotations: Map<String, Value>,
    /// Its dumps by field name.
    pub dumps: Vec<(String, Vec<u8>)>,
    /// The token that its sender shows, to keep the id in the annotation `uuid`.
    pub token: Option<String>,
}

impl Submission {
    /// A crash with these annotations and that main dump.
    pub fn new(annotations: Map<String, Value>, dump: Vec<u8>) -> Self {
        Self {
            annotations,
            dumps: vec![("upload_file_minidump".into(), dump)],
            token: None,
        }
    }

    /// The request in which a client of that form sends it.
    pub fn request(&self, form: Form, address: &str) -> Vec<u8> {
        let boundary = match form {
            Form::Firefox => "----geckoformboundary5f1c8d2a9b7e4f60a3c2d1e0f9b8a7c6",
            Form::FirefoxCurl | Form::BreakpadUpload => "------------------------d74496d66958873e",
            _ => "---MultipartBoundary-0Zq8JrTcW5nYbKx2LmPa7VdE4uHs1FgQ---",
        };
        let mut body = Vec::new();
        let mut part = |disposition: &str, kind: Option<&str>, content: &[u8]| {
            body.extend(
                format!("--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n")
                    .bytes(),
            );
            if let Some(kind) = kind {
                body.extend(format!("Content-Type: {kind}\r\n").bytes());
            }
            body.extend(b"\r\n");
            body.extend(content);
            body.extend(b"\r\n");
        };
        let as_json = matches!(form, Form::Firefox | Form::FirefoxCurl);
        if as_json {
            let json = serde_json::to_vec(&self.annotations).unwrap();
            part(
                "name=\"extra\"; filename=\"extra.json\"",
                Some("application/json"),
                &json,
            );
        } else {
            for (name, value) in &self.annotations {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                part(&format!("name=\"{name}\""), None, text.as_bytes());
            }
        }
        let kind = match form {
            Form::Firefox => Some("application/vnd.tcpdump.pcap"),
            Form::SentryCrashpad | Form::SentryCrashpadPlain => None,
            _ => Some("application/octet-stream"),
        };
        for (name, bytes) in &self.dumps {
            part(
                &format!("name=\"{name}\"; filename=\"3b1f.dmp\""),
                kind,
                bytes,
            );
        }
        body.extend(format!("--{boundary}--\r\n").bytes());

        let crashpad = matches!(
            form,
            Form::Chromium | Form::SentryCrashpad | Form::SentryCrashpadPlain
        );
        let gzip = matches!(form, Form::Chromium | Form::SentryCrashpad);
        let target = match form {
            Form::Chromium => "/submit?product=Arena&version=2.4.1&guid=6f1d",
            _ => "/submit",
        };
        let mut head = format!("POST {target} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n");
        head.push_str(match form {
            Form::Firefox => "User-Agent: crashreporter/153.7.0 (linux x86_64)\r\nConnection: keep-alive\r\nPriority: u=4\r\n",
            Form::FirefoxCurl => "User-Agent: curl/7.88.1\r\n",
            Form::BreakpadUpload => "User-Agent: Breakpad/1.0 (Linux)\r\n",
            _ => "User-Agent: Crashpad/0.8.0 libcurl/7.88.1\r\n",
        });
        head.push_str(&format!(
            "Content-Type: multipart/form-data; boundary={boundary}\r\n"
        ));
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if gzip {
            head.push_str("Content-Encoding: gzip\r\n");
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
        }
        if crashpad {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            [head.into_bytes(), chunked(&body)].concat()
        } else {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
            [head.into_bytes(), body].concat()
        }
    }

    /// Sends it.
    pub fn post(&self, form: Form, address: &str) -> Answer {
        send(address, &self.request(form, address))
    }

    /// Sends it and expects it to be accepted.
    pub fn accepted(&self, form: Form, address: &str) -> CrashId {
        let answer = self.post(form, address);
        acknowledged(&answer)
            .unwrap_or_else(|| panic!("not accepted: {} {:?}", answer.status, answer.text()))
    }
}

/// The id of the crash that an answer acknowledges.
pub fn acknowledged(answer: &Answer) -> Option<CrashId> {
    let text = answer.text();
    let id = text.strip_prefix("CrashID=bp-")?.trim_end().parse().ok()?;
    (answer.status == 200).then_some(id)
}

/// A body in chunks of uneven sizes.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 1024);
    let (mut rest, mut size) = (body, 1);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        out.extend(format!("{:x}\r\n", chunk.len()).bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
        rest = after;
        size = (size * 3 + 1) % 65_521;
    }
    out.extend(b"0\r\n\r\n");
    out
}
