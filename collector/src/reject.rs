//! Why a submission is refused, and what the client is told.

use hyper::StatusCode;

/// Why a submission is refused. The words after `malformed_` are those of Mozilla's collectors.
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
    /// The client went away or sent nothing for too long.
    Stalled,
    /// The field `uuid` is no crash id.
    InvalidCrashId,
    /// The field `uuid` without the token.
    Unauthorized,
    /// No spool takes the crash.
    NotStored,
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
            Self::Stalled => "malformed_stalled",
            Self::InvalidCrashId => "malformed_invalid_uuid",
            Self::Unauthorized => "unauthorized_uuid",
            Self::NotStored => "not_stored",
        }
    }

    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
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
            | Self::InvalidCrashId => StatusCode::BAD_REQUEST,
            Self::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotStored => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body of the answer.
    pub(crate) fn body(self) -> String {
        match self {
            Self::NotStored => "the spool can't take crashes now, try again later\n".to_owned(),
            _ => format!("Discarded={}\n", self.reason()),
        }
    }
}
