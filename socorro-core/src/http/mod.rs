//! The accept loop of every HTTP server here: bounded, patient with slow clients up to a limit,
//! and graceful at the end.

mod connections;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::telemetry::Metrics;
use connections::Connections;

/// A request as it comes in.
pub type Request = hyper::Request<Incoming>;
/// An answer with its whole body.
pub type Response = hyper::Response<Full<Bytes>>;

/// Hyper's read buffer for one connection: more costs memory for each upload and gains nothing.
const READ_BUFFER_BYTES: usize = 128 * 1024;
/// After a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time. For a further one, that which has waited longest for a request is
    /// closed; while all have requests, it waits in the kernel's queue.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and so how long a connection may
    /// be idle.
    pub header_timeout: Duration,
    /// How long begun requests may go on after the stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            header_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves requests until `stop`; then finishes those that have begun.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, stop: CancellationToken, handler: H)
where
    H: Fn(Request, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let connections = Connections::new(limits.connections);
    loop {
        // Accepted first: only a client that is there is worth another's place.
        let next = async {
            let accepted = listener.accept().await;
            (accepted, connections.enter().await)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let handler = handler.clone();
        let in_service = Arc::clone(&place);
        let service = service_fn(move |request| {
            let busy = in_service.begin();
            let answer = handler(request, peer);
            async move {
                let answer = answer.await;
                drop(busy);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client may close its side once it has sent everything; it still waits for its answer.
            .half_close(true)
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(READ_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // Load balancers end their checks with a reset, clients go away: nothing to warn of.
                ended = connection => if let Err(error) = ended {
                    debug!(%error, "connection ended early");
                },
                () = place.must_close() => debug!("idle connection closed to make room"),
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        warn!(
            seconds = limits.drain_timeout.as_secs(),
            "gave up waiting for open requests"
        );
    }
}

/// Serves `GET /metrics`.
pub(crate) async fn serve_metrics(
    listener: TcpListener,
    metrics: Metrics,
    stop: CancellationToken,
) {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let limits = Limits {
        connections: 16,
        ..Limits::default()
    };
    serve(listener, limits, stop, move |request, _| {
        let metrics = metrics.clone();
        async move {
            match (request.method(), request.uri().path()) {
                (&Method::GET, "/metrics") => answer(StatusCode::OK, TEXT, metrics.render()),
                _ => answer(
                    StatusCode::NOT_FOUND,
                    "text/plain",
                    "metrics are at /metrics\n",
                ),
            }
        }
    })
    .await;
}

/// An answer of that status, content type and body.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    // Unwrap safety: status and header are valid by their types.
    hyper::Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .body(Full::new(body.into()))
        .unwrap()
}
