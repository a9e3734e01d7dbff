//! Configuration: one TOML file for all programs, with environment and flags on top.
//!
//! Layers, the later ones win: defaults; the file; `SOCORRO__SECTION__KEY=value`;
//! `--set section.key=value`. Unknown sections and keys are errors. The sections that several
//! programs read are in [`Settings`]; a program's own section is beside its code and is known here
//! through [`Section`].

mod layers;
mod value;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::retry::TransactionOptions;
use crate::signature::SignatureOptions;
use crate::storage::named::NamedStorages;
use crate::storage::open::{FileSystemOptions, HBaseOptions, SpoolOptions, StorageOptions};
use crate::telemetry::LogOptions;
pub use layers::{ConfigError, Loaded, Sources, load};
pub use value::Period;

/// The sections that are read by one program each. A program skips those of the others.
const OWNED_SECTIONS: [&str; 4] = ["collector", "crashmover", "processor", "web"];

/// A program's own section of the configuration.
pub trait Section:
    fmt::Debug + Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The name of the section.
    const NAME: &'static str;
}

/// The sections that several programs read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Settings {
    /// `[log]`
    pub log: LogOptions,
    /// `[spool]`: where the collector puts crashes and the mover takes them.
    pub spool: SpoolOptions,
    /// `[storage]`: the primary storage, where the mover brings crashes.
    pub storage: StorageOptions,
    /// `[filesystem]`: the primary storage on the file system.
    pub filesystem: FileSystemOptions,
    /// `[hbase]`: the primary storage in HBase.
    pub hbase: HBaseOptions,
    /// `[storages]`: further storages, by name.
    pub storages: NamedStorages,
    /// `[signature]`: how signatures are made, for the processor and who asks why.
    pub signature: SignatureOptions,
    /// `[transactions]`: how work on a storage is tried again.
    pub transactions: TransactionOptions,
}

/// The configuration of one program.
#[derive(Debug, Clone, Default)]
pub struct Config<S> {
    /// The shared sections.
    pub shared: Settings,
    /// The program's own section.
    pub own: S,
}

impl<'de, S: Section> Deserialize<'de> for Config<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Sections(PhantomData))
    }
}

struct Sections<S>(PhantomData<S>);

impl<'de, S: Section> Visitor<'de> for Sections<S> {
    type Value = Config<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sections such as [spool]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config<S>, A::Error> {
        let mut config = Config::<S>::default();
        let Settings {
            log,
            spool,
            storage,
            filesystem,
            hbase,
            storages,
            signature,
            transactions,
        } = &mut config.shared;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "log" => *log = map.next_value()?,
                "spool" => *spool = map.next_value()?,
                "storage" => *storage = map.next_value()?,
                "filesystem" => *filesystem = map.next_value()?,
                "hbase" => *hbase = map.next_value()?,
                "storages" => *storages = map.next_value()?,
                "signature" => *signature = map.next_value()?,
                "transactions" => *transactions = map.next_value()?,
                own if own == S::NAME => config.own = map.next_value()?,
                other if OWNED_SECTIONS.contains(&other) => {
                    map.next_value::<IgnoredAny>()?;
                }
                unknown => {
                    return Err(A::Error::custom(format!(
                        "unknown section [{unknown}], expected one of log, spool, storage, \
                         filesystem, hbase, storages, signature, transactions, {}",
                        OWNED_SECTIONS.join(", ")
                    )));
                }
            }
        }
        Ok(config)
    }
}

/// The default of `collector.max_inflated_bytes`.
pub const MAX_INFLATED_BYTES: u64 = 64 << 20;

/// What `socorro` reads of the collector's section: how large the dumps may be that a storage is to
/// take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectorLimits {
    /// The largest body of an upload after inflating, in bytes: no dump is larger.
    pub max_inflated_bytes: u64,
}

impl Default for CollectorLimits {
    fn default() -> Self {
        Self {
            max_inflated_bytes: MAX_INFLATED_BYTES,
        }
    }
}

impl Section for CollectorLimits {
    const NAME: &'static str = "collector";
}

/// The section of a program that has none of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSection {}

impl Section for NoSection {
    const NAME: &'static str = "";
}
