//! What a failed call means.
//!
//! The server's own hint, `canRetry`, is wrong both ways (HBase 2.6.1: true for a missing family
//! through `mutateRows`, false when ZooKeeper is away), so the Java exception's name decides.

use thrift::TransportErrorKind;

use super::generated;
use crate::crash_id::CrashId;
use crate::storage::StorageError;

pub(super) const STORE: &str = "HBase";

/// A failed call.
#[derive(Debug, Clone)]
pub(super) struct CallError {
    operation: String,
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The server refuses these very bytes: a cell that is too large, a bad row key.
    Argument,
    /// A table or a family is missing.
    Schema,
    /// The server broke down over a request.
    Stumble,
    /// The server or the way to it is unwell. Whether the call was carried out is unknown.
    Outage,
}

/// What the HBase client inside the Thrift server says of a cell, and what a region server does.
const TOO_LARGE_FOR_CLIENT: &str = "KeyValue size too large";
const TOO_LARGE_FOR_SERVER: &str = "exceeds limit of";

pub(super) type CallResult<T> = Result<T, CallError>;

impl CallError {
    pub(super) fn new(operation: &str, error: &thrift::Error) -> Self {
        let (kind, message) = meaning(error);
        Self {
            operation: operation.to_owned(),
            kind,
            message: first_line(&message),
        }
    }

    pub(super) fn outage(operation: &str, message: impl ToString) -> Self {
        Self {
            operation: operation.to_owned(),
            kind: Kind::Outage,
            message: message.to_string(),
        }
    }

    /// Whether it may pass by itself.
    pub(super) fn is_of_the_moment(&self) -> bool {
        matches!(self.kind, Kind::Stumble | Kind::Outage)
    }

    /// Whether these very bytes may be the reason, so that others may pass.
    pub(super) fn may_be_about_the_bytes(&self) -> bool {
        matches!(self.kind, Kind::Argument | Kind::Stumble)
    }

    /// The setting, and where, by which the server refuses a cell for its size.
    pub(super) fn refusing_setting(&self) -> Option<&'static str> {
        if self.message.contains(TOO_LARGE_FOR_CLIENT) {
            return Some("hbase.client.keyvalue.maxsize of the Thrift servers");
        }
        self.message.contains(TOO_LARGE_FOR_SERVER).then_some(
            "hbase.server.keyvalue.maxsize of the region servers, or of the table crash_reports,",
        )
    }

    /// The error of an operation on this crash.
    pub(super) fn about(self, id: &CrashId) -> StorageError {
        match self.kind {
            Kind::Argument => StorageError::refused(
                id,
                format!("HBase refuses it ({}): {}", self.operation, self.message),
            ),
            Kind::Schema | Kind::Stumble | Kind::Outage => self.into(),
        }
    }
}

impl From<CallError> for StorageError {
    fn from(error: CallError) -> Self {
        let CallError {
            operation,
            kind,
            message,
        } = error;
        match kind {
            Kind::Stumble | Kind::Outage => Self::Unavailable {
                store: STORE,
                operation,
                source: message.into(),
            },
            Kind::Schema => Self::Misconfigured {
                store: STORE,
                problem: format!(
                    "{operation}: {message} (`socorro schema create` makes what is missing)"
                ),
            },
            Kind::Argument => Self::Misconfigured {
                store: STORE,
                problem: format!("{operation}: {message}"),
            },
        }
    }
}

/// Whether a connection can be used after this error: only if the server itself has answered. After
/// any other, a late answer may still come and would be taken for that of the next call.
pub(super) fn spoils_connection(error: &thrift::Error) -> bool {
    !matches!(error, thrift::Error::User(_))
}

/// Whether the connection was closed before it was used: a restarted server, an idle limit.
pub(super) fn is_disconnect(error: &thrift::Error) -> bool {
    match error {
        thrift::Error::Transport(error) => match error.kind {
            TransportErrorKind::EndOfFile | TransportErrorKind::NotOpen => true,
            // Broken pipe and reset have no kind of their own.
            _ => ["os error 32", "os error 104"]
                .iter()
                .any(|code| error.message.contains(code)),
        },
        _ => false,
    }
}

