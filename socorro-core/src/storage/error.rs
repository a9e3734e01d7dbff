//! Why a storage could not do what was asked, by meaning.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use crate::crash_id::CrashId;

/// The result of a storage operation.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Why a storage operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The storage has no such part of that crash.
    #[error("{id}: no {what}")]
    NotFound {
        /// The crash asked for.
        id: CrashId,
        /// The part asked for: `raw crash`, `dump NAME`, `processed crash`.
        what: String,
    },
    /// The crash itself is the reason: too large, or not readable as a crash. Trying again won't
    /// help; other crashes are not concerned.
    #[error("{id}: {reason}")]
    Refused {
        /// The crash concerned.
        id: CrashId,
        /// What is wrong with it.
        reason: String,
    },
    /// The storage does not answer, is full, or broke the connection. The outcome of a write is
    /// unknown; every operation may be repeated.
    #[error("{store}: {operation}: {source}")]
    Unavailable {
        /// The storage.
        store: &'static str,
        /// What was being done, with its path, table or address.
        operation: String,
        /// The failure.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The storage is not set up for this: a missing table, a wrong directory. Nothing is wrong
    /// with the crash, and nothing works until somebody mends it.
    #[error("{store}: {problem}")]
    Misconfigured {
        /// The storage.
        store: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// The storage has no such operation, by its nature.
    #[error("{store} can't {operation}")]
    Unsupported {
        /// The storage.
        store: &'static str,
        /// The operation.
        operation: &'static str,
    },
    /// Several storages were tried and each failed (`PolyStorageError` of Socorro).
    #[error("all storages failed: {}", list(.0))]
    All(Vec<StorageError>),
}

fn list(errors: &[StorageError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What an error is about, and so what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// This crash: leave it and go on with others.
    Crash,
    /// The moment: wait and try again.
    Moment,
    /// The storage or its configuration: keep everything and tell the operator.
    Store,
}

impl StorageError {
    /// What the error is about. The only place where that is decided.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotFound { .. } | Self::Refused { .. } => Blame::Crash,
            Self::Unavailable { .. } => Blame::Moment,
            Self::Misconfigured { .. } | Self::Unsupported { .. } => Blame::Store,
            // As long as one of them may come back, waiting makes sense.
            Self::All(errors) => {
                let all = |blame| errors.iter().all(|e| e.blame() == blame);
                if all(Blame::Crash) {
                    Blame::Crash
                } else if errors.iter().any(|e| e.blame() == Blame::Moment) {
                    Blame::Moment
                } else {
                    Blame::Store
                }
            }
        }
    }

    /// Whether it says that a crash or a part of it is not there.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::All(errors) => errors.iter().all(Self::is_not_found),
            Self::Refused { .. }
            | Self::Unavailable { .. }
            | Self::Misconfigured { .. }
            | Self::Unsupported { .. } => false,
        }
    }

    pub(crate) fn not_found(id: &CrashId, what: impl Into<String>) -> Self {
        Self::NotFound {
            id: *id,
            what: what.into(),
        }
    }

    pub(crate) fn refused(id: &CrashId, reason: impl Into<String>) -> Self {
        Self::Refused {
            id: *id,
            reason: reason.into(),
        }
    }
}

/// A failed file-system operation: what, where, why.
#[derive(Debug)]
pub(crate) struct FsError {
    pub(crate) operation: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: std::io::Error,
}

impl From<FsError> for StorageError {
    fn from(error: FsError) -> Self {
        Self::Unavailable {
            store: "file system",
            operation: format!("can't {} {}", error.operation, error.path.display()),
            source: error.source.into(),
        }
    }
}

/// Gives an I/O result the operation and the path that its message needs.
pub(crate) trait AtPath<T> {
    fn at(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T, FsError>;
}

impl<T, E: Into<std::io::Error>> AtPath<T> for Result<T, E> {
    fn at(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T, FsError> {
        self.map_err(|source| FsError {
            operation,
            path: path.as_ref().to_owned(),
            source: source.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_are_worth_waiting_for_while_one_of_them_is() {
        let crash = || StorageError::refused(&CrashId::new(jiff::civil::date(2026, 1, 1)), "x");
        let store = || StorageError::Unsupported {
            store: "s",
            operation: "walk",
        };
        let moment = || StorageError::Unavailable {
            store: "s",
            operation: "save".into(),
            source: "refused".into(),
        };
        assert_eq!(
            StorageError::All(vec![crash(), crash()]).blame(),
            Blame::Crash
        );
        assert_eq!(
            StorageError::All(vec![crash(), moment()]).blame(),
            Blame::Moment
        );
        assert_eq!(
            StorageError::All(vec![store(), moment()]).blame(),
            Blame::Moment
        );
        assert_eq!(
            StorageError::All(vec![crash(), store()]).blame(),
            Blame::Store
        );
    }
}
