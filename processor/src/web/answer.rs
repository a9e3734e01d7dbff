//! Answers and the headers that all of them carry.

use askama::Template;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use socorro_core::http::{Response, answer};
use tracing::error;

/// Nothing is loaded but our style and icon, nothing runs, nothing is framed, nothing is kept.
const PROTECTION: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The answer with the headers that protect crashes in browsers.
pub(super) fn protected(mut response: Response) -> Response {
    for (name, value) in PROTECTION {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => answer(status, "text/html; charset=utf-8", html),
        Err(error) => {
            error!(%error, "can't render a page");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            answer(status, "text/plain", "This page can't be shown.\n")
        }
    }
}

/// JSON, with a line end for terminals.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // Unwrap safety: only JSON values and maps with string keys are answered.
    let mut text = serde_json::to_vec(value).unwrap();
    text.push(b'\n');
    answer(status, "application/json", text)
}

/// Bytes to be saved as a file of that name, never shown: they may be anything.
pub(super) fn attachment(bytes: Bytes, file_name: &str) -> Response {
    let response = answer(StatusCode::OK, "application/octet-stream", bytes);
    let disposition = format!("attachment; filename=\"{file_name}\"");
    with_header(response, header::CONTENT_DISPOSITION, &disposition)
}

/// Sends the browser to a path of this server.
pub(super) fn redirect(path: &str) -> Response {
    let response = answer(StatusCode::SEE_OTHER, "text/plain", "");
    with_header(response, header::LOCATION, path)
}

/// The answer with one more header. The value must be of visible ASCII characters and blanks.
pub(super) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    // Unwrap safety: callers give constants, local paths, crash ids, names of dumps and tokens.
    let value = HeaderValue::from_str(value).unwrap();
    response.headers_mut().insert(name, value);
    response
}
