//! Where the source of a frame is, and where it can be read.

use socorro_core::service::Error;

use super::json::Json;
use crate::web::config::SourceLink;
use crate::web::{text, url};

/// A longer name is no name of a file.
const MAX_NAME_BYTES: usize = 4096;

/// A line of a source file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The file's name without directories, and the line.
    pub(super) short: String,
    /// The file's name as the symbols have it.
    pub(super) file: String,
    /// Where it can be read.
    pub(super) url: Option<String>,
}

/// The entries of `source_links`.
#[derive(Debug)]
pub(in crate::web) struct SourceLinks(Vec<SourceLink>);

impl SourceLinks {
    /// Refuses addresses that are none of the web.
    pub(in crate::web) fn new(links: &[SourceLink]) -> Result<Self, Error> {
        for SourceLink { url, .. } in links {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                let problem = format!("web.source_links: {url:?} does not begin with https://");
                return Err(problem.into());
            }
        }
        Ok(Self(links.to_vec()))
    }

    /// The source of a frame, if it names a file.
    pub(super) fn source(&self, file: Json<'_>, line: Json<'_>) -> Option<Source> {
        let name = file.str().filter(|name| name.len() <= MAX_NAME_BYTES)?;
        let line = line.number();
        let base = text::shown(text::base_name(split(name).0));
        Some(Source {
            short: match line {
                Some(line) => format!("{base}:{line}"),
                None => base,
            },
            file: text::shown(name),
            url: self.0.iter().find_map(|link| address(link, name, line)),
        })
    }
}

/// The path and the revision of a name `vcs:repository:path:revision`; other names are paths.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split(':').collect::<Vec<_>>()[..] {
        [_, _, path, revision] => (path, Some(revision)),
        _ => (name, None),
    }
}

/// The address of a line, if the entry is for this file and all that it asks for is known.
fn address(link: &SourceLink, name: &str, line: Option<u64>) -> Option<String> {
    let rest = name.strip_prefix(link.files.as_str())?;
    let revision = split(name).1;
    let path = match revision {
        Some(revision) => rest.strip_suffix(revision)?.strip_suffix(':')?,
        None => rest,
    };
    let values = [
        ("{path}", Some(url::encode(path))),
        ("{line}", line.map(|line| line.to_string())),
        ("{revision}", revision.map(url::encode)),
    ];
    let mut address = link.url.clone();
    for (place, value) in values {
        if address.contains(place) {
            address = address.replace(place, &value?);
        }
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source(links: &[(&str, &str)], file: &str, line: Value) -> Source {
        let links: Vec<_> = links
            .iter()
            .map(|(files, url)| SourceLink {
                files: (*files).into(),
                url: (*url).into(),
            })
            .collect();
        let links = SourceLinks::new(&links).unwrap();
        links
            .source(Json(Some(&file.into())), Json(Some(&line)))
            .unwrap()
    }

    #[test]
    fn a_frame_shows_the_files_name_and_line() {
        assert_eq!(source(&[], r"c:\src\a.cpp", json!(7)).short, "a.cpp:7");
        assert_eq!(
            source(&[], "git:github.com/a/b:src/c.rs:12ab", json!(7)).short,
            "c.rs:7"
        );
        assert_eq!(source(&[], "./src/d.cc", json!(null)).short, "d.cc");
    }

    #[test]
    fn links_are_made_for_the_files_that_they_are_for() {
        let links = [
            (
                "git:github.com/a/b:",
                "https://github.com/a/b/blob/{revision}/{path}#L{line}",
            ),
            ("./src/", "https://example.org/{path}?line={line}"),
        ];
        let url = |file, line| source(&links, file, line).url;
        let expected = "https://github.com/a/b/blob/12ab/src/c.rs#L7";
        assert_eq!(
            url("git:github.com/a/b:src/c.rs:12ab", json!(7)).unwrap(),
            expected
        );
        let expected = "https://example.org/x/a%20b.cc?line=7";
        assert_eq!(url("./src/x/a b.cc", json!("7")).unwrap(), expected);
        assert_eq!(url("./src/x.cc", json!(null)), None);
        assert_eq!(url("/usr/include/x.h", json!(7)), None);
        assert_eq!(url("git:github.com/a/b:", json!(7)), None);
    }

    #[test]
    fn a_hostile_file_name_stays_in_its_place() {
        let links = [("", "https://example.org/{path}")];
        let file = "\"><script>/../javascript:\u{202e}";
        let source = source(&links, file, json!(1));
        let url = source.url.unwrap();
        assert!(
            url.starts_with("https://example.org/%22%3E%3Cscript%3E/"),
            "{url}"
        );
        assert!(!source.file.contains('\u{202e}'));
    }

    #[test]
    fn links_that_run_code_are_refused() {
        let links = [SourceLink {
            files: String::new(),
            url: "javascript:{path}".into(),
        }];
        assert!(SourceLinks::new(&links).is_err());
    }
}
