//! The `json_dump` of a walked dump, in the shape of `minidump-stackwalk --json`.
//!
//! The library writes it by way of a tree of values, which takes longer than the walk. Here frames and
//! modules, of which there are many, are written straight from the walker's state, and the library
//! writes the rest.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Write};

use minidump::system_info::PointerWidth;
use minidump::{MinidumpModule, MinidumpModuleList, Module};
use minidump_processor::ProcessState;
use minidump_unwind::{CallStack, InlineFrame, StackFrame};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::options::WalkOptions;
use super::symbols::Found;

/// Writes the `json_dump` of this state to the end of `out`, and says whether something was left out of
/// it. `found` has the symbols by a module's base address.
pub(crate) fn write(
    out: &mut Vec<u8>,
    mut state: ProcessState,
    found: &HashMap<u64, Found>,
    options: &WalkOptions,
) -> serde_json::Result<bool> {
    let threads = std::mem::take(&mut state.threads);
    let modules = std::mem::replace(&mut state.modules, MinidumpModuleList::new());
    let crashing = state
        .requesting_thread
        .take()
        .filter(|thread| *thread < threads.len());
    // Names of open files and pipes tell of people.
    state.handles = None;
    let mut head = Vec::new();
    state.print_json(&mut head, false)?;
    let mut head: Map<String, Value> = serde_json::from_slice(&head)?;
    for name in ["modules", "threads", "thread_count"] {
        head.remove(name);
    }
    if let Some(info) = head.get_mut("crash_info") {
        info["crashing_thread"] = crashing.into();
    }

    let shape = Shape {
        options,
        narrow: state.system_info.cpu.pointer_width() == PointerWidth::Bits32,
        written: Cell::new(0),
        truncated: Cell::new(false),
    };
    let mut out = Counted {
        out,
        written: &shape.written,
    };
    let mut serializer = serde_json::Serializer::new(&mut out);
    let mut all = serializer.serialize_map(None)?;
    for (name, value) in &head {
        all.serialize_entry(name, value)?;
    }
    all.serialize_entry("thread_count", &threads.len())?;
    // The crashing thread comes first: it is there whatever the others take.
    if let Some(index) = crashing.filter(|index| !threads[*index].frames.is_empty()) {
        let thread = Thread {
            shape: &shape,
            stack: &threads[index],
            crashing: Some(index),
        };
        all.serialize_entry("crashing_thread", &thread)?;
    }
    let modules = Modules {
        shape: &shape,
        certificates: &state.cert_info,
        modules: &modules,
        found,
    };
    all.serialize_entry("modules", &modules)?;
    let threads = Threads {
        shape: &shape,
        threads: &threads,
        crashing,
    };
    all.serialize_entry("threads", &threads)?;
    SerializeMap::end(all)?;
    Ok(shape.truncated.get())
}

/// How things are written, and how much has been.
struct Shape<'a> {
    options: &'a WalkOptions,
    /// Addresses have 32 bits.
    narrow: bool,
    written: Cell<usize>,
    truncated: Cell<bool>,
}

impl Shape<'_> {
    fn hex(&self, value: u64) -> Hex {
        Hex {
            value,
            digits: if self.narrow { 8 } else { 16 },
        }
    }

    fn is_full(&self) -> bool {
        self.written.get() > self.options.max_output_bytes
    }
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut Vec<u8>,
    written: &'a Cell<usize>,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        self.written.set(self.out.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An address: `0x` and at least that many digits.
struct Hex {
    value: u64,
    digits: usize,
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [b'0'; 18];
        let (mut value, mut start) = (self.value, text.len());
        while value > 0 || text.len() - start < self.digits {
            start -= 1;
            text[start] = b"0123456789abcdef"[(value & 15) as usize];
            value >>= 4;
        }
        text[start - 1] = b'x';
        // Unwrap safety: all of it is ASCII.
        serializer.serialize_str(std::str::from_utf8(&text[start - 2..]).unwrap())
    }
}

struct Threads<'a> {
    shape: &'a Shape<'a>,
    threads: &'a [CallStack],
    crashing: Option<usize>,
}

impl Serialize for Threads<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let max = self.shape.options.max_threads;
        let count = self
            .threads
            .len()
            .min(max.max(self.crashing.map_or(0, |index| index + 1)));
        if count < self.threads.len() {
            self.shape.truncated.set(true);
        }
        serializer.collect_seq(self.threads[..count].iter().map(|stack| Thread {
            shape: self.shape,
            stack,
            crashing: None,
        }))
    }
}

