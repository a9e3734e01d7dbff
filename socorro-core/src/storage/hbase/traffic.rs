//! What goes over the wire to the Thrift server: calls and bytes, over all connections.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls and bytes since the start, shared by the connections of one storage.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    calls: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What was counted until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficTotals {
    /// Calls made, answered or not.
    pub calls: u64,
    /// Bytes written to the sockets.
    pub sent: u64,
    /// Bytes read from the sockets.
    pub received: u64,
}

impl Traffic {
    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn totals(&self) -> TrafficTotals {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TrafficTotals {
            calls: read(&self.calls),
            sent: read(&self.sent),
            received: read(&self.received),
        }
    }
}

/// A socket whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) stream: TcpStream,
    pub(super) traffic: Arc<Traffic>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.stream.read(buffer)?;
        self.traffic
            .received
            .fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let bytes = self.stream.write(buffer)?;
        self.traffic.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
