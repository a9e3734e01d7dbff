//! Symbols for the modules of one dump, and the end of walks that have no end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use breakpad_symbols::breakpad_sym_lookup;
use minidump::Module;
use minidump_unwind::{
    FileError, FileKind, FillSymbolError, FrameSymbolizer, FrameWalker, SymbolFile, SymbolProvider,
};

use super::symbols::{Announce, Found, Symbols};

/// The symbols of one dump's modules.
pub(crate) struct DumpSymbols<'a> {
    symbols: &'a Symbols,
    announce: &'a Announce<'a>,
    state: Mutex<State>,
}

struct State {
    /// By base address, which is one module's within a dump.
    modules: HashMap<u64, Found>,
    /// Frames that may still be walked in this dump, and in this thread.
    dump_frames: u64,
    thread_frames: u64,
    ended_early: bool,
}

impl<'a> DumpSymbols<'a> {
    pub(crate) fn new(symbols: &'a Symbols, max_frames: u64, announce: &'a Announce<'a>) -> Self {
        symbols.begin_dump();
        let state = State {
            modules: HashMap::new(),
            dump_frames: max_frames,
            thread_frames: max_frames / 2,
            ended_early: false,
        };
        Self {
            symbols,
            announce,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, module: &(dyn Module + Sync)) -> Found {
        let base = module.base_address();
        if let Some(found) = self.state().modules.get(&base) {
            return found.clone();
        }
        let found = match breakpad_sym_lookup(module) {
            Some(lookup) => self.symbols.find(&lookup.cache_rel, self.announce),
            None => Found::Missing,
        };
        self.state().modules.insert(base, found.clone());
        found
    }

    /// What was found for each module that was met on a stack, by its base address; and whether a
    /// walk was ended because the dump has too many frames.
    pub(crate) fn into_found(self) -> (HashMap<u64, Found>, bool) {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (state.modules, state.ended_early)
    }

    /// Counts a frame; false when there were too many.
    fn may_go_on(&self, first: bool) -> bool {
        let mut state = self.state();
        if first {
            state.thread_frames = state.dump_frames.div_ceil(2);
        }
        if state.thread_frames == 0 {
            state.ended_early = true;
            return false;
        }
        state.thread_frames -= 1;
        state.dump_frames -= 1;
        true
    }
}

#[async_trait]
impl SymbolProvider for DumpSymbols<'_> {
    async fn fill_symbol(
        &self,
        module: &(dyn Module + Sync),
        frame: &mut (dyn FrameSymbolizer + Send),
    ) -> Result<(), FillSymbolError> {
        match self.find(module) {
            Found::Loaded(file) => fill(&file, module, frame),
            Found::Missing | Found::Corrupt | Found::TooLarge => return Err(FillSymbolError {}),
        }
        Ok(())
    }

    async fn walk_frame(
        &self,
        module: &(dyn Module + Sync),
        walker: &mut (dyn FrameWalker + Send),
    ) -> Option<()> {
        if !self.may_go_on(!walker.has_grand_callee()) {
            // A caller at address 0 is the end of a stack to the walker, which knows no other way.
            walker.set_cfa(0)?;
            return walker.set_ra(0);
        }
        match self.find(module) {
            Found::Loaded(file) => file.walk_frame(module, walker),
            Found::Missing | Found::Corrupt | Found::TooLarge => None,
        }
    }

    async fn get_file_path(
        &self,
        _module: &(dyn Module + Sync),
        _kind: FileKind,
    ) -> Result<PathBuf, FileError> {
        Err(FileError::NotFound)
    }
}

/// Names a frame. The library looks through all public symbols one by one where no function covers
/// an address, which takes most of the time with symbols made of stripped libraries.
fn fill(file: &SymbolFile, module: &(dyn Module + Sync), frame: &mut (dyn FrameSymbolizer + Send)) {
    let Some(address) = frame.get_instruction().checked_sub(module.base_address()) else {
        return;
    };
    let functions = file.functions.ranges_values().as_slice();
    let before = functions.partition_point(|(range, _)| range.start <= address);
    let function = before.checked_sub(1).map(|index| &functions[index]);
    if function.is_some_and(|(range, _)| range.contains(address)) {
        return file.fill_symbol(module, frame);
    }
    let publics = file
        .publics
        .partition_point(|public| public.address <= address);
    let Some(public) = publics.checked_sub(1).map(|index| &file.publics[index]) else {
        return;
    };
    // A public symbol has no end; it can't reach over a function that begins after it.
    if function.is_none_or(|(_, function)| public.address > function.address) {
        let base = public.address.saturating_add(module.base_address());
        frame.set_function(&public.name, base, public.parameter_size);
    }
}
