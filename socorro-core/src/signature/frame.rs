//! What the stack walker tells about a call, and the text that stands for it in a signature.

use super::normalize;
use super::text::{fix_whitespace, printable};

/// One frame of a walked stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Address of the instruction.
    pub address: u64,
    /// Demangled name of the function.
    pub function: Option<String>,
    /// Source file, as the symbols name it.
    pub file: Option<String>,
    /// Line in the source file.
    pub line: Option<u32>,
    /// File name of the module that holds the address.
    pub module: Option<String>,
    /// File names of modules that held the address and were unloaded before the crash.
    pub unloaded_modules: Vec<String>,
    /// The calls that the compiler inlined at the address, innermost first.
    pub inlines: Vec<Inline>,
}

/// A call that was inlined into the function of a [`Frame`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inline {
    /// Demangled name of the inlined function.
    pub function: Option<String>,
    /// Source file, as the symbols name it.
    pub file: Option<String>,
    /// Line in the source file.
    pub line: Option<u32>,
}

/// A call on the stack, inlined or not, with its text.
#[derive(Debug)]
pub(crate) struct Call {
    /// What the text was made from.
    pub(crate) raw: String,
    /// What stands for the call in a signature, never blank.
    pub(crate) text: String,
    /// Line in the source, when the text names a function.
    pub(crate) line: Option<u32>,
    pub(crate) inlined: bool,
    /// Whether the text names a whole module, so that several calls in a row may share it.
    pub(crate) is_module: bool,
}

/// The calls of `frames`, innermost first.
pub(crate) fn calls(frames: &[Frame], windows: bool) -> impl Iterator<Item = Call> {
    frames.iter().flat_map(move |frame| {
        let inlines = frame.inlines.iter().map(move |inline| Call {
            inlined: true,
            ..Call::new(
                &Frame {
                    address: frame.address,
                    function: inline.function.clone(),
                    file: inline.file.clone(),
                    line: inline.line,
                    module: frame.module.clone(),
                    unloaded_modules: frame.unloaded_modules.clone(),
                    inlines: Vec::new(),
                },
                windows,
            )
        });
        inlines.chain([Call::new(frame, windows)])
    })
}

impl Call {
    /// The best that is known of a frame: its function, else its place in the source, its module,
    /// its address.
    fn new(frame: &Frame, windows: bool) -> Self {
        let known = |text: &Option<String>| text.as_deref().and_then(clean);
        let call = |raw: String, text: String, is_module| Self {
            raw,
            text,
            line: None,
            inlined: false,
            is_module,
        };
        if let Some(function) = known(&frame.function) {
            let text = normalize::function(&function);
            let is_module = text == "<name omitted>" || text.starts_with("<unknown in ");
            return Self {
                line: frame.line,
                ..call(function, text, is_module)
            };
        }
        if let (Some(file), Some(line)) = (known(&frame.file), frame.line)
            && let Some(name) = last_part(source_path(&file))
        {
            return call(format!("{file}:{line}"), format!("{name}#{line}"), false);
        }
        if let Some(module) = known(&frame.module)
            && let Some(name) = module_name(&module, windows)
        {
            return call(module, name, true);
        }
        let unloaded = frame.unloaded_modules.iter().find_map(|module| {
            let module = clean(module)?;
            let name = module_name(&module, windows)?;
            Some((module, name))
        });
        if let Some((module, name)) = unloaded {
            return call(module, format!("(unloaded {name})"), true);
        }
        let address = format!("@{:#x}", frame.address);
        call(address.clone(), address, false)
    }
}

/// Longer texts are cut: no name that anybody wrote is that long, and hostile ones must not cost
/// time.
const MAX_CHARS: usize = 8 * 1024;

/// `text` without what a reader cannot see, `None` when nothing is left.
fn clean(text: &str) -> Option<String> {
    let text: String = printable(text).chars().take(MAX_CHARS).collect();
    let text = fix_whitespace(&text);
    (!text.is_empty()).then_some(text)
}

/// The path in a source-server reference, "hg:host/repository:path:revision", or all of any other.
fn source_path(file: &str) -> &str {
    match file.split(':').collect::<Vec<_>>()[..] {
        [_, _, path, _] => path,
        _ => file,
    }
}

/// A module's file name. Without brackets, with which bug trackers enclose a signature; in small
/// letters on Windows, where both spellings are the same file.
fn module_name(module: &str, windows: bool) -> Option<String> {
    let name = clean(&last_part(module)?.replace(['[', ']'], ""))?;
    Some(if windows { name.to_lowercase() } else { name })
}

/// The last part of a path of any system.
fn last_part(path: &str) -> Option<&str> {
    path.rsplit(['/', '\\']).find(|part| !part.is_empty())
}
