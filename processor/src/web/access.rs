//! Who asks, and what may they do?

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use socorro_core::service::Error;

use super::config::{Auth, Options, ProxyOptions, Right};
use super::problem::Problem;
use super::token::Token;

/// How visitors are told apart.
#[derive(Debug)]
pub(super) enum Access {
    /// By a token in a cookie of that name, or as a bearer.
    Token { token: Token, cookie: String },
    /// By a proxy.
    Proxy {
        options: ProxyOptions,
        user: HeaderName,
        rights: Option<HeaderName>,
    },
    /// Not at all, but only on this host. The address is where the server listens.
    Open(SocketAddr),
}

/// Somebody who may at least read reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    /// What to call them in the log.
    pub(super) name: String,
    /// Whether they may see private annotations, registers and dumps.
    pub(super) private: bool,
    /// Whether they may have crashes processed.
    pub(super) act: bool,
    /// Whether the request is the visitor's own wish: another site can send a browser here, but
    /// can't make that look like a link of ours or a typed address.
    pub(super) deliberate: bool,
}

impl Access {
    /// The access of this configuration to a server at that address. Makes the token, if it is to
    /// be and isn't yet.
    pub(super) fn new(options: &Options, address: SocketAddr) -> Result<Self, Error> {
        match options.auth {
            Auth::Token => Ok(Self::Token {
                token: Token::open(&options.token_file)?,
                // Browsers share cookies over all ports of a host, so the port is in the name.
                cookie: format!("socorro-{}", address.port()),
            }),
            Auth::Proxy => {
                let ProxyOptions {
                    peers,
                    user_header,
                    rights_header,
                    rights: _,
                } = &options.proxy;
                if peers.is_empty() {
                    return Err("web.proxy.peers is empty: no proxy is trusted".into());
                }
                let rights = (!rights_header.is_empty())
                    .then(|| named("rights_header", rights_header))
                    .transpose()?;
                Ok(Self::Proxy {
                    options: options.proxy.clone(),
                    user: named("user_header", user_header)?,
                    rights,
                })
            }
            Auth::None => Ok(Self::Open(address)),
        }
    }

    /// Who asks, if they may read reports.
    pub(super) fn admit(&self, head: &Parts, peer: SocketAddr) -> Result<Visitor, Problem> {
        let visitor = |name: &str, rights: &[Right]| Visitor {
            name: name.to_owned(),
            private: rights.contains(&Right::Private),
            act: rights.contains(&Right::Act),
            deliberate: is_deliberate(&head.headers),
        };
        let all = [Right::Read, Right::Private, Right::Act];
        match self {
            Self::Token { token, cookie } => {
                let shown = cookies(&head.headers, cookie).chain(bearer(&head.headers));
                // All are compared, so that the time tells nothing of how many there are before it.
                match shown.filter(|shown| token.is(shown)).count() {
                    0 => Err(Problem::SignInNeeded),
                    _ => Ok(visitor("token", &all)),
                }
            }
            Self::Proxy {
                options,
                user,
                rights,
            } => {
                if !options.peers.iter().any(|block| block.contains(peer.ip())) {
                    let problem = format!("{} is not the proxy of this server.", peer.ip());
                    return Err(Problem::Forbidden(problem));
                }
                let name = only(&head.headers, user).filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| {
                    Problem::Forbidden("The proxy does not say who you are.".into())
                })?;
                let rights = match rights {
                    Some(header) => words(only(&head.headers, header).unwrap_or_default()),
                    None => options.rights.clone(),
                };
                if !rights.contains(&Right::Read) {
                    let problem = "You have not the right to read reports.";
                    return Err(Problem::Forbidden(problem.into()));
                }
                Ok(visitor(name, &rights))
            }
            Self::Open(address) => {
                if let Some(header) = forwarded(&head.headers) {
                    return Err(Problem::Forbidden(format!(
                        "The request came through a proxy (it has the header {header}), but this \
                         server asks nobody who they are (auth = \"none\")."
                    )));
                }
                if !is_for_this_host(head, address.ip()) {
                    return Err(Problem::Forbidden(format!(
                        "This server asks nobody who they are (auth = \"none\"), so it answers \
                         only at its own address: http://{address}/"
                    )));
                }
                Ok(visitor("anybody", &all))
            }
        }
    }
}

fn named(setting: &str, name: &str) -> Result<HeaderName, Error> {
    name.parse()
        .map_err(|_| format!("web.proxy.{setting} = {name:?} is not the name of a header").into())
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(move |(key, value)| (key == name).then_some(value))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The header's value. If there are two, the visitor sent one of them: neither is believed.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| first.trim())
}

/// Words that are no rights are for somebody else.
fn words(list: &str) -> Vec<Right> {
    let words = list.split([',', ' ', ';']);
    words.filter_map(|word| word.parse().ok()).collect()
}

fn is_deliberate(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        None => true,
        Some(site) => site == "same-origin" || site == "none",
    }
}

fn forwarded(headers: &HeaderMap) -> Option<&HeaderName> {
    headers.keys().find(|name| {
        matches!(name.as_str(), "forwarded" | "via" | "x-real-ip")
            || name.as_str().starts_with("x-forwarded-")
    })
}

/// Whether the names by which the request calls this host are all its own. A page elsewhere can
/// make its own name lead here, and would then be the same origin to the browser.
fn is_for_this_host(head: &Parts, listening: IpAddr) -> bool {
    let is_ours = |host: &str| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback() || (ip == listening && !ip.is_unspecified()),
            Err(_) => bare.eq_ignore_ascii_case("localhost"),
        }
    };
    let mut hosts = head.headers.get_all(header::HOST).into_iter().peekable();
    let named = hosts.peek().is_some();
    named
        && hosts.all(|host| {
            let authority = Authority::try_from(host.as_bytes());
            authority.is_ok_and(|authority| is_ours(authority.host()))
        })
        && head.uri.host().is_none_or(is_ours)
}

#[cfg(test)]
mod tests;
