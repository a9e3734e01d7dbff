//! Modules, and those that were unloaded.

use std::collections::HashMap;

use minidump::{MinidumpModule, MinidumpModuleList, MinidumpUnloadedModuleList, Module};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::{Hex, Shape, leaf};
use crate::walk::symbols::Found;

pub(super) struct Modules<'a> {
    pub(super) shape: &'a Shape<'a>,
    pub(super) certificates: &'a HashMap<String, String>,
    pub(super) modules: &'a MinidumpModuleList,
    pub(super) found: &'a HashMap<u64, Found>,
}

/// One module. Its entries are the library's, and `too_large_symbols`.
#[derive(Serialize)]
struct ModuleJson<'a> {
    base_addr: Hex,
    cert_subject: Option<&'a str>,
    code_id: String,
    corrupt_symbols: bool,
    debug_file: &'a str,
    debug_id: String,
    end_addr: Hex,
    filename: &'a str,
    loaded_symbols: bool,
    missing_symbols: bool,
    symbol_url: Option<&'a str>,
    /// The symbols are there and were not read: more than the settings allow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    too_large_symbols: bool,
    version: Option<&'a str>,
}

impl Serialize for Modules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for module in self.modules.iter() {
            if self.shape.is_full() {
                self.shape.truncated.set(true);
                break;
            }
            self.write_one(&mut list, module)?;
        }
        list.end()
    }
}

impl Modules<'_> {
    fn write_one<S: SerializeSeq>(
        &self,
        list: &mut S,
        module: &MinidumpModule,
    ) -> Result<(), S::Error> {
        let filename = leaf(&module.name);
        let base = module.raw.base_of_image;
        let debug_file = module.debug_file().unwrap_or_default();
        let found = self.found.get(&base);
        list.serialize_element(&ModuleJson {
            base_addr: self.shape.hex(base),
            cert_subject: self.certificates.get(filename).map(String::as_str),
            code_id: module.code_identifier().unwrap_or_default().to_string(),
            corrupt_symbols: matches!(found, Some(Found::Corrupt)),
            debug_file: leaf(&debug_file),
            debug_id: module
                .debug_identifier()
                .unwrap_or_default()
                .breakpad()
                .to_string(),
            end_addr: self
                .shape
                .hex(base.wrapping_add(module.raw.size_of_image.into())),
            filename,
            loaded_symbols: matches!(found, Some(Found::Loaded(_) | Found::Corrupt)),
            missing_symbols: matches!(found, Some(Found::Missing | Found::TooLarge)),
            symbol_url: match found {
                Some(Found::Loaded(file)) => file.url.as_deref(),
                _ => None,
            },
            too_large_symbols: matches!(found, Some(Found::TooLarge)),
            version: module.version().as_deref(),
        })
    }
}

pub(super) struct UnloadedModules<'a> {
    pub(super) shape: &'a Shape<'a>,
    pub(super) certificates: &'a HashMap<String, String>,
    pub(super) modules: &'a MinidumpUnloadedModuleList,
}

#[derive(Serialize)]
struct UnloadedModule<'a> {
    base_addr: Hex,
    cert_subject: Option<&'a str>,
    code_id: String,
    end_addr: Hex,
    filename: &'a str,
}

impl Serialize for UnloadedModules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.modules.iter().map(|module| {
            let base = module.raw.base_of_image;
            let size = u64::from(module.raw.size_of_image);
            UnloadedModule {
                base_addr: self.shape.hex(base),
                cert_subject: self.certificates.get(&module.name).map(String::as_str),
                code_id: module.code_identifier().unwrap_or_default().to_string(),
                end_addr: self.shape.hex(base.wrapping_add(size)),
                filename: &module.name,
            }
        }))
    }
}
