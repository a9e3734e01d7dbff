//! Why a request is refused, and what the client is told.

use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use socorro_core::http::{Response, answer};
use tracing::info;

use crate::Collector;
use crate::routes::TEXT;

/// Counts and logs a refusal, and makes its answer.
pub(crate) fn refuse(collector: &Collector, reject: Reject) -> Response {
    collector.metrics.refused(reject);
    info!(reason = reject.reason(), "refused");
    let mut response = answer(reject.status(), TEXT, reject.body());
    response.headers_mut().extend(reject.header());
    response
}

/// Why a request is refused. The words after `malformed_` are those of Mozilla's collectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reject {
    /// No `Content-Type`.
    NoContentType,
    /// Not `multipart/form-data`.
    WrongContentType,
    /// A multipart type without a boundary.
    NoBoundary,
    /// A `Content-Encoding` other than gzip.
    UnknownEncoding,
    /// Not gzip, or cut off.
    BadGzip,
    /// The body is not as multipart bodies are, or not complete.
    InvalidStructure,
    /// The annotations' JSON is broken.
    InvalidJson,
    /// The annotations' JSON is no object.
    InvalidJsonValue,
    /// There is no annotation.
    NoAnnotations,
    /// The body, an annotation, or all of them are larger than allowed.
    TooLarge,
    /// More parts than allowed.
    TooManyParts,
    /// More annotations than allowed, the values within JSON included.
    TooManyAnnotations,
    /// JSON nested deeper than allowed.
    JsonTooDeep,
    /// The head of a part is larger than allowed.
    PartHeadTooLarge,
    /// The body inflates to more times its size than allowed.
    InflatesTooMuch,
    /// The client sent nothing for too long, or too little.
    Stalled,
    /// The client went away before the crash was whole.
    Incomplete,
    /// The chunks of the body are broken.
    BadChunks,
    /// The field `uuid` is no crash id.
    InvalidCrashId,
    /// The field `uuid` without the token.
    Unauthorized,
    /// No spool takes the crash.
    NotStored,
    /// As many uploads, or bytes of them, as allowed are there already.
    Busy,
    /// A path takes only these methods.
    WrongMethod(&'static str),
    /// There is nothing at that path.
    UnknownPath,
}

impl Reject {
    /// The word for the answer, the log and the metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoContentType => "malformed_no_content_type",
            Self::WrongContentType => "malformed_wrong_content_type",
            Self::NoBoundary => "malformed_no_boundary",
            Self::UnknownEncoding => "malformed_unknown_content_encoding",
            Self::BadGzip => "malformed_bad_gzip",
            Self::InvalidStructure => "malformed_invalid_payload_structure",
            Self::InvalidJson => "malformed_invalid_json",
            Self::InvalidJsonValue => "malformed_invalid_json_value",
            Self::NoAnnotations => "malformed_no_annotations",
            Self::TooLarge => "malformed_too_large",
            Self::TooManyParts => "malformed_too_many_parts",
            Self::TooManyAnnotations => "malformed_too_many_annotations",
            Self::JsonTooDeep => "malformed_json_too_deep",
            Self::PartHeadTooLarge => "malformed_part_head_too_large",
            Self::InflatesTooMuch => "malformed_inflates_too_much",
            Self::Stalled => "malformed_stalled",
            Self::Incomplete => "malformed_incomplete",
            Self::BadChunks => "malformed_bad_chunks",
            Self::InvalidCrashId => "malformed_invalid_uuid",
            Self::Unauthorized => "unauthorized_uuid",
            Self::NotStored => "not_stored",
            Self::Busy => "busy",
            Self::WrongMethod(_) => "wrong_method",
            Self::UnknownPath => "unknown_path",
        }
    }

    /// The status of the answer.
    fn status(self) -> StatusCode {
        match self {
            Self::NoContentType
            | Self::WrongContentType
            | Self::NoBoundary
            | Self::BadGzip
            | Self::InvalidStructure
            | Self::InvalidJson
            | Self::InvalidJsonValue
            | Self::NoAnnotations
            | Self::TooManyParts
            | Self::TooManyAnnotations
            | Self::JsonTooDeep
            | Self::PartHeadTooLarge
            | Self::Incomplete
            | Self::BadChunks
            | Self::InvalidCrashId => StatusCode::BAD_REQUEST,
            Self::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge | Self::InflatesTooMuch => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotStored | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownPath => StatusCode::NOT_FOUND,
        }
    }

    /// The header that the status asks for.
    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NotStored | Self::Busy => Some((RETRY_AFTER, HeaderValue::from_static("60"))),
            Self::WrongMethod(allowed) => Some((ALLOW, HeaderValue::from_static(allowed))),
            _ => None,
        }
    }

    /// The body of the answer.
    fn body(self) -> String {
        match self {
            Self::NotStored => "the spool can't take crashes now, try again later\n".to_owned(),
            Self::Busy => "too many uploads now, try again later\n".to_owned(),
            Self::WrongMethod(allowed) => {
                format!(
                    "use method {allowed}; crashes are posted to /submit, as multipart/form-data\n"
                )
            }
            Self::UnknownPath => {
                "there is nothing here; crashes are posted to /submit\n".to_owned()
            }
            _ => format!("Discarded={}\n", self.reason()),
        }
    }
}
