//! Puts the layers of a configuration on each other, and remembers where each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Config, Section};
use crate::storage::check::{Mistake, check as check_storages};

/// The prefix of environment variables that set a value: `SOCORRO__SECTION__KEY`.
const ENV_PREFIX: &str = "SOCORRO__";
/// Read when no file is named and it exists.
const DEFAULT_FILE: &str = "/etc/socorro/socorro.toml";

/// Where a program's configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file named on the command line; else `/etc/socorro/socorro.toml`, if it exists.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(OsString, OsString)>,
    /// The values of `--set`.
    pub set: Vec<String>,
}

/// A configuration and the origin of its values.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    /// The configuration in force.
    pub config: Config<S>,
    origins: BTreeMap<String, String>,
}

/// What is wrong with a configuration: where, what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has a mistake.
    #[error("mistake in {}:\n{problem}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The mistake with its line.
        problem: String,
    },
    /// Settings that don't go together.
    #[error("mistake in {origin}: {setting}: {problem}")]
    Inconsistent {
        /// Where the setting was made: a file, a variable, a flag, or `the defaults`.
        origin: String,
        /// One of them.
        setting: String,
        /// What is wrong, and how to mend it.
        problem: String,
    },
    /// An environment variable or a flag has a mistake.
    #[error("mistake in {origin}: {problem}")]
    InOverride {
        /// The variable or the flag.
        origin: String,
        /// The mistake.
        problem: String,
    },
}

/// Loads the configuration of a program.
///
/// The file is checked by itself first, so that its mistakes are told with their line; then each
/// override as it is put on top, so that its mistakes are told with its name.
pub fn load<S: Section>(sources: &Sources) -> Result<Loaded<S>, ConfigError> {
    let mut origins = BTreeMap::new();
    let mut table = match file(sources) {
        Some(path) => read_file::<S>(&path, &mut origins)?,
        None => Table::new(),
    };
    for Override { origin, path, text } in overrides(sources)? {
        let problem = |problem: String| ConfigError::InOverride {
            origin: origin.clone(),
            problem,
        };
        // A bare word is a string: quoting it in an environment file helps nobody.
        let literal = toml::from_str::<Table>(&format!("v = {text}")).ok();
        let value = literal.and_then(|mut t| t.remove("v"));
        let candidates = [value, Some(Value::String(text.clone()))];
        let mut last = None;
        let accepted = candidates.into_iter().flatten().find_map(|value| {
            let mut next = table.clone();
            let put = put(&mut next, &path, value);
            match put.and_then(|()| check::<S>(&next)) {
                Ok(()) => Some(next),
                Err(error) => {
                    last.get_or_insert(error);
                    None
                }
            }
        });
        table = accepted.ok_or_else(|| problem(last.unwrap_or_default()))?;
        origins.insert(path.join("."), origin);
    }
    let config: Config<S> =
        table
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::InOverride {
                origin: "the configuration".into(),
                problem: error.message().to_owned(),
            })?;
    check_storages(&config.shared).map_err(|mistake| {
        let Mistake {
            setting,
            other,
            problem,
        } = mistake;
        let settings = std::iter::once(&setting).chain(&other);
        let mut origin = settings.flat_map(|setting| origin_of(&origins, setting));
        ConfigError::Inconsistent {
            origin: origin.next().map_or("the defaults", String::as_str).into(),
            setting,
            problem,
        }
    })?;
    Ok(Loaded { config, origins })
}

/// Where a setting was made; for a section, or a key that should be in one, where that was begun.
fn origin_of<'a>(origins: &'a BTreeMap<String, String>, setting: &str) -> Option<&'a String> {
    let mut path = setting;
    loop {
        let rest = |key: &'a String| key.strip_prefix(path);
        let is_in = |rest: &str| rest.is_empty() || rest.starts_with('.');
        let mut all = origins.iter();
        if let Some((_, origin)) = all.find(|(key, _)| rest(key).is_some_and(is_in)) {
            return Some(origin);
        }
        path = path.rsplit_once('.')?.0;
    }
}

fn file(sources: &Sources) -> Option<PathBuf> {
    let default = Path::new(DEFAULT_FILE);
    sources
        .file
        .clone()
        .or_else(|| default.exists().then(|| default.to_owned()))
}

fn read_file<S: Section>(
    path: &Path,
    origins: &mut BTreeMap<String, String>,
) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let in_file = |error: toml::de::Error| ConfigError::InFile {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    toml::from_str::<Config<S>>(&text).map_err(in_file)?;
    let table: Table = toml::from_str(&text).map_err(in_file)?;
    for key in leaves(&table) {
        origins.insert(key, path.display().to_string());
    }
    Ok(table)
}

struct Override {
    origin: String,
    path: Vec<String>,
    text: String,
}

