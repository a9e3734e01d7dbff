//! `processor web`: reports for people, crash data for programs.
//!
//! ```text
//! GET /                                                   a box for a crash id
//! GET /report/index/<id>                                  the report, or a page that turns into it
//! GET /crash_data/datatype/{raw,meta,processed}/uuid/<id> dumps, annotations, processed crash
//! GET /login?token=...&next=/...                          signs a browser in
//! GET /static/style.css, /static/icon.svg                 how it looks
//! GET /__lbheartbeat__, /__heartbeat__, /__version__      for load balancers, open to all
//! ```
//!
//! One request's way: `access.rs` says who asks and what they may see, `crash.rs` looks for the
//! crash and asks for it to be processed, `privacy.rs` takes out what the visitor may not see, and
//! `page.rs` with `report/`, or `api.rs`, shows the rest. What goes wrong is a `Problem`;
//! protective headers are put on every answer in `answer.rs`.

mod access;
mod answer;
mod api;
mod config;
mod crash;
mod metrics;
mod network;
mod page;
mod privacy;
mod problem;
mod report;
mod text;
mod token;
mod url;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus_client::registry::Registry;
use serde_json::json;
use socorro_core::crash_id::CrashId;
use socorro_core::http::{self, Limits, Response};
use socorro_core::public_annotations::PublicAnnotations;
use socorro_core::service::{Context, Error, bind, serve_metrics};
use socorro_core::storage::open::PrimaryStorage;
use socorro_core::telemetry::Metrics as Rendered;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use access::Access;
pub use config::{Auth, Options, ProxyOptions, Right, SourceLink};
use crash::Asked;
pub use metrics::Metrics;
pub use network::Network;
use problem::Problem;
use report::SourceLinks;
pub use token::{Token, token_link};

/// Visitors at a time. Each may hold a processed crash in memory while it is rendered.
const CONNECTIONS: usize = 128;
/// Dumps in memory at a time.
const DOWNLOADS_AT_A_TIME: usize = 8;
/// How long the storage may take to say that it is well.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

const STYLE: &str = include_str!("../../templates/style.css");
const ICON: &str = include_str!("../../templates/icon.svg");

/// What answers requests.
#[derive(Debug)]
struct Web {
    primary: PrimaryStorage,
    access: Access,
    public: PublicAnnotations,
    links: SourceLinks,
    poll: Duration,
    metrics: Metrics,
    asked: Asked,
    downloads: Arc<Semaphore>,
}

