//! Method and path to handler.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use socorro_core::http::{Request, Response, answer};

use crate::Collector;
use crate::health::{heartbeat, version};
use crate::reject::{Reject, refuse};
use crate::submit::submit;

/// The type of every answer that is not JSON.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request.
pub(crate) async fn route(collector: Arc<Collector>, request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let is_post = request.method() == Method::POST;
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/submit" if is_post => submit(collector, request).await,
        "/submit" => refuse(&collector, Reject::WrongMethod("POST")),
        "/__lbheartbeat__" if is_read => answer(StatusCode::OK, TEXT, ""),
        "/__heartbeat__" if is_read => heartbeat(collector).await,
        "/__version__" if is_read => version(),
        "/__lbheartbeat__" | "/__heartbeat__" | "/__version__" => {
            refuse(&collector, Reject::WrongMethod("GET, HEAD"))
        }
        _ => refuse(&collector, Reject::UnknownPath),
    }
}
