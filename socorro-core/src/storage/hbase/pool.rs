//! Connections, kept for the next call, and dropped when broken or long idle.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};

use super::client::Connection;
use super::error::{CallError, CallResult};
use crate::storage::blocking;
use crate::storage::open::HBaseOptions;

/// Runs calls on pooled connections.
#[derive(Debug, Clone)]
pub(super) struct Pool(managed::Pool<Manager>);

#[derive(Debug)]
struct Manager {
    options: HBaseOptions,
    idle_limit: Duration,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = CallError;

    async fn create(&self) -> CallResult<Connection> {
        let options = self.options.clone();
        blocking(move || Connection::open(&options)).await
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
        let mut work = work;
        loop {
            let mut connection = self.get().await?;
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

    async fn get(&self) -> CallResult<Object<Manager>> {
        self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            other => CallError::outage("get a connection", format!("{other:?}")),
        })
    }
}