fn overrides(sources: &Sources) -> Result<Vec<Override>, ConfigError> {
    let mut all = Vec::new();
    for (name, value) in &sources.env {
        let Some(path) = name.to_str().and_then(|name| name.strip_prefix(ENV_PREFIX)) else {
            continue;
        };
        let origin = format!("environment variable {ENV_PREFIX}{path}");
        let Some(text) = value.to_str() else {
            return Err(ConfigError::InOverride {
                origin,
                problem: "it is not UTF-8".into(),
            });
        };
        let path = path.split("__").map(str::to_lowercase).collect();
        all.push(Override {
            origin,
            path,
            text: text.to_owned(),
        });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    for set in &sources.set {
        let origin = format!("--set {set}");
        let Some((path, text)) = set.split_once('=') else {
            let problem = "write it as --set section.key=value".into();
            return Err(ConfigError::InOverride { origin, problem });
        };
        let path = path.trim().split('.').map(str::to_owned).collect();
        all.push(Override {
            origin,
            path,
            text: text.trim().to_owned(),
        });
    }
    Ok(all)
}

fn put(table: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    match path {
        [] => Err("it names no key".into()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [section, rest @ ..] => {
            let section = table
                .entry(section.clone())
                .or_insert_with(|| Table::new().into());
            let table = section
                .as_table_mut()
                .ok_or("it names a key below a value")?;
            put(table, rest, value)
        }
    }
}

fn check<S: Section>(table: &Table) -> Result<(), String> {
    table
        .clone()
        .try_into::<Config<S>>()
        .map(drop)
        .map_err(|error| error.message().to_owned())
}

fn leaves(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                keys.extend(leaves(inner).into_iter().map(|key| format!("{name}.{key}")));
            }
            _ => keys.push(name.clone()),
        }
    }
    keys
}

impl<S: Section> Loaded<S> {
    /// The configuration in force as TOML, with the origin of each value.
    pub fn print(&self) -> String {
        let mut text = String::new();
        // Unwrap safety: settings are plain data that TOML can express.
        let mut table = Table::try_from(&self.config.shared).unwrap();
        if !S::NAME.is_empty() {
            table.insert(S::NAME.into(), Value::try_from(&self.config.own).unwrap());
        }
        self.print_table(&mut text, &table, "");
        text
    }

    fn print_table(&self, text: &mut String, table: &Table, path: &str) {
        for (name, value) in table.iter().filter(|(_, value)| !value.is_table()) {
            let key = format!("{path}{name}");
            let origin = self.origins.get(&key).map_or("default", String::as_str);
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name} = {value}  # {origin}");
        }
        for (name, value) in table {
            if let Value::Table(inner) = value {
                let _ = writeln!(text, "\n[{path}{name}]");
                self.print_table(text, inner, &format!("{path}{name}."));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoSection;
    use super::*;

    fn load_text(
        text: &str,
        env: &[(&str, &str)],
        set: &[&str],
    ) -> Result<Loaded<NoSection>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let sources = Sources {
            file: Some(file.path().to_owned()),
            env: env.iter().map(|(k, v)| (k.into(), v.into())).collect(),
            set: set.iter().map(|s| (*s).to_owned()).collect(),
        };
        load(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "[hbase]\nthrift = \"a:1\"\ntable_prefix = \"file_\"\nconnections = 3";
        let env = [
            ("SOCORRO__HBASE__THRIFT", "b:2"),
            ("SOCORRO__HBASE__TABLE_PREFIX", "env_"),
        ];
        let loaded = load_text(file, &env, &["hbase.thrift=c:3"]).unwrap();
        let hbase = &loaded.config.shared.hbase;
        assert_eq!(hbase.thrift, "c:3");
        assert_eq!(hbase.table_prefix, "env_");
        assert_eq!(hbase.connections, 3);
    }

    #[test]
    fn the_printed_configuration_tells_where_each_value_is_from() {
        let loaded = load_text("[hbase]\nconnections = 3", &[], &["hbase.thrift=c:3"]).unwrap();
        let text = loaded.print();
        let line = |key: &str| {
            text.lines()
                .find(|line| line.starts_with(key))
                .unwrap()
                .to_owned()
        };
        assert!(line("connections").contains("= 3  # /"), "{text}");
        assert!(
            line("thrift").ends_with("# --set hbase.thrift=c:3"),
            "{text}"
        );
        assert!(line("socket_timeout").ends_with("# default"), "{text}");
        toml::from_str::<Config<NoSection>>(&text).unwrap();
    }

    #[test]
    fn mistakes_name_the_key_and_the_place() {
        let error = load_text("[hbase]\nthrft = \"x\"", &[], &[]).unwrap_err();
        assert!(
            error.contains("thrft") && error.contains("line 2"),
            "{error}"
        );
        let error = load_text("[hbse]\nthrift = \"x\"", &[], &[]).unwrap_err();
        assert!(error.contains("unknown section [hbse]"), "{error}");
        let error = load_text("", &[("SOCORRO__HBASE__NOPE", "1")], &[]).unwrap_err();
        assert!(
            error.contains("SOCORRO__HBASE__NOPE") && error.contains("nope"),
            "{error}"
        );
        let error = load_text("", &[], &["hbase.connections=many"]).unwrap_err();
        assert!(error.contains("--set hbase.connections=many"), "{error}");
        let error = load_text("[transactions]\ndelays = [10]", &[], &[]).unwrap_err();
        assert!(error.contains("\"10s\""), "{error}");
    }

    #[test]
    fn a_directory_that_is_to_hold_two_things_is_refused() {
        let roots = |spool: &str, standard: &str| {
            let set = [
                format!("spool.primary={spool}"),
                format!("filesystem.standard={standard}"),
            ];
            load_text("", &[], &[&set[0], &set[1]]).map(drop)
        };
        roots("/x/spool", "/x/std").unwrap();
        for (spool, standard) in [("/x/a", "/x/a"), ("/x/a", "/x/a/b"), ("/x/a/../b/", "/x/b")] {
            let error = roots(spool, standard).unwrap_err();
            assert!(
                error.contains("spool.primary") && error.contains("filesystem.standard"),
                "{error}"
            );
        }
    }

    #[test]
    fn sections_of_other_programs_are_skipped() {
        load_text("[collector]\nwhatever = 1", &[], &[]).unwrap();
    }
}
