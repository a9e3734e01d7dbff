//! `POST /submit`: from the request to the answer.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use socorro_core::crash_id::CrashId;
use socorro_core::http::{Request, Response, answer};
use socorro_core::raw_crash::{RawCrash, ThrottleResult, field, format_timestamp};
use socorro_core::storage::{CrashStorage, StorageError};
use subtle::ConstantTimeEq;
use tracing::{info, warn};

use crate::Collector;
use crate::body::{self, Encoding};
use crate::incoming::PAUSE;
use crate::intake::Intake;
use crate::multipart::boundary;
use crate::reject::{Reject, refuse};
use crate::routes::TEXT;
use crate::submission::Submission;
use crate::throttle::{Decision, Verdict};

/// How many letters of a client's name for itself are kept.
const MAX_USER_AGENT: usize = 1000;

/// What became of a submission that was not refused.
#[derive(Debug)]
enum Outcome {
    /// Stored, or by a rule answered as if it were.
    Stored(CrashId),
    Discarded(String),
    Unsupported,
}

/// Receives a submission and answers it.
pub(crate) async fn submit(collector: Arc<Collector>, request: Request) -> Response {
    let metrics = &collector.metrics;
    let started = Instant::now();
    let outcome = receive(&collector, request).await;
    metrics.duration.observe(started.elapsed().as_secs_f64());
    match outcome {
        Ok(Outcome::Stored(id)) => answer(StatusCode::OK, TEXT, format!("CrashID=bp-{id}\n")),
        Ok(Outcome::Discarded(rule)) => answer(StatusCode::OK, TEXT, format!("Discarded={rule}\n")),
        Ok(Outcome::Unsupported) => answer(StatusCode::OK, TEXT, "Unsupported=1\n"),
        Err(reject) => refuse(&collector, reject),
    }
}

/// Where a submission came from, as far as it is kept: no address.
struct Origin {
    user_agent: String,
    compressed: bool,
    wire_bytes: u64,
    authorization: Option<String>,
}

async fn receive(collector: &Arc<Collector>, request: Request) -> Result<Outcome, Reject> {
    let (head, mut body) = request.into_parts();
    let outcome = take(collector, &head, &mut body).await;
    if outcome.is_err() && !head.headers.contains_key(header::EXPECT) {
        // A client that is still sending would be reset, and might never see the answer. (One that
        // asked first waits for it.)
        tokio::spawn(body::drain(body));
    }
    outcome
}

