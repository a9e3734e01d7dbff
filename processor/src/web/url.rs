//! Pieces of addresses: query values in, links out.

use std::fmt::Write;

/// The value of that name in a query such as `name=a&next=%2F`; the first, if there are several.
pub(super) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| decode(value))
    })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = tail;
                    high * 16 + low
                }
                _ => first,
            },
            _ => first,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    // A digit is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// The text as a part of a path or as a query value: all but letters, digits and `-._~/` is
/// percent-encoded.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            // Writing to a string can't fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// The path if it leads to a page of this server, else the front page. A browser reads `//host`
/// and `/\host` as another server, and drops tabs and line ends.
pub(super) fn local_path(path: Option<String>) -> String {
    path.filter(|path| {
        path.starts_with('/')
            && !path[1..].starts_with(['/', '\\'])
            && path.bytes().all(|c| c.is_ascii_graphic())
    })
    .unwrap_or_else(|| "/".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_found_and_decoded() {
        let query = Some("token=abc&next=%2Freport%2Findex%2F1%3Fa%3Db&empty&text=a+b%zz%4");
        let value = |name| query_value(query, name);
        assert_eq!(value("token").unwrap(), "abc");
        assert_eq!(value("next").unwrap(), "/report/index/1?a=b");
        assert_eq!(value("empty").unwrap(), "");
        assert_eq!(value("text").unwrap(), "a b%zz%4");
        assert_eq!(value("tok"), None);
        assert_eq!(query_value(None, "token"), None);
        assert_eq!(query_value(Some("a=%ff"), "a").unwrap(), "\u{fffd}");
    }

    #[test]
    fn what_was_encoded_decodes_to_itself() {
        let text = "/a b?c&d=e#f%\"é<>";
        assert_eq!(decode(&encode(text)), text);
        assert_eq!(encode("/report/index/a-1"), "/report/index/a-1");
    }

    #[test]
    fn only_paths_of_this_server_are_local() {
        let local = |path: &str| local_path(Some(path.to_owned()));
        assert_eq!(local("/report/index/1?wait"), "/report/index/1?wait");
        for path in [
            "",
            "//evil.example/",
            "/\\evil.example/",
            "https://evil.example/",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x=y",
            "/\t/evil.example",
            "/é",
        ] {
            assert_eq!(local(path), "/", "{path:?}");
        }
        assert_eq!(local_path(None), "/");
    }
}