fn meaning(error: &thrift::Error) -> (Kind, String) {
    let thrift::Error::User(user) = error else {
        // The server stumbled over a request of several rows: over which, only the rows tell.
        let stumbled = matches!(error, thrift::Error::Application(error)
            if error.kind == thrift::ApplicationErrorKind::InternalError);
        let kind = if stumbled {
            Kind::Stumble
        } else {
            Kind::Outage
        };
        return (kind, error.to_string());
    };
    if let Some(error) = user.downcast_ref::<generated::IOError>() {
        let message = error.message.clone().unwrap_or_default();
        let missing = ["TableNotFoundException", "NoSuchColumnFamilyException"];
        let is_missing = missing.iter().any(|name| message.contains(name));
        let kind = if is_missing {
            Kind::Schema
        } else if message.contains(TOO_LARGE_FOR_SERVER) {
            Kind::Argument
        } else {
            Kind::Outage
        };
        return (kind, message);
    }
    if let Some(error) = user.downcast_ref::<generated::IllegalArgument>() {
        return (Kind::Argument, error.message.clone().unwrap_or_default());
    }
    (Kind::Outage, user.to_string())
}

/// Java messages go on with a stack trace of kilobytes.
fn first_line(message: &str) -> String {
    message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Blame;

    fn blame(error: impl std::error::Error + Send + Sync + 'static) -> Blame {
        let id = CrashId::new(jiff::civil::date(2026, 11, 3));
        CallError::new("save", &thrift::Error::User(Box::new(error)))
            .about(&id)
            .blame()
    }

    #[test]
    fn the_exceptions_name_decides_and_not_its_hint() {
        let io = |message: &str, can_retry| generated::IOError {
            message: Some(message.into()),
            can_retry: Some(can_retry),
        };
        assert_eq!(
            blame(io("a.b.NoSuchColumnFamilyException: x", true)),
            Blame::Store
        );
        assert_eq!(
            blame(io("a.b.TableNotFoundException: x", false)),
            Blame::Store
        );
        assert_eq!(
            blame(io("DoNotRetryIOException: Zookeeper LIST", false)),
            Blame::Moment
        );
        let too_large = generated::IllegalArgument {
            message: Some("KeyValue size too large".into()),
        };
        assert_eq!(blame(too_large), Blame::Crash);
        assert_eq!(blame(io(TOO_LARGE, false)), Blame::Crash);
    }

    /// As region servers of HBase 2.6.1 say it, through `mutateRow`.
    const TOO_LARGE: &str = "org.apache.hadoop.hbase.DoNotRetryIOException: \
        org.apache.hadoop.hbase.DoNotRetryIOException: \
        Cell[02611010bb51c2a-5a02-4a3d-9a0d-0a4d42261101/raw_data:dump/1793404800000/Put/vlen=5000000/seqid=0] \
        with size 5000079 exceeds limit of 4000000 bytes";

    #[test]
    fn a_refusal_for_the_size_names_the_setting_that_refused() {
        let of = |error: Box<dyn std::error::Error + Send + Sync>| {
            CallError::new("save", &thrift::Error::User(error)).refusing_setting()
        };
        let server = generated::IOError {
            message: Some(TOO_LARGE.into()),
            can_retry: Some(false),
        };
        assert!(of(Box::new(server)).unwrap().starts_with("hbase.server."));
        let client = generated::IllegalArgument {
            message: Some("KeyValue size too large".into()),
        };
        assert!(of(Box::new(client)).unwrap().starts_with("hbase.client."));
        let other = generated::IllegalArgument { message: None };
        assert_eq!(of(Box::new(other)), None);
    }

    #[test]
    fn messages_are_cut_before_the_stack_trace() {
        let message = Some("first\n\tat org.apache".into());
        let error = generated::IOError {
            message,
            can_retry: None,
        };
        let error = CallError::new("save", &thrift::Error::User(Box::new(error)));
        assert_eq!(StorageError::from(error).to_string(), "HBase: save: first");
    }
}
