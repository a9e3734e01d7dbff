//! Connections, kept for the next call, and dropped when broken or long idle.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};
use tracing::debug;

use super::client::Connection;
use super::error::{CallError, CallResult};
use super::traffic::{Traffic, TrafficTotals};
use crate::storage::open::HBaseOptions;
use crate::storage::{StorageError, blocking};

/// How long to wait before a read that failed is tried again.
const READ_AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Runs calls on pooled connections.
#[derive(Debug, Clone)]
pub(super) struct Pool(managed::Pool<Manager>);

/// A connection for one user, who gives it back by dropping it.
pub(super) type Lease = Object<Manager>;

#[derive(Debug)]
pub(super) struct Manager {
    options: HBaseOptions,
    traffic: Arc<Traffic>,
    idle_limit: Duration,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = CallError;

    async fn create(&self) -> CallResult<Connection> {
        let (options, traffic) = (self.options.clone(), self.traffic.clone());
        blocking(move || Connection::open(&options, &traffic)).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<CallError> {
        if connection.spoiled || connection.last_used.elapsed() > self.idle_limit {
            return Err(RecycleError::message("broken or idle for too long"));
        }
        Ok(())
    }
}

impl Pool {
    pub(super) fn new(options: &HBaseOptions) -> Self {
        let manager = Manager {
            options: options.clone(),
            traffic: Arc::default(),
            idle_limit: options.idle_limit.get(),
        };
        let pool = managed::Pool::builder(manager)
            .max_size(options.connections.max(1))
            .build();
        // Unwrap safety: a pool without time-outs needs no runtime.
        Self(pool.unwrap())
    }

    /// Runs blocking calls with a connection. `work` must bear being run twice: where a kept
    /// connection turns out to be closed by the other side, it is run again with a new one.
    pub(super) async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CallError> + Send + 'static,
        F: Fn(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        self.run_on(self.get().await?, work).await
    }

    /// As [`Pool::run`], on a connection at hand.
    pub(super) async fn run_on<T, E, F>(&self, connection: Lease, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CallError> + Send + 'static,
        F: Fn(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let (mut work, mut next) = (work, Some(connection));
        loop {
            let mut connection = match next.take() {
                Some(connection) => connection,
                None => self.get().await?,
            };
            let is_new = Object::metrics(&connection).recycle_count == 0;
            let (result, connection, back) = blocking(move || {
                let result = work(&mut connection);
                (result, connection, work)
            })
            .await;
            work = back;
            let closed = connection.disconnected && !is_new;
            if connection.spoiled {
                drop(Object::take(connection));
            }
            if result.is_ok() || !closed {
                return result;
            }
        }
    }

    /// Runs calls that only read. After a failure of the moment they are tried again, a few times,
    /// on a new connection.
    pub(super) async fn read<T, F>(&self, work: F) -> CallResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Connection) -> CallResult<T> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let attempt = || {
            let work = Arc::clone(&work);
            self.run(move |connection| work(connection))
        };
        for wait in READ_AGAIN_AFTER {
            match attempt().await {
                Err(error) if error.is_of_the_moment() => {
                    let error = StorageError::from(error);
                    debug!(%error, "failed to read, trying again");
                    tokio::time::sleep(wait).await;
                    // Whatever broke this connection may have broken those that rest.
                    self.0.retain(|_, _| false);
                }
                answer => return answer,
            }
        }
        attempt().await
    }

    /// What went over all its connections.
    pub(super) fn traffic(&self) -> TrafficTotals {
        self.0.manager().traffic.totals()
    }

    /// A connection, when one is free; those who wait get theirs in turn.
    pub(super) async fn get(&self) -> CallResult<Lease> {
        self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            other => CallError::outage("get a connection", format!("{other:?}")),
        })
    }
}
