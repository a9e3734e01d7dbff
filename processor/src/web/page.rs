//! Pages for people.

use askama::Template;
use hyper::http::request::Parts;
use hyper::{StatusCode, header};
use socorro_core::crash_id::CrashId;
use socorro_core::http::Response;
use tracing::warn;

use super::Web;
use super::access::Visitor;
use super::answer;
use super::crash::{Crash, Pending, is_wish};
use super::privacy;
use super::problem::Problem;
use super::report::{Raw, Report, Style};
use super::text;
use super::url::{local_path, query_value};

/// A forgotten pending page asks no more often than that in the end.
const LONGEST_POLL_SECONDS: u64 = 60;

#[derive(Debug, Template)]
#[template(path = "front.html")]
struct Front {
    /// What was typed, if it is no crash id.
    mistake: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "pending.html")]
struct PendingPage {
    id: CrashId,
    pending: Pending,
    /// Whether the visitor may ask for the crash, and hasn't.
    may_ask: bool,
    seconds: u64,
    /// Where the next look at the crash leads.
    next: String,
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    /// Where the visitor wanted to go.
    next: String,
}

#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
}

/// The answer to a person whose request failed.
pub(super) fn failure(problem: &Problem, head: &Parts) -> Response {
    match problem {
        Problem::SignInNeeded => {
            let wanted = match head.uri.path() {
                "/login" => query_value(head.uri.query(), "next"),
                _ => head.uri.path_and_query().map(ToString::to_string),
            };
            let sign_in = SignIn {
                next: local_path(wanted),
            };
            let page = answer::page(problem.status(), &sign_in);
            answer::with_header(page, header::WWW_AUTHENTICATE, "Bearer")
        }
        _ => answer::page(problem.status(), &ProblemPage { problem }),
    }
}

impl Web {
    /// The front page, and the box on every page: whatever holds a crash id leads to its report.
    pub(super) fn front(head: &Parts) -> Response {
        match query_value(head.uri.query(), "id").filter(|text| !text.trim().is_empty()) {
            None => answer::page(StatusCode::OK, &Front { mistake: None }),
            Some(text) => match find_id(&text) {
                Some(id) => answer::redirect(&format!("/report/index/{id}")),
                None => {
                    let mistake = Some(text::shown_up_to(&text, 80));
                    answer::page(StatusCode::BAD_REQUEST, &Front { mistake })
                }
            },
        }
    }

    /// `/report/index/<id>`: the report, or a page that turns into it.
    pub(super) async fn report(
        &self,
        text: &str,
        head: &Parts,
        visitor: &Visitor,
    ) -> Result<Response, Problem> {
        let id = CrashId::parse_prefixed(text)?;
        let bare = format!("/report/index/{id}");
        if id.as_str() != text {
            return Ok(answer::redirect(&bare));
        }
        // A page that looks again by itself asks for nothing: `asked` and `wait` say what its first
        // request did, and count the looks.
        let query = head.uri.query();
        let asked = query_value(query, "asked");
        let looks = asked.clone().or_else(|| query_value(query, "wait"));
        let wished = looks.is_none() && is_wish(head, visitor);
        match self.find(&id, visitor, wished).await? {
            Crash::Processed(_) if looks.is_some() => Ok(answer::redirect(&bare)),
            Crash::Processed(processed) => {
                let private = visitor.private;
                let raw = self.raw(&id, private).await;
                let processed = match private {
                    true => processed,
                    false => privacy::public_processed(&processed),
                };
                let style = Style {
                    public: &self.public,
                    links: &self.links,
                    private,
                };
                let report = Report::new(id, &processed, &raw, &style);
                Ok(answer::page(StatusCode::OK, &report))
            }
            Crash::Pending(mut pending) => {
                pending.requested |= asked.is_some();
                let looks = looks.and_then(|looks| looks.parse().ok()).unwrap_or(0_u32);
                let seconds = self.poll.as_secs().max(1) + u64::from(looks / 20);
                let word = if pending.requested { "asked" } else { "wait" };
                let page = PendingPage {
                    id,
                    pending,
                    may_ask: visitor.act && !pending.requested,
                    seconds: seconds.min(LONGEST_POLL_SECONDS),
                    next: format!("{bare}?{word}={}", looks.saturating_add(1)),
                };
                Ok(answer::page(StatusCode::ACCEPTED, &page))
            }
        }
    }

    /// The raw crash as far as the visitor may see it. A report is worth reading without it.
    async fn raw(&self, id: &CrashId, private: bool) -> Raw {
        match self.primary.storage.get_raw_crash(id).await {
            Ok(raw) => {
                let all = raw.entries().len();
                let crash = match private {
                    true => raw,
                    false => privacy::public_raw(&raw, &self.public),
                };
                Raw::There {
                    hidden: all - crash.entries().len(),
                    crash,
                }
            }
            Err(error) if error.is_not_found() => Raw::Gone,
            Err(error) => {
                warn!(%id, %error, "can't read the raw crash of a report");
                Raw::Unreadable
            }
        }
    }
}

/// The first crash id in a text that somebody pasted: with `bp-`, in capitals, in an address.
fn find_id(text: &str) -> Option<CrashId> {
    const LEN: usize = 36;
    let text = text.to_ascii_lowercase();
    (0..text.len()).find_map(|at| text.get(at..at + LEN)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_whatever_is_pasted() {
        let id = "4dd21cc0-49d9-46ae-a42b-fadb42090928";
        for text in [
            id.to_owned(),
            format!(" bp-{id}\n"),
            format!("CrashID=bp-{id}"),
            format!("https://crashes.example/report/index/{id}?x=é"),
            id.to_uppercase(),
        ] {
            assert_eq!(find_id(&text).unwrap().as_str(), id, "{text}");
        }
        for text in ["", "é", "4dd21cc0", "4dd21cc0-49d9-46ae-a42b-fadb4209092"] {
            assert_eq!(find_id(text), None, "{text}");
        }
    }
}
