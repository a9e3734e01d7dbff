//! Crashes for programs: `/crash_data/datatype/{raw,meta,processed}/uuid/<id>`.
//!
//! Failures are `{"error": "<code>", "message": "<text>"}`; the codes are those of
//! [`Problem::code`].

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{StatusCode, header};
use serde_json::json;
use socorro_core::crash_id::CrashId;
use socorro_core::dumps::DumpName;
use socorro_core::http::Response;
use socorro_core::storage::Blame;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

use super::Web;
use super::access::Visitor;
use super::answer;
use super::crash::{Crash, is_wish};
use super::privacy;
use super::problem::Problem;
use super::url::query_value;

/// The answer to a program whose request failed.
pub(super) fn failure(problem: &Problem) -> Response {
    let body = json!({"error": problem.code(), "message": problem.message()});
    let response = answer::json(problem.status(), &body);
    match problem {
        Problem::Pending(_) => answer::with_header(response, header::RETRY_AFTER, "2"),
        Problem::SignInNeeded => answer::with_header(response, header::WWW_AUTHENTICATE, "Bearer"),
        _ => response,
    }
}

impl Web {
    /// One of the three forms of a crash.
    pub(super) async fn crash_data(
        &self,
        datatype: &str,
        id: &str,
        head: &Parts,
        visitor: &Visitor,
    ) -> Result<Response, Problem> {
        let id = CrashId::parse_prefixed(id)?;
        match datatype {
            "raw" => self.dump(&id, head, visitor).await,
            "meta" => self.meta(&id, visitor).await,
            "processed" => self.processed(&id, head, visitor).await,
            _ => Err(Problem::BadRequest(
                "The datatype must be raw, meta or processed.".into(),
            )),
        }
    }

    /// A dump, byte for byte.
    async fn dump(
        &self,
        id: &CrashId,
        head: &Parts,
        visitor: &Visitor,
    ) -> Result<Response, Problem> {
        if !visitor.private {
            let problem = "You have not the right to see dumps.";
            return Err(Problem::Forbidden(problem.into()));
        }
        let name = match query_value(head.uri.query(), "name") {
            None => DumpName::main(),
            Some(name) => DumpName::parse(&name).ok_or_else(|| {
                Problem::BadRequest(format!("{name:?} is not the name of a dump."))
            })?,
        };
        // Unwrap safety: the semaphore is never closed.
        let permit = Arc::clone(&self.downloads).acquire_owned().await.unwrap();
        let dump = match self.primary.storage.get_dump(id, &name).await {
            Ok(dump) => dump,
            Err(error) => {
                let arrived = self.primary.storage.get_raw_crash(id).await.is_ok();
                return Err(Self::missing(id, arrived, error));
            }
        };
        let bytes = match tokio::task::spawn_blocking(move || dump.read()).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                warn!(%id, %name, %error, "can't read a dump");
                return Err(Problem::Storage(Blame::Moment));
            }
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        };
        let file_name = match name.is_main() {
            true => format!("{id}.dmp"),
            false => format!("{id}.{name}.dmp"),
        };
        let lent = Bytes::from_owner(Lent {
            bytes,
            _permit: permit,
        });
        Ok(answer::attachment(lent, &file_name))
    }

    /// The annotations: the public ones, or all for those who may see them.
    async fn meta(&self, id: &CrashId, visitor: &Visitor) -> Result<Response, Problem> {
        let raw = self.primary.storage.get_raw_crash(id).await;
        let raw = raw.map_err(|error| Self::missing(id, false, error))?;
        Ok(match visitor.private {
            true => answer::json(StatusCode::OK, &raw),
            false => answer::json(StatusCode::OK, &privacy::public_raw(&raw, &self.public)),
        })
    }

    /// The processed crash, without registers and such for those who may not see them.
    async fn processed(
        &self,
        id: &CrashId,
        head: &Parts,
        visitor: &Visitor,
    ) -> Result<Response, Problem> {
        match self.find(id, visitor, is_wish(head, visitor)).await? {
            Crash::Processed(crash) if visitor.private => Ok(answer::json(StatusCode::OK, &crash)),
            Crash::Processed(crash) => Ok(answer::json(
                StatusCode::OK,
                &privacy::public_processed(&crash),
            )),
            Crash::Pending(pending) => {
                let state = match (pending.arrived, pending.deferred) {
                    (false, _) => "has not arrived yet",
                    (true, false) => "is not processed yet",
                    (true, true) => "was set aside by throttling and is not processed yet",
                };
                let hope = match pending.requested {
                    true => " It has been asked for.",
                    false => "",
                };
                Err(Problem::Pending(format!("The crash {id} {state}.{hope}")))
            }
        }
    }
}

/// A dump on its way to a client. It keeps one of the [`super::DOWNLOADS_AT_A_TIME`] places until
/// it is sent or given up, so that many slow clients can't fill the memory.
struct Lent {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
