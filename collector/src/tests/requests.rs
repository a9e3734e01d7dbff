//! Requests as clients send them, and the answers to them. (The tests of the program use this file, too.)

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The head of a post to `target` with these header lines.
pub(crate) fn head(target: &str, headers: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: c\r\n{headers}Content-Length: {length}\r\n\r\n")
}

pub(crate) const MULTIPART: &str = "Content-Type: multipart/form-data; boundary=XX\r\n";
pub(crate) const PRODUCT: &[u8] =
    b"--XX\r\nContent-Disposition: form-data; name=\"ProductName\"\r\n\r\nArena\r\n";
pub(crate) const DUMP: &[u8] =
    b"--XX\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
    filename=\"a\"\r\n\r\nMDMP\r\n";
pub(crate) const END: &[u8] = b"--XX--\r\n";
pub(crate) const GOOD: [&[u8]; 3] = [PRODUCT, DUMP, END];

/// An annotation.
pub(crate) fn pair(name: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

/// A dump.
pub(crate) fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let head =
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=x\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// An object of annotations.
pub(crate) fn json_part(json: &str) -> Vec<u8> {
    let head = "--XX\r\nContent-Disposition: form-data; name=\"extra\"; filename=\"extra.json\"\r\n\
                Content-Type: application/json\r\n\r\n";
    [head.as_bytes(), json.as_bytes(), b"\r\n"].concat()
}

/// `None` if the connection ends without a whole answer.
pub(crate) async fn try_read_answer(stream: &mut TcpStream) -> Option<(u16, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                let status = head.split(' ').nth(1)?.parse().ok()?;
                return Some((status, body[..length].to_owned()));
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend(&buffer[..read]),
        }
    }
}
