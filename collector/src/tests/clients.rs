//! The forms in which real clients were seen to post, byte for byte, each cut into odd pieces.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

/// One client's way to post.
struct Client {
    target: &'static str,
    /// Its header lines, but for those that tell the body's length and encoding.
    headers: &'static str,
    content_type: &'static str,
    boundary: &'static str,
    gzip: bool,
    chunked: bool,
}

const CRASHPAD: Client = Client {
    target: "/submit",
    headers: "User-Agent: Crashpad/0.8.0 libcurl/7.88.1 OpenSSL/3.0.15 zlib/1.2.13\r\nAccept: */*\r\n",
    content_type: "multipart/form-data; boundary=",
    boundary: "---MultipartBoundary-0Zq8JrTcW5nYbKx2LmPa7VdE4uHs1FgQ---",
    gzip: true,
    chunked: true,
};

impl Client {
    fn part(&self, head: &str, content: &[u8]) -> Vec<u8> {
        let start = format!("--{}\r\n{head}\r\n\r\n", self.boundary);
        [start.as_bytes(), content, b"\r\n"].concat()
    }

    fn text(&self, name: &str, value: &str) -> Vec<u8> {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        self.part(&head, value.as_bytes())
    }

    /// A dump with all that might be taken for the end of its part.
    fn dump(&self, size: usize) -> Vec<u8> {
        let almost = format!("\r\n--{}", &self.boundary[..self.boundary.len() - 1]);
        let noise = (0u32..).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        let mut dump = b"MDMP\x93\xa7\0\0\r\n\r\n--\r\n".to_vec();
        dump.extend(noise.take(size));
        dump.extend(almost.bytes());
        dump
    }

    fn request(&self, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut body = parts.concat();
        body.extend(format!("--{}--\r\n", self.boundary).bytes());
        let mut head = format!(
            "POST {} HTTP/1.1\r\nHost: crashes.example.com\r\n{}Content-Type: {}{}\r\n",
            self.target, self.headers, self.content_type, self.boundary
        );
        if self.gzip {
            head.push_str("Content-Encoding: gzip\r\n");
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
        }
        if self.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            let chunks = body.chunks(4_093).map(|chunk| {
                let size = format!("{:x}\r\n", chunk.len());
                [size.as_bytes(), chunk, b"\r\n"].concat()
            });
            body = chunks.flatten().chain(*b"0\r\n\r\n").collect();
        } else {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        }
        [head.into_bytes(), body].concat()
    }

    /// Posts these parts in pieces of several sizes, and expects each time that the crash is stored
    /// with these annotations and dumps.
    async fn stores(
        &self,
        parts: &[Vec<u8>],
        annotations: &[(&str, &str)],
        dumps: &[(&str, &[u8])],
    ) {
        let request = self.request(parts);
        let dumps = dumps
            .iter()
            .map(|(name, dump)| ((*name).to_owned(), dump.to_vec()));
        let dumps: BTreeMap<_, _> = dumps.collect();
        for piece in [127, 1_021, 65_521, usize::MAX] {
            let collector = start(|_| {}).await;
            let mut stream = TcpStream::connect(&collector.address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in request.chunks(piece) {
                stream.write_all(piece).await.unwrap();
            }
            let (status, answer) = read_answer(&mut stream).await;
            let (raw, stored) = collector.stored().await;
            let id = raw.get_str("uuid").unwrap();
            assert_eq!((status, answer), (200, format!("CrashID=bp-{id}\n")));
            for (name, value) in annotations {
                assert_eq!(raw.get_str(name), Some(*value), "{name}");
            }
            assert!(stored == dumps, "pieces of {piece}");
            let metadata = raw.get("metadata").unwrap();
            let gzip = if self.gzip { "1" } else { "0" };
            assert_eq!(metadata["payload_compressed"], gzip);
            assert_eq!(metadata["collector_notes"], json!([]));
        }
    }
}

const EXTRA: &str = "Content-Disposition: form-data; name=\"extra\"; filename=\"extra.json\"\r\n\
                     Content-Type: application/json";
const MINIDUMP: &str = "Content-Disposition: form-data; name=\"upload_file_minidump\"; ";
const FIREFOX_JSON: &str =
    r#"{"ProductName":"Firefox","Version":"153.7.0","Notes":"R\u00e9sum\u00e9 \"\\\""}"#;
const FIREFOX: [(&str, &str); 3] = [
    ("ProductName", "Firefox"),
    ("Version", "153.7.0"),
    ("Notes", "Résumé \"\\\""),
];

