//! The modules of the process and their symbols.

use super::json::Json;

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) base: Option<String>,
    pub(super) debug_file: Option<String>,
    pub(super) debug_id: Option<String>,
    pub(super) symbols: Symbols,
}

/// What became of a module's symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbols {
    Loaded,
    Missing,
    Corrupt,
    /// No frame is in the module, so nobody looked for them.
    NotNeeded,
}

impl Symbols {
    /// The word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::NotNeeded => "not needed",
        }
    }

    /// Whether somebody should do something about them.
    pub(super) fn is_wanting(self) -> bool {
        matches!(self, Self::Missing | Self::Corrupt)
    }
}

/// Reads the modules: the main one, then those without usable symbols, then the others.
pub(super) fn modules(dump: Json<'_>) -> Vec<Module> {
    let main = dump.at("main_module").number();
    let modules = dump.at("modules").items().iter().enumerate();
    let mut modules: Vec<_> = modules
        .map(|(at, module)| {
            let module = Json(Some(module));
            let symbols = if module.at("corrupt_symbols").is_true() {
                Symbols::Corrupt
            } else if module.at("loaded_symbols").is_true() {
                Symbols::Loaded
            } else if module.at("missing_symbols").is_true() {
                Symbols::Missing
            } else {
                Symbols::NotNeeded
            };
            let rank = match symbols {
                _ if main == Some(at as u64) => 0,
                Symbols::Missing | Symbols::Corrupt => 1,
                Symbols::Loaded => 2,
                Symbols::NotNeeded => 3,
            };
            let module = Module {
                name: module.at("filename").text().unwrap_or_else(|| "?".into()),
                version: module.at("version").text(),
                base: module.at("base_addr").hex(),
                debug_file: module.at("debug_file").text(),
                debug_id: module.at("debug_id").text(),
                symbols,
            };
            (rank, module)
        })
        .collect();
    modules.sort_by_key(|(rank, _)| *rank);
    modules.into_iter().map(|(_, module)| module).collect()
}
