//! Which annotations are public. All others are private (see the list for what that means).

use std::collections::HashSet;
use std::path::Path;

/// The list that is shipped: `socorro-core/data/public-annotations.txt`.
const SHIPPED: &str = include_str!("../data/public-annotations.txt");

/// The names of the public annotations.
#[derive(Debug, Clone)]
pub struct PublicAnnotations(HashSet<String>);

impl Default for PublicAnnotations {
    fn default() -> Self {
        Self::parse(SHIPPED)
    }
}

impl PublicAnnotations {
    /// Reads a list of names: one a line; empty lines and lines that begin with `#` don't count.
    pub fn parse(list: &str) -> Self {
        let lines = list.lines().map(str::trim);
        Self(
            lines
                .filter(|l| !l.is_empty() && !l.starts_with('#'))
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Reads the list of an operator; an empty path means the shipped list.
    pub fn load(path: &Path) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        match std::fs::read_to_string(path) {
            Ok(list) => Ok(Self::parse(&list)),
            Err(error) => Err(format!(
                "can't read the list of public annotations {}: {error}",
                path.display()
            )),
        }
    }

    /// Whether that annotation is public.
    pub fn is_public(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_keeps_people_private() {
        let list = PublicAnnotations::default();
        assert!(list.is_public("ProductName"));
        for name in [
            "Email",
            "URL",
            "Comments",
            "guid",
            "TelemetryClientId",
            "",
            "#",
        ] {
            assert!(!list.is_public(name), "{name}");
        }
    }

    #[test]
    fn a_list_that_is_missing_is_named() {
        let error = PublicAnnotations::load(Path::new("/nowhere/list")).unwrap_err();
        assert!(error.contains("/nowhere/list"), "{error}");
    }
}
