//! Just enough of an HTTP client: one request, one connection, the whole answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::PATIENCE;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head as text.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request as it stands and reads until the server closes the connection or the announced
/// length is there.
pub fn send(address: &str, request: &[u8]) -> Answer {
    try_send(address, request).unwrap()
}

/// As [`send`], to a server that may go away at any moment.
pub fn try_send(address: &str, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // A server that refuses early may close before it has read all.
    let _ = stream.write_all(request);
    try_read(&mut stream)
}

/// Reads one answer.
pub fn read(stream: &mut TcpStream) -> Answer {
    try_read(stream).unwrap()
}

fn try_read(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(answer) = parse(&bytes) {
            return Ok(answer);
        }
        match stream.read(&mut buffer)? {
            0 => {
                let begun = String::from_utf8_lossy(&bytes);
                return Err(io::Error::other(format!("no whole answer: {begun:?}")));
            }
            read => bytes.extend(&buffer[..read]),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    };
    let length = head.lines().find_map(header).unwrap_or(0);
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Answer { status, head, body })
}

/// `GET path`, with further header lines.
pub fn get(address: &str, path: &str, headers: &[&str]) -> Answer {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    send(address, request.as_bytes())
}