#[tokio::test]
async fn firefox_esr_with_a_json_part_first_and_a_dump_of_a_strange_type() {
    let client = Client {
        target: "/submit?id={ec8030f7-c20a-464f-9b0e-13a3a9e97384}&version=153.7.0",
        headers: "User-Agent: crashreporter/153.7.0 (linux x86_64)\r\nAccept: */*\r\n\
                  Connection: keep-alive\r\nPriority: u=4\r\n",
        boundary: "----geckoformboundary5f1c8d2a9b7e4f60a3c2d1e0f9b8a7c6",
        gzip: false,
        chunked: false,
        ..CRASHPAD
    };
    let dump = client.dump(300_000);
    let head = format!(
        "{MINIDUMP}filename=\"1f2e3d4c-aaaa-bbbb-cccc-0123456789ab.dmp\"\r\n\
         Content-Type: application/vnd.tcpdump.pcap"
    );
    let parts = [
        client.part(EXTRA, FIREFOX_JSON.as_bytes()),
        client.part(&head, &dump),
    ];
    let dumps = [("upload_file_minidump", dump.as_slice())];
    client.stores(&parts, &FIREFOX, &dumps).await;
}

#[tokio::test]
async fn firefox_falling_back_to_curl() {
    let client = Client {
        headers: "User-Agent: crashreporter/153.7.0\r\nAccept: */*\r\n",
        boundary: "------------------------d74496d66958873e",
        gzip: false,
        chunked: false,
        ..CRASHPAD
    };
    let dump = client.dump(20_000);
    let head = format!("{MINIDUMP}filename=\"1f2e.dmp\"\r\nContent-Type: application/octet-stream");
    let parts = [
        client.part(EXTRA, FIREFOX_JSON.as_bytes()),
        client.part(&head, &dump),
    ];
    let dumps = [("upload_file_minidump", dump.as_slice())];
    client.stores(&parts, &FIREFOX, &dumps).await;
}

#[tokio::test]
async fn chromium_with_untyped_text_parts_chunked_and_gzipped_and_a_query_string() {
    let client = Client {
        target: "/submit?product=Chrome_Linux&version=156.0.8078.79&guid=6f1d%2d2a",
        ..CRASHPAD
    };
    let dump = client.dump(120_000);
    let head = format!(
        "{MINIDUMP}filename=\"9c2d6a1e-5b1f.dmp\"\r\nContent-Type: application/octet-stream"
    );
    let parts = [
        client.text("prod", "Chrome_Linux"),
        client.text("ver", "156.0.8078.79"),
        client.text("guid", "6f1d"),
        client.text("ptype", "renderer"),
        client.text("switch-1", "--enable-features=\"a;b\""),
        client.text("num-extensions", ""),
        client.part(&head, &dump),
    ];
    let annotations = [
        ("prod", "Chrome_Linux"),
        ("ProductName", "Chrome_Linux"),
        ("Version", "156.0.8078.79"),
        ("ProcessType", "renderer"),
        ("switch-1", "--enable-features=\"a;b\""),
        ("num-extensions", ""),
        ("guid", "6f1d"),
        ("product", "Chrome_Linux"),
    ];
    let dumps = [("upload_file_minidump", dump.as_slice())];
    client.stores(&parts, &annotations, &dumps).await;
}

/// As it is with gzip and with `--no-upload-gzip`; and with a second dump, as applications attach.
#[tokio::test]
async fn sentrys_crashpad_with_a_dump_of_no_type() {
    for gzip in [true, false] {
        let client = Client { gzip, ..CRASHPAD };
        let (dump, log) = (client.dump(300_000), client.dump(7));
        let head = format!("{MINIDUMP}filename=\"2b7e1516-28ae.dmp\"");
        let attachment =
            "Content-Disposition: form-data; name=\"log-1\"; filename=\"a \\\"b\\\".txt\"";
        let parts = [
            client.text("prod", "Arena"),
            client.text("guid", "6f1d"),
            client.part(&head, &dump),
            client.part(attachment, &log),
        ];
        let dumps = [("upload_file_minidump", &dump[..]), ("log-1", &log[..])];
        let annotations = [("ProductName", "Arena"), ("guid", "6f1d")];
        client.stores(&parts, &annotations, &dumps).await;
    }
}

#[tokio::test]
async fn breakpads_minidump_upload() {
    let client = Client {
        headers: "User-Agent: Breakpad/1.0 (Linux)\r\nAccept: */*\r\n",
        boundary: "------------------------8f3a1b0c9d2e4f57",
        gzip: false,
        chunked: false,
        ..CRASHPAD
    };
    let dump = client.dump(50_000);
    let head =
        format!("{MINIDUMP}filename=\"sample.dmp\"\r\nContent-Type: application/octet-stream");
    let parts = [
        client.text("prod", "Arena"),
        client.text("ver", "2.4.1"),
        client.part(&head, &dump),
    ];
    let annotations = [("ProductName", "Arena"), ("Version", "2.4.1")];
    let dumps = [("upload_file_minidump", dump.as_slice())];
    client.stores(&parts, &annotations, &dumps).await;
}
