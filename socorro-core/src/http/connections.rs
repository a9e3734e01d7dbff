//! The open connections of a server: bounded, and those that wait for a request make room for new
//! ones, so that neither idle nor stalled clients can keep others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long to wait for the slot of a connection that was asked to close, before asking the next.
const PATIENCE: Duration = Duration::from_millis(20);

/// All connections of one server.
#[derive(Debug)]
pub(super) struct Connections {
    slots: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

/// The connections between requests, by the order in which they began to wait.
#[derive(Debug, Default)]
struct Waiting {
    turn: u64,
    close: BTreeMap<u64, CancellationToken>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(most)),
            waiting: Mutex::default(),
        })
    }

    /// A slot for one more connection. While all are taken, those that have waited longest for a
    /// request are closed.
    pub(super) async fn enter(self: &Arc<Self>) -> Arc<Connection> {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned();
            // Unwrap safety: the semaphore is never closed.
            if let Ok(slot) = tokio::time::timeout(PATIENCE, slot).await {
                return Arc::new(Connection::new(Arc::clone(self), slot.unwrap()));
            }
            if let Some((_, close)) = self.waiting().close.pop_first() {
                close.cancel();
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, which gives its slot back when dropped.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    close: CancellationToken,
    /// Since when it waits for a request; `None` while it has one.
    turn: Mutex<Option<u64>>,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    fn new(all: Arc<Connections>, slot: OwnedSemaphorePermit) -> Self {
        let connection = Self {
            all,
            close: CancellationToken::new(),
            turn: Mutex::default(),
            _slot: slot,
        };
        connection.wait();
        connection
    }

    fn wait(&self) {
        let mut waiting = self.all.waiting();
        waiting.turn += 1;
        let turn = waiting.turn;
        waiting.close.insert(turn, self.close.clone());
        *self.turn() = Some(turn);
    }

    fn stop_waiting(&self) {
        if let Some(turn) = self.turn().take() {
            self.all.waiting().close.remove(&turn);
        }
    }

    fn turn(&self) -> MutexGuard<'_, Option<u64>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a request has come in, which goes on until the answer is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.stop_waiting();
        Busy(Arc::clone(self))
    }

    /// Returns when the connection must close, to make room for another.
    pub(super) async fn must_close(&self) {
        self.close.cancelled().await;
        // A request that came in meanwhile is answered.
        if self.turn().is_none() {
            std::future::pending().await
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}

/// A connection with a request.
#[derive(Debug)]
pub(super) struct Busy(Arc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}