async fn take(
    collector: &Arc<Collector>,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Outcome, Reject> {
    let text = |name| header_text(&head.headers, name);
    let boundary = boundary(text(header::CONTENT_TYPE).as_deref())?;
    let encoding = Encoding::of(&head.headers)?;

    let _upload = collector.uploads.begin().await?;
    let mut intake = Intake::new(collector, &boundary, body.size_hint().exact());
    let received = body::read(body, encoding, &collector.options, &mut intake).await?;
    let submission = intake.finish(received, head.uri.query())?;
    let wire_bytes = received.wire_bytes;
    collector.metrics.body_bytes.inc_by(wire_bytes);

    let user_agent = text(header::USER_AGENT).unwrap_or_default();
    let origin = Origin {
        user_agent: user_agent.chars().take(MAX_USER_AGENT).collect(),
        compressed: encoding == Encoding::Gzip,
        wire_bytes,
        authorization: text(header::AUTHORIZATION),
    };
    decide_and_store(collector, submission, origin).await
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
}

async fn decide_and_store(
    collector: &Arc<Collector>,
    mut submission: Submission,
    origin: Origin,
) -> Result<Outcome, Reject> {
    let now = Timestamp::now();
    let submitted_id = submitted_id(collector, &submission, &origin)?;
    let chance = || fastrand::f64() * 100.0;
    let verdict = collector
        .throttler
        .decide(&submission.annotations, now, chance);
    let (decision, rule) = (verdict.decision, verdict.rule.to_owned());
    let today = now.to_zoned(TimeZone::UTC).date();
    let id = submitted_id.unwrap_or_else(|| CrashId::new(today));
    let not_stored = |outcome| {
        collector.metrics.throttled(decision);
        info!(result = decision.as_str(), rule, "not stored");
        Ok(outcome)
    };
    let result = match decision {
        Decision::Store(result) => result,
        Decision::Discard => return not_stored(Outcome::Discarded(rule.clone())),
        Decision::Ignore => return not_stored(Outcome::Unsupported),
        Decision::FakeAccept => return not_stored(Outcome::Stored(id)),
    };
    let raw = raw_crash(&id, now, &mut submission, &origin, &verdict, result);
    // On a task of its own: a client that goes away must not cut a save in the middle.
    let collector = Arc::clone(collector);
    let saving = tokio::spawn(async move {
        let _alone = submitted_id
            .map(|id| collector.saving.begin(id))
            .transpose()?;
        save(&collector, &id, &raw, &mut submission).await?;
        collector.metrics.throttled(decision);
        let (dumps, size_bytes) = (submission.dump_sizes().len(), origin.wire_bytes);
        info!(%id, result = result.as_str(), rule, dumps, size_bytes, "stored");
        Ok(Outcome::Stored(id))
    });
    match saving.await {
        Ok(saved) => saved,
        Err(panic) => {
            warn!(%id, %panic, "saving broke down; the client is told to try again");
            Err(Reject::NotStored)
        }
    }
}

/// Saves a crash to the first spool that takes it; while none does, waits, bounded.
async fn save(
    collector: &Collector,
    id: &CrashId,
    raw: &RawCrash,
    submission: &mut Submission,
) -> Result<(), Reject> {
    let give_up = Instant::now() + collector.options.refuse_after.get();
    loop {
        let mut errors = Vec::new();
        for tree in &collector.spool.trees {
            let dumps = submission.all_dumps().ok_or_else(|| lost(id))?;
            match tree.save_raw_crash(id, raw, &dumps).await {
                Ok(()) if submission.is_sound() => {
                    for error in errors {
                        warn!(%id, %error, "a spool failed, another took it");
                    }
                    return Ok(());
                }
                Ok(()) => return Err(lost(id)),
                Err(error) => errors.push(error),
            }
            submission.leave(tree);
        }
        if Instant::now() + PAUSE > give_up {
            let error = StorageError::All(errors);
            warn!(%id, %error, "no spool takes it; the client is told to try again");
            return Err(Reject::NotStored);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn lost(id: &CrashId) -> Reject {
    warn!(%id, "its disk failed while its dump came in; the client is told to try again");
    Reject::NotStored
}

/// The id that a sender brings along, where that is allowed and the sender shows the token.
fn submitted_id(
    collector: &Collector,
    submission: &Submission,
    origin: &Origin,
) -> Result<Option<CrashId>, Reject> {
    let given = submission
        .annotations
        .get(field::UUID)
        .and_then(|value| value.as_str());
    let (Some(given), true) = (given, collector.options.accept_submitted_crash_id) else {
        return Ok(None);
    };
    let shown = origin
        .authorization
        .as_deref()
        .and_then(|value| value.strip_prefix("Bearer "));
    let shown = shown.unwrap_or_default().trim();
    let is_token: bool = collector
        .submit_token
        .as_bytes()
        .ct_eq(shown.as_bytes())
        .into();
    if !is_token || shown.is_empty() {
        return Err(Reject::Unauthorized);
    }
    let id: CrashId = given.parse().map_err(|_| Reject::InvalidCrashId)?;
    match id.is_from_the_future(Timestamp::now()) {
        true => Err(Reject::InvalidCrashId),
        false => Ok(Some(id)),
    }
}

/// The annotations with our own entries. What a client sent under their names is dropped.
fn raw_crash(
    id: &CrashId,
    now: Timestamp,
    submission: &mut Submission,
    origin: &Origin,
    verdict: &Verdict<'_>,
    result: ThrottleResult,
) -> RawCrash {
    let mut annotations = std::mem::take(&mut submission.annotations);
    for name in field::OURS {
        if annotations.remove(name).is_some() {
            submission
                .notes
                .push(format!("the client's {name:?} was dropped"));
        }
    }
    let mut raw = RawCrash::new(annotations);
    raw.set(field::SUBMITTED_TIMESTAMP, format_timestamp(now));
    raw.set(field::TIMESTAMP, now.as_microsecond() as f64 / 1e6);
    raw.set(field::LEGACY_PROCESSING, result as i64);
    raw.set(field::THROTTLE_RATE, verdict.rate);
    raw.set(field::UUID, id.as_str());
    let metadata = json!({
        "payload": if submission.has_json { "json" } else { "multipart" },
        "payload_compressed": if origin.compressed { "1" } else { "0" },
        "payload_size": origin.wire_bytes,
        "dump_sizes": submission.dump_sizes(),
        "collector_notes": submission.notes,
        "user_agent": origin.user_agent,
        "throttle_rule": verdict.rule,
    });
    raw.set(field::METADATA, metadata);
    raw
}