/// Serves pages, crash data and metrics until the stop.
pub async fn run(context: Context<Options>) -> Result<ExitCode, Error> {
    let Context { shared, own, stop } = context;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let setting = "web.metrics_listen";
    let rendered = Rendered::new(registry);
    serve_metrics(setting, &own.metrics_listen, rendered, stop.clone()).await?;
    let listener = bind("web.listen", &own.listen).await?;
    serve(listener, &own, PrimaryStorage::new(&shared), metrics, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves pages and crash data until `stop`, then finishes the answers that have begun.
pub async fn serve(
    listener: TcpListener,
    options: &Options,
    primary: PrimaryStorage,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), Error> {
    let address = listener.local_addr()?;
    let web = Arc::new(Web {
        primary,
        access: Access::new(options, address)?,
        public: PublicAnnotations::load(&options.public_annotations)?,
        links: SourceLinks::new(&options.source_links)?,
        poll: options.poll_interval.get(),
        metrics,
        asked: Asked::default(),
        downloads: Arc::new(Semaphore::new(DOWNLOADS_AT_A_TIME)),
    });
    match options.auth {
        Auth::Token => info!(%address, token_file = %options.token_file.display(), "listening"),
        Auth::Proxy => info!(%address, "listening to the proxy"),
        Auth::None => warn!(%address, "listening, and showing everything to everybody"),
    }
    let limits = Limits {
        connections: CONNECTIONS,
        ..Limits::default()
    };
    http::serve(listener, limits, stop, move |request, peer| {
        let web = Arc::clone(&web);
        async move {
            let (head, _) = request.into_parts();
            let answer = web.answer(&head, peer).await;
            web.metrics.count_answer(answer.status());
            answer::protected(answer)
        }
    })
    .await;
    Ok(())
}

impl Web {
    async fn answer(&self, head: &Parts, peer: SocketAddr) -> Response {
        let path = head.uri.path();
        let answer = match path {
            _ if !matches!(head.method, Method::GET | Method::HEAD) => {
                Err(Problem::MethodNotAllowed)
            }
            "/static/style.css" => Ok(http::answer(StatusCode::OK, "text/css", STYLE)),
            "/static/icon.svg" => Ok(http::answer(StatusCode::OK, "image/svg+xml", ICON)),
            "/__lbheartbeat__" => Ok(http::answer(StatusCode::OK, "text/plain", "ok\n")),
            "/__heartbeat__" => Ok(self.heartbeat().await),
            "/__version__" => Ok(version()),
            "/login" => self.sign_in(head),
            _ => self.guarded(head, peer).await,
        };
        match answer {
            Ok(answer) => answer,
            Err(problem) => {
                let answer = match path.starts_with("/crash_data/") {
                    true => api::failure(&problem),
                    false => page::failure(&problem, head),
                };
                match problem {
                    Problem::MethodNotAllowed => {
                        answer::with_header(answer, header::ALLOW, "GET, HEAD")
                    }
                    _ => answer,
                }
            }
        }
    }

    /// What only visitors with the right to read reports see.
    async fn guarded(&self, head: &Parts, peer: SocketAddr) -> Result<Response, Problem> {
        let visitor = self.access.admit(head, peer)?;
        let path = head.uri.path().trim_matches('/');
        match path.split('/').collect::<Vec<_>>()[..] {
            [""] => Ok(Self::front(head)),
            ["report", "index", id] => self.report(id, head, &visitor).await,
            ["crash_data", "datatype", datatype, "uuid", id] => {
                self.crash_data(datatype, id, head, &visitor).await
            }
            _ => Err(Problem::NotFound("There is no such page here.".into())),
        }
    }

    /// Turns the token of a link into a cookie, and leads on.
    fn sign_in(&self, head: &Parts) -> Result<Response, Problem> {
        let value = |name| url::query_value(head.uri.query(), name);
        let onward = answer::redirect(&url::local_path(value("next")));
        let Access::Token { token, cookie } = &self.access else {
            return Ok(onward);
        };
        if !value("token").is_some_and(|shown| token.is(shown.trim())) {
            return Err(Problem::SignInNeeded);
        }
        let cookie = token.cookie(cookie);
        Ok(answer::with_header(onward, header::SET_COOKIE, &cookie))
    }

    /// Asks the storage for a crash that doesn't exist: it is well if it says so.
    async fn heartbeat(&self) -> Response {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let id = CrashId::new(today);
        let asked = self.primary.storage.get_raw_crash(&id);
        let problem = match tokio::time::timeout(HEALTH_TIMEOUT, asked).await {
            Ok(Err(error)) if error.is_not_found() => None,
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer in {} s", HEALTH_TIMEOUT.as_secs())),
        };
        match problem {
            None => answer::json(StatusCode::OK, &json!({"status": "ok"})),
            Some(problem) => {
                warn!(problem, "the storage is not well");
                let body = json!({"status": "error", "message": "the storage does not answer"});
                answer::json(StatusCode::SERVICE_UNAVAILABLE, &body)
            }
        }
    }
}

fn version() -> Response {
    let name = env!("CARGO_PKG_NAME");
    let version = env!("CARGO_PKG_VERSION");
    answer::json(StatusCode::OK, &json!({"name": name, "version": version}))
}

#[cfg(test)]
mod tests;
