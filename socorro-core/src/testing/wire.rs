//! A way to a server on which things go wrong when a test says so.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is wrong with the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every piece, of 16 kB at most, arrives so much later.
    Delay(Duration),
    /// Nothing arrives, and nobody is told. What is on the wire arrives when it is well again.
    Stall,
    /// All connections are closed, and new ones at once.
    Cut,
}

/// A listener on loopback that carries bytes to and from a server. It stays until the test ends.
#[derive(Debug)]
pub struct Wire {
    /// Where it listens: host and port.
    pub address: String,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    fault: Mutex<Fault>,
    connections: AtomicUsize,
    pieces: AtomicUsize,
    /// Both ends of what is connected.
    open: Mutex<Vec<TcpStream>>,
}

impl State {
    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for stream in self.open().drain(..) {
            // One that is closed already is just what is wanted.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    /// A wire to the server at `host:port`.
    ///
    /// # Panics
    /// If it can't listen.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            connections: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let (server, accepting) = (server.to_owned(), state.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                // A server that is not there closes the client's connection.
                let _ = join(client, &server, &accepting);
            }
        });
        Self { address, state }
    }

    /// From now on, this is wrong with it: nothing passes any more that must not.
    pub fn set(&self, fault: Fault) {
        *self
            .state
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = fault;
        if fault == Fault::Cut {
            self.state.cut();
        }
    }

    /// How many connections were made over it.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// How many pieces came from clients: as many as calls, where these are small and each waits for
    /// its answer.
    pub fn pieces(&self) -> usize {
        self.state.pieces.load(Ordering::Relaxed)
    }
}

fn join(client: TcpStream, server: &str, state: &Arc<State>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    state
        .open()
        .extend([client.try_clone()?, server.try_clone()?]);
    if state.fault() == Fault::Cut {
        state.cut();
    }
    let ways = [
        (client.try_clone()?, server.try_clone()?, 1),
        (server, client, 0),
    ];
    for (from, to, counts) in ways {
        let state = state.clone();
        std::thread::spawn(move || {
            let _ = carry(&from, &to, &state, counts);
            // The other way ends as well.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, state: &State, counts: usize) -> io::Result<()> {
    from.set_read_timeout(Some(Duration::from_millis(10)))?;
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        state.pieces.fetch_add(counts, Ordering::Relaxed);
        if let Fault::Delay(delay) = state.fault() {
            std::thread::sleep(delay);
        }
        while state.fault() == Fault::Stall {
            std::thread::sleep(Duration::from_millis(5));
        }
        to.write_all(&buffer[..read])?;
    }
}
