//! Why a request can't be answered: the only place where that becomes a status.

use hyper::StatusCode;
use socorro_core::crash_id::InvalidCrashId;
use socorro_core::storage::{Blame, StorageError};
use tracing::warn;

/// Why a request can't be answered. The texts are for the visitor.
#[derive(Debug)]
pub(super) enum Problem {
    /// What stands for a crash id is none.
    InvalidId(InvalidCrashId),
    /// Another mistake in the address.
    BadRequest(String),
    /// The visitor has shown no token, or a wrong one.
    SignInNeeded,
    /// The visitor may not.
    Forbidden(String),
    /// It is not there.
    NotFound(String),
    /// The method is not `GET` or `HEAD`.
    MethodNotAllowed,
    /// It is not there yet.
    Pending(String),
    /// The storage failed. Logged already; not for the visitor.
    Storage(Blame),
}

impl Problem {
    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::InvalidId(_) | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::SignInNeeded => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Pending(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Storage(Blame::Moment) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Storage(Blame::Crash | Blame::Store) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word by which programs tell it from others. Stays as it is.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::InvalidId(_) => "invalid_crash_id",
            Self::BadRequest(_) => "bad_request",
            Self::SignInNeeded => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Pending(_) => "pending",
            Self::Storage(Blame::Moment) => "unavailable",
            Self::Storage(Blame::Crash | Blame::Store) => "internal_error",
        }
    }

    /// A heading.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::InvalidId(_) => "This is not a crash id",
            Self::BadRequest(_) => "This address is not complete",
            Self::SignInNeeded => "Please sign in",
            Self::Forbidden(_) => "You may not see this",
            Self::NotFound(_) => "Not found",
            Self::MethodNotAllowed => "These pages can only be read",
            Self::Pending(_) => "Not yet",
            Self::Storage(Blame::Moment) => "The storage does not answer",
            Self::Storage(Blame::Crash | Blame::Store) => "Something is wrong here",
        }
    }

    /// What is wrong, and what to do.
    pub(super) fn message(&self) -> String {
        match self {
            Self::InvalidId(error) => format!("{error}."),
            Self::BadRequest(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::Pending(text) => text.clone(),
            Self::SignInNeeded => "The token is missing or wrong: show it as a cookie, which \
                                   /login?token=... sets, or as Authorization: Bearer."
                .into(),
            Self::MethodNotAllowed => "Only GET and HEAD are answered here.".into(),
            Self::Storage(Blame::Moment) => "Crashes can't be read at the moment. Nothing is \
                                             lost; try again in a minute."
                .into(),
            Self::Storage(Blame::Crash | Blame::Store) => "The crash can't be read. The log of \
                                                           this server says why."
                .into(),
        }
    }
}

impl From<InvalidCrashId> for Problem {
    fn from(error: InvalidCrashId) -> Self {
        Self::InvalidId(error)
    }
}

/// What a storage says is not there is not found; all else is logged here, and only here.
impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        if error.is_not_found() {
            return Self::NotFound(format!("{error}."));
        }
        warn!(%error, "the storage can't answer a visitor");
        Self::Storage(error.blame())
    }
}
