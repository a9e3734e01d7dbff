//! The token that opens everything: a file, a link, a cookie.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use socorro_core::service::Error;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::url;

/// Fewer characters than these can't hold 128 random bits.
const MIN_LEN: usize = 22;

/// A secret that is never shown by accident.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads the token of that file. At the first start it is made: random, readable by its owner
    /// only.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| format!("can't open the token file {}: {error}", path.display());
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path).map_err(|error| {
                    format!("can't make the token file {}: {error}", path.display())
                })?;
                std::fs::read_to_string(path)
            }
            other => other,
        }
        .map_err(failed)?;
        let mode = std::fs::metadata(path)
            .map_err(failed)?
            .permissions()
            .mode();
        if mode & 0o007 != 0 {
            let path = path.display();
            return Err(
                format!("everybody can read the token file {path}: chmod o= {path}").into(),
            );
        }
        Self::parse(text.trim_end()).ok_or_else(|| {
            format!(
                "the token file {} must hold one line of at least {MIN_LEN} letters, digits, \
                 '-' and '_'; remove it and a new one is made",
                path.display()
            )
            .into()
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (text.len() >= MIN_LEN && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// Whether that is the token, in a time that tells nothing of where it differs.
    pub fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// The cookie that shows the token. `Lax`, so that links from elsewhere lead to reports; what
    /// acts is guarded by `Sec-Fetch-Site`.
    pub(super) fn cookie(&self, name: &str) -> String {
        format!("{name}={}; Path=/; HttpOnly; SameSite=Lax", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Writes a new token. Other processes see all of it or none; the first one's token stays.
fn make(path: &Path) -> std::io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(dir)?;
    // A temporary file is readable by its owner only, and stays so.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(
        file,
        "{}{}",
        Uuid::new_v4().simple(),
        Uuid::new_v4().simple()
    )?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(failed) => Err(failed.error),
        Ok(_) => Ok(()),
    }
}

/// The link that signs a browser in and leads to `path`, for people on this host. It holds the
/// token: show it to the operator and put it into no log.
pub fn token_link(address: SocketAddr, token: &Token, path: &str) -> String {
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(host, address.port());
    format!(
        "http://{address}/login?token={}&next={}",
        token.0,
        url::encode(path)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_token_that_later_ones_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/token");
        let token = Token::open(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(token.0.len(), 64);
        assert_eq!(Token::open(&path).unwrap().0, token.0);
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn a_token_that_is_known_or_weak_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let open = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Token::open(&path).map_err(|error| error.to_string())
        };
        let good = "0123456789abcdef0123456789abcdef\n";
        assert!(open(good, 0o640).is_ok());
        assert!(open(good, 0o644).unwrap_err().contains("chmod o="));
        for weak in [
            "",
            "short\n",
            "0123456789abcdef;0123456789abcdef",
            "two\nlines-0123456789abcdef",
        ] {
            assert!(
                open(weak, 0o600).unwrap_err().contains("one line"),
                "{weak:?}"
            );
        }
    }

    #[test]
    fn only_the_token_itself_is_the_token() {
        let token = Token("0123456789abcdef0123456789abcdef".into());
        assert!(token.is("0123456789abcdef0123456789abcdef"));
        for other in ["", "0123456789abcdef", "0123456789abcdef0123456789abcdeF"] {
            assert!(!token.is(other), "{other:?}");
        }
    }

    #[test]
    fn a_link_leads_to_this_host_wherever_the_server_listens() {
        let token = Token("t".into());
        let link = |address: &str| token_link(address.parse().unwrap(), &token, "/report/index/1");
        let tail = "/login?token=t&next=/report/index/1";
        assert_eq!(link("127.0.0.1:81"), format!("http://127.0.0.1:81{tail}"));
        assert_eq!(link("0.0.0.0:81"), format!("http://127.0.0.1:81{tail}"));
        assert_eq!(link("[::]:81"), format!("http://[::1]:81{tail}"));
    }
}
