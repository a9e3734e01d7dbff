//! Threads and their frames.

use std::cell::Cell;

use minidump_unwind::{CallStack, InlineFrame, StackFrame};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::{Hex, Shape, leaf};

pub(super) struct Threads<'a> {
    pub(super) shape: &'a Shape<'a>,
    pub(super) threads: &'a [CallStack],
    pub(super) crashing: Option<usize>,
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

pub(super) struct Thread<'a> {
    pub(super) shape: &'a Shape<'a>,
    pub(super) stack: &'a CallStack,
    /// Its index, where it is the one that crashed.
    pub(super) crashing: Option<usize>,
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
            let registers = (index == 0 && self.with_registers).then_some(Registers(frame));
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
    registers: Option<Registers<'a>>,
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
    registers: Option<Registers<'a>>,
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

/// The general purpose registers that the frame knows.
struct Registers<'a>(&'a StackFrame);

impl Serialize for Registers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = &self.0.context;
        let known: Vec<&str> = context.valid_registers().map(|(name, _)| name).collect();
        let names = context.general_purpose_registers().iter();
        let names = names.filter(|name| known.contains(name));
        serializer.collect_map(names.map(|name| (name, context.format_register(name))))
    }
}
