//! The section `[web]`: where the pages are served, who may see what, where sources are.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use socorro_core::config::{Period, Section};

use super::network::Network;

/// The section `[web]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where people and programs ask: address and port.
    pub listen: String,
    /// How visitors show who they are: `token`, `proxy` or `none`.
    pub auth: Auth,
    /// The file with the token that opens everything, for `auth = "token"`. Made at the first
    /// start, readable by its owner only.
    pub token_file: PathBuf,
    /// The proxy that tells who visitors are, for `auth = "proxy"`.
    pub proxy: ProxyOptions,
    /// How often a pending page looks for its report.
    pub poll_interval: Period,
    /// Where the sources of the frames can be read; the first entry that fits a file is taken.
    pub source_links: Vec<SourceLink>,
    /// A list of the annotations that are public, one name a line. Empty: the shipped list.
    pub public_annotations: PathBuf,
    /// Where metrics are served, at `/metrics`. Empty: nowhere.
    pub metrics_listen: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            auth: Auth::Token,
            token_file: "/var/lib/socorro/web-token".into(),
            proxy: ProxyOptions::default(),
            poll_interval: Period::from_secs(2),
            source_links: Vec::new(),
            public_annotations: PathBuf::new(),
            metrics_listen: String::new(),
        }
    }
}

impl Section for Options {
    const NAME: &'static str = "web";
}

/// How visitors show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// By the token, in a cookie that the link `/login?token=...` sets, or as
    /// `Authorization: Bearer`. It opens everything.
    Token,
    /// By what a trusted proxy says in the headers of `[web.proxy]`.
    Proxy,
    /// Not at all: whoever reaches the port may do everything. Requests that came through a proxy
    /// or by another name than this host's are refused.
    None,
}

/// The section `[web.proxy]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyOptions {
    /// The addresses of the proxy, such as `10.1.2.3` or `10.1.0.0/16`. Others are refused.
    pub peers: Vec<Network>,
    /// The header with the visitor's name. The proxy must drop what a visitor sends in it.
    pub user_header: String,
    /// The header with the visitor's rights, words such as `read, private, act`. The proxy must
    /// drop what a visitor sends in it. Empty: everybody has `rights`.
    pub rights_header: String,
    /// What everybody may do whom the proxy lets in, when there is no `rights_header`.
    pub rights: Vec<Right>,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            peers: vec![
                Network::host([127, 0, 0, 1].into()),
                Network::host(std::net::Ipv6Addr::LOCALHOST.into()),
            ],
            user_header: "X-Forwarded-User".into(),
            rights_header: String::new(),
            rights: vec![Right::Read],
        }
    }
}

/// One thing that a visitor may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Read reports.
    Read,
    /// See private annotations, registers and dumps.
    Private,
    /// Have crashes processed.
    Act,
}

impl FromStr for Right {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "read" => Ok(Self::Read),
            "private" => Ok(Self::Private),
            "act" => Ok(Self::Act),
            _ => Err(()),
        }
    }
}

/// Where some of the sources can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceLink {
    /// How the names of these files begin in the symbols, such as `./src/` or
    /// `git:github.com/rust-lang/rust:`.
    pub files: String,
    /// The address of a line. `{path}` is the rest of the name, `{line}` the line, `{revision}`
    /// what follows the last colon of a name `vcs:repository:path:revision`.
    pub url: String,
}

#[cfg(test)]
mod tests {
    use socorro_core::config::{Sources, load};

    use super::*;

    fn load_text(text: &str) -> Result<Options, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let sources = Sources {
            file: Some(file.path().to_owned()),
            ..Sources::default()
        };
        let loaded = load::<Options>(&sources).map_err(|error| error.to_string())?;
        std::fs::write(file.path(), loaded.print()).unwrap();
        let again = load::<Options>(&sources).map_err(|error| error.to_string())?;
        assert_eq!(again.config.own, loaded.config.own);
        Ok(loaded.config.own)
    }

    #[test]
    fn the_section_is_read_and_printed_as_it_is_written() {
        let text = r#"
            [web]
            auth = "proxy"
            source_links = [{ files = "./src/", url = "https://example.org/{path}#L{line}" }]
            [web.proxy]
            peers = ["10.0.0.0/8", "::1"]
            rights = ["read", "act"]
        "#;
        let options = load_text(text).unwrap();
        assert_eq!(options.auth, Auth::Proxy);
        assert_eq!(options.proxy.peers[0].to_string(), "10.0.0.0/8");
        assert_eq!(options.proxy.rights, [Right::Read, Right::Act]);
        assert_eq!(options.source_links[0].files, "./src/");
        assert_eq!(load_text("").unwrap(), Options::default());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("[web]\nauth = \"open\"", "open"),
            ("[web.proxy]\npeers = [\"proxy.example\"]", "10.1.0.0/16"),
            ("[web.proxy]\nrights = [\"write\"]", "write"),
            ("[web]\ntoken = \"x\"", "token"),
        ] {
            let error = load_text(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