struct Thread<'a> {
    shape: &'a Shape<'a>,
    stack: &'a CallStack,
    /// Its index, where it is the one that crashed.
    crashing: Option<usize>,
}

impl Serialize for Thread<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stack = self.stack;
        let frames = Frames {
            shape: self.shape,
            frames: &stack.frames,
            with_registers: self.crashing.is_some(),
            left_out: Cell::new(0),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("frame_count", &stack.frames.len())?;
        map.serialize_entry("frames", &frames)?;
        if frames.left_out.get() > 0 {
            self.shape.truncated.set(true);
            map.serialize_entry("frames_left_out", &frames.left_out.get())?;
        }
        let error = stack.last_error_value.map(|error| error.to_string());
        map.serialize_entry("last_error_value", &error)?;
        map.serialize_entry("thread_id", &stack.thread_id)?;
        map.serialize_entry("thread_name", &stack.thread_name)?;
        if let Some(index) = self.crashing {
            map.serialize_entry("threads_index", &index)?;
        }
        map.end()
    }
}

struct Frames<'a> {
    shape: &'a Shape<'a>,
    frames: &'a [StackFrame],
    with_registers: bool,
    left_out: Cell<usize>,
}

impl Serialize for Frames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = self.shape.options;
        let count = self.frames.len();
        let tail = count
            .saturating_sub(options.tail_frames)
            .max(options.head_frames);
        let mut list = serializer.serialize_seq(None)?;
        for (index, frame) in self.frames.iter().enumerate() {
            let in_the_middle = index >= options.head_frames && index < tail;
            // The top frame is always there: of a crash without it nothing is known.
            if index > 0 && (in_the_middle || self.shape.is_full()) {
                self.left_out.set(self.left_out.get() + 1);
                continue;
            }
            let registers = (index == 0 && self.with_registers).then(|| registers(frame));
            list.serialize_element(&frame_json(self.shape, index, frame, registers))?;
        }
        list.end()
    }
}

/// One frame. Its entries are the library's.
#[derive(Serialize)]
struct FrameJson<'a> {
    frame: usize,
    module: Option<&'a str>,
    function: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
    offset: Hex,
    inlines: Option<Vec<InlineJson<'a>>>,
    module_offset: Option<Hex>,
    unloaded_modules: Option<Vec<UnloadedJson<'a>>>,
    function_offset: Option<Hex>,
    missing_symbols: bool,
    trust: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    registers: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct InlineJson<'a> {
    function: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct UnloadedJson<'a> {
    module: &'a str,
    offsets: Vec<Hex>,
}

fn frame_json<'a>(
    shape: &Shape<'_>,
    index: usize,
    frame: &'a StackFrame,
    registers: Option<Map<String, Value>>,
) -> FrameJson<'a> {
    let offset = |base: u64| shape.hex(frame.instruction.wrapping_sub(base));
    let inline = |inline: &'a InlineFrame| InlineJson {
        function: &inline.function_name,
        file: inline.source_file_name.as_deref(),
        line: inline.source_line,
    };
    let unloaded = frame
        .unloaded_modules
        .iter()
        .map(|(module, offsets)| UnloadedJson {
            module,
            offsets: offsets.iter().map(|offset| shape.hex(*offset)).collect(),
        });
    FrameJson {
        frame: index,
        module: frame.module.as_ref().map(|module| leaf(&module.name)),
        function: frame.function_name.as_deref(),
        file: frame.source_file_name.as_deref(),
        line: frame.source_line,
        offset: shape.hex(frame.instruction),
        inlines: (!frame.inlines.is_empty()).then(|| frame.inlines.iter().map(inline).collect()),
        module_offset: frame
            .module
            .as_ref()
            .map(|module| offset(module.raw.base_of_image)),
        unloaded_modules: (!frame.unloaded_modules.is_empty()).then(|| unloaded.collect()),
        function_offset: frame.function_base.map(offset),
        missing_symbols: frame.function_name.is_none(),
        trust: frame.trust.as_str(),
        registers,
    }
}

fn registers(frame: &StackFrame) -> Map<String, Value> {
    let context = &frame.context;
    let known: Vec<&str> = context.valid_registers().map(|(name, _)| name).collect();
    let names = context.general_purpose_registers().iter();
    names
        .filter(|name| known.contains(name))
        .map(|name| ((*name).to_owned(), context.format_register(name).into()))
        .collect()
}

struct Modules<'a> {
    shape: &'a Shape<'a>,
    certificates: &'a HashMap<String, String>,
    modules: &'a MinidumpModuleList,
    found: &'a HashMap<u64, Found>,
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

/// The last part of a path of any system.
pub(crate) fn leaf(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
