//! Method and path to handler.

use std::sync::Arc;

use hyper::{Method, StatusCode, header};
use socorro_core::http::{Request, Response, answer};

use crate::Collector;
use crate::health::{heartbeat, version};
use crate::submit::submit;

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request.
pub(crate) async fn route(collector: Arc<Collector>, request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let is_post = request.method() == Method::POST;
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/submit" if is_post => submit(collector, request).await,
        "/submit" => not_allowed(
            "POST",
            "post crashes here, as multipart/form-data with method POST\n",
        ),
        "/__lbheartbeat__" if is_read => answer(StatusCode::OK, TEXT, ""),
        "/__heartbeat__" if is_read => probe(collector).await,
        "/__version__" if is_read => version(),
        "/__lbheartbeat__" | "/__heartbeat__" | "/__version__" => {
            not_allowed("GET, HEAD", "use method GET\n")
        }
        _ => answer(
            StatusCode::NOT_FOUND,
            TEXT,
            "there is nothing here; crashes go to /submit\n",
        ),
    }
}

/// The probe writes a file, which may block on a sick disk.
async fn probe(collector: Arc<Collector>) -> Response {
    let probing = tokio::task::spawn_blocking(move || heartbeat(&collector));
    probing.await.unwrap_or_else(|_| {
        answer(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            "the probe of the spool broke down\n",
        )
    })
}

fn not_allowed(allowed: &'static str, body: &'static str) -> Response {
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, body);
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}
