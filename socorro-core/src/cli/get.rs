//! The commands that print a part of a crash.

use std::io::IsTerminal;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{print, write_out};
use crate::crash_id::CrashId;
use crate::dumps::DumpName;
use crate::service::Error;
use crate::storage::CrashStorage;

pub(super) async fn raw_crash(storage: &dyn CrashStorage, id: &CrashId) -> Result<(), Error> {
    let raw = storage.get_raw_crash(id).await?;
    print(&serde_json::to_string_pretty(&raw)?)
}

pub(super) async fn processed(storage: &dyn CrashStorage, id: &CrashId) -> Result<(), Error> {
    let processed = storage.get_processed(id).await?;
    print(&serde_json::to_string_pretty(&processed)?)
}

pub(super) async fn dumps(
    storage: &dyn CrashStorage,
    id: &CrashId,
    json: bool,
) -> Result<(), Error> {
    let dumps = storage.get_dumps(id).await?;
    let mut sizes = Map::new();
    for (name, dump) in &dumps {
        sizes.insert(name.to_string(), Value::from(dump.size()?));
    }
    if json {
        return print(&Value::Object(sizes).to_string());
    }
    let lines = sizes
        .iter()
        .map(|(name, size)| format!("{name}: dump length = {size}"));
    print(&lines.collect::<Vec<_>>().join("\n"))
}

pub(super) async fn dump(
    storage: &dyn CrashStorage,
    id: &CrashId,
    name: &str,
    output: Option<PathBuf>,
) -> Result<(), Error> {
    let name = DumpName::parse(name).ok_or_else(|| format!("{name:?} is not a dump's name"))?;
    if output.is_none() && std::io::stdout().is_terminal() {
        return Err("a dump is binary: write it with --output FILE, or into a pipe".into());
    }
    let bytes = storage.get_dump(id, &name).await?.read()?;
    match output {
        None => write_out(&bytes)?,
        Some(path) => std::fs::write(&path, &bytes)
            .map_err(|error| format!("can't write {}: {error}", path.display()))?,
    }
    Ok(())
}
