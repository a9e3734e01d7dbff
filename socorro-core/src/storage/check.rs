//! Which storages make no sense where the configuration puts them.

use super::named::{FILESYSTEM, HBASE, NamedStorage, SPOOL};
use super::places::places_are_apart;
use crate::config::Settings;

/// A setting that can't be right.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// The setting.
    pub(crate) setting: String,
    /// Another, with which it does not go together.
    pub(crate) other: Option<String>,
    /// Its mistake, and how to mend it.
    pub(crate) problem: String,
}

pub(super) type Result<T = (), E = Mistake> = std::result::Result<T, E>;

fn mistake<T>(setting: impl Into<String>, problem: impl Into<String>) -> Result<T> {
    Err(Mistake {
        setting: setting.into(),
        other: None,
        problem: problem.into(),
    })
}

/// Finds settings of storages that don't go together.
pub(crate) fn check(settings: &Settings) -> Result {
    for name in settings.storages.keys() {
        well_named(name)?;
        members_are_there(settings, name, &mut Vec::new())?;
    }
    for name in settings.storages.keys() {
        container(settings, name)?;
    }
    let Settings { spool, storage, .. } = settings;
    for (setting, name) in [
        ("spool.use", &spool.r#use),
        ("storage.use", &storage.r#use),
        ("storage.destination", &storage.destination),
    ] {
        if !name.is_empty() {
            is_there(settings, setting, name)?;
        }
    }
    is_spool(settings, "spool.use", settings.spool_name())?;
    has_queue(settings, "storage.use", settings.primary_name())?;
    keeps(settings, "storage.destination", settings.destination_name())?;
    let spool = settings.leaves(settings.spool_name());
    for (setting, name) in [
        ("storage.use", settings.primary_name()),
        ("storage.destination", settings.destination_name()),
    ] {
        if let Some(both) = settings.leaves(name).intersection(&spool).next() {
            return mistake(
                setting,
                format!(
                    "{both:?} is the spool as well, where the crash mover would remove each crash \
                     that it has just saved: give the spool a storage of its own"
                ),
            );
        }
    }
    places_are_apart(settings)
}

fn well_named(name: &str) -> Result {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(is_plain) {
        let problem = "write the name with a-z, 0-9, _ and -";
        return mistake(format!("storages.{name}"), problem);
    }
    if [SPOOL, FILESYSTEM, HBASE].contains(&name) {
        let problem = format!("{name} is what the section [{name}] sets up: take another name");
        return mistake(format!("storages.{name}"), problem);
    }
    Ok(())
}

fn is_there(settings: &Settings, setting: &str, name: &str) -> Result {
    if [FILESYSTEM, HBASE].contains(&name) || settings.storages.contains_key(name) {
        return Ok(());
    }
    let known = settings.storages.keys().map(String::as_str);
    let known: Vec<_> = [FILESYSTEM, HBASE].into_iter().chain(known).collect();
    mistake(
        setting,
        format!(
            "there is no storage {name:?}: set it up in a section [storages.NAME], or name one of {}",
            known.join(", ")
        ),
    )
}

/// Also that no storage is a member of itself. `above` are the containers that led here.
fn members_are_there<'a>(
    settings: &'a Settings,
    name: &'a str,
    above: &mut Vec<&'a str>,
) -> Result {
    let Some(storage) = settings.storages.get(name) else {
        return Ok(());
    };
    above.push(name);
    for (key, member) in storage.members() {
        let setting = Settings::setting_of(name, key);
        is_there(settings, &setting, member)?;
        if above.contains(&member) {
            let circle = format!("{} -> {member}", above.join(" -> "));
            return mistake(
                setting,
                format!("a storage can't be a part of itself: {circle}"),
            );
        }
        members_are_there(settings, member, above)?;
    }
    above.pop();
    Ok(())
}

/// What a container needs of its members, wherever it is used.
fn container(settings: &Settings, name: &str) -> Result {
    let Some(storage) = settings.storages.get(name) else {
        return Ok(());
    };
    let members = storage.members();
    if let NamedStorage::PolyCrashStorage { storages } = storage
        && storages.is_empty()
    {
        let setting = Settings::setting_of(name, "storages");
        return mistake(setting, "it names no storage: list those to save in");
    }
    if let NamedStorage::DeferringCrashStorage {
        standard,
        deferred,
        processed,
    } = storage
    {
        let deferring = |key| Settings::setting_of(name, key);
        is_readable(settings, &deferring("deferred"), deferred)?;
        if !processed.is_empty() && processed != standard {
            let leaves = settings.leaves(processed);
            let is_hbase = |leaf: &&String| {
                let leaf = settings.storage_named(leaf);
                matches!(leaf, Some(NamedStorage::HBaseCrashStorage(_)))
            };
            if let Some(hbase) = leaves.iter().find(is_hbase) {
                return mistake(
                    deferring("processed"),
                    format!(
                        "{hbase:?} is HBase, which keeps a processed crash beside its raw crash only: \
                         name a file-system storage, or the one that `standard` names"
                    ),
                );
            }
        }
    }
    if let NamedStorage::FallbackCrashStorage { .. } = storage {
        for (key, member) in &members {
            keeps(settings, &Settings::setting_of(name, key), member)?;
        }
    }
    for (place, (key, member)) in members.iter().enumerate() {
        for (other_key, other) in &members[..place] {
            // The one place where a storage does two things by itself.
            if *key == "processed" && *other_key == "standard" && member == other {
                continue;
            }
            let leaves = settings.leaves(other);
            if let Some(both) = settings.leaves(member).intersection(&leaves).next() {
                return mistake(
                    Settings::setting_of(name, key),
                    format!(
                        "{both:?} is in `{other_key}` already: each member needs a place of its own"
                    ),
                );
            }
        }
    }
    Ok(())
}

/// That crashes can be read, which is all but a `PolyCrashStorage`.
fn is_readable(settings: &Settings, setting: &str, name: &str) -> Result {
    let Some(storage) = settings.storage_named(name) else {
        return Ok(());
    };
    if let NamedStorage::PolyCrashStorage { .. } = storage {
        return mistake(
            setting,
            format!(
                "{name:?} is a PolyCrashStorage, which can't be read: name one of its storages"
            ),
        );
    }
    for (key, member) in storage.members() {
        is_readable(settings, &Settings::setting_of(name, key), member)?;
    }
    Ok(())
}

/// That no crash is lost in it but one that is deferred: what it takes is removed from the spool.
fn keeps(settings: &Settings, setting: &str, name: &str) -> Result {
    let Some(storage) = settings.storage_named(name) else {
        return Ok(());
    };
    let member = |(key, member): (&str, &str)| {
        let setting = Settings::setting_of(name, key);
        keeps(settings, &setting, member)
    };
    let mut members = storage.members().into_iter();
    match &storage {
        NamedStorage::NullCrashStorage {} => mistake(
            setting,
            format!(
                "{name:?} is a NullCrashStorage, which forgets crashes: name one that keeps them"
            ),
        ),
        NamedStorage::PolyCrashStorage { .. } => {
            // One that keeps them is enough.
            let checked: Vec<_> = members.map(member).collect();
            match checked.iter().any(Result::is_ok) {
                true => Ok(()),
                false => checked.into_iter().collect(),
            }
        }
        _ => members.try_for_each(|(key, of)| match key {
            "deferred" => Ok(()),
            _ => member((key, of)),
        }),
    }
}

/// That processors can work on it, and all that is processed can be read.
fn has_queue(settings: &Settings, setting: &str, name: &str) -> Result {
    match settings.storage_named(name) {
        Some(NamedStorage::FileSystemCrashStorage(_) | NamedStorage::HBaseCrashStorage(_))
        | None => Ok(()),
        Some(NamedStorage::DeferringCrashStorage {
            standard,
            deferred: _,
            processed,
        }) => {
            let in_it = |key| Settings::setting_of(name, key);
            has_queue(settings, &in_it("standard"), &standard)?;
            let setting = in_it("processed");
            is_readable(settings, &setting, &processed)?;
            keeps(settings, &setting, &processed)
        }
        Some(other) => mistake(
            setting,
            format!(
                "{name:?} is a {}, which has no queue for processors: the primary storage is a \
                 FileSystemCrashStorage, an HBaseCrashStorage, or a DeferringCrashStorage whose \
                 `standard` is one; what else the crash mover is to fill goes into \
                 storage.destination",
                other.class()
            ),
        ),
    }
}

fn is_spool(settings: &Settings, setting: &str, name: &str) -> Result {
    match settings.storage_named(name) {
        Some(NamedStorage::FileSystemRawCrashStorage {
            date_branch: true, ..
        })
        | None => Ok(()),
        Some(NamedStorage::FileSystemRawCrashStorage { .. }) => mistake(
            Settings::setting_of(name, "date_branch"),
            "a spool needs its date branch: the crash mover walks it",
        ),
        Some(NamedStorage::FallbackCrashStorage { primary, fallback }) => {
            is_spool(settings, &Settings::setting_of(name, "primary"), &primary)?;
            is_spool(settings, &Settings::setting_of(name, "fallback"), &fallback)
        }
        Some(other) => mistake(
            setting,
            format!(
                "{name:?} is a {}, which can't be a spool: name a FileSystemRawCrashStorage, or a \
                 FallbackCrashStorage of such",
                other.class()
            ),
        ),
    }
}
