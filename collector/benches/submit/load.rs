//! A load that costs little: prepared requests over connections that stay, a thread each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

const BOUNDARY: &str = "------------------------bench";
const ANNOTATIONS: usize = 30;

/// A body as clients send it: annotations, then a dump of that many bytes, of which about 37 % are
/// left in gzip, as of a real one.
pub(crate) fn multipart(dump_bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(dump_bytes + 10_000);
    for number in 0..ANNOTATIONS {
        write!(
            body,
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"Annotation{number}\"\r\n\r\n\
             a value of some length {number}\r\n"
        )
        .unwrap();
    }
    write!(
        body,
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
         filename=\"a.dmp\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    .unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let dump = (0..dump_bytes).map(|at| if at % 16 < 5 { random.u8(..) } else { 0 });
    body.extend(dump);
    write!(body, "\r\n--{BOUNDARY}--\r\n").unwrap();
    body
}

/// A request that is sent again and again.
pub(crate) struct Load {
    address: SocketAddr,
    request: Vec<u8>,
}

/// What was done, all of it acknowledged.
pub(crate) struct Done {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Done {
    /// In a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

impl Load {
    pub(crate) fn plain(address: SocketAddr, body: &[u8]) -> Self {
        Self::new(address, body, "")
    }

    pub(crate) fn gzip(address: SocketAddr, body: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        let zipped = encoder.finish().unwrap();
        Self::new(address, &zipped, "Content-Encoding: gzip\r\n")
    }

    fn new(address: SocketAddr, body: &[u8], header: &str) -> Self {
        let head = format!(
            "POST /submit HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n{header}\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        Self { address, request }
    }

    /// Sends on so many connections until the time is up, on each at least once.
    pub(crate) fn drive(&self, connections: usize, window: Duration) -> Done {
        repeat(connections, window, || {
            let mut stream = TcpStream::connect(self.address).unwrap();
            move || {
                stream.write_all(&self.request).unwrap();
                let answer = answer(&mut stream);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            }
        })
    }
}

/// Does some work on that many threads until the time is up, on each at least once. `prepare` makes the
/// work of each thread.
pub(crate) fn repeat<W: FnMut()>(
    threads: usize,
    window: Duration,
    prepare: impl Fn() -> W + Sync,
) -> Done {
    let ready = Barrier::new(threads + 1);
    let work = || {
        let mut work = prepare();
        let mut latencies = Vec::new();
        ready.wait();
        let started = Instant::now();
        loop {
            let began = Instant::now();
            work();
            latencies.push(began.elapsed());
            if started.elapsed() >= window {
                return latencies;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let started = Instant::now();
        let latencies = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        let latencies = latencies.collect();
        let took = started.elapsed();
        Done { latencies, took }
    })
}

/// Reads an answer to the end of its text.
pub(crate) fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let mut piece = [0; 1024];
    loop {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the connection ended: {answer}");
        answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        let Some((head, text)) = answer.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if text.len() >= length {
            return answer;
        }
    }
}
