//! Threads and their frames.

use serde_json::Value;

use super::json::Json;
use super::source::{Source, SourceLinks};
use crate::web::text;

/// A thread with its frames, innermost first.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) number: usize,
    pub(super) name: Option<String>,
    /// How many frames it has, shown or not.
    pub(super) frames: String,
    /// Where it is: the innermost function that has a name.
    pub(super) top: Option<String>,
    pub(super) rows: Vec<Row>,
    /// Whether some frames were found by guessing.
    pub(super) guessed: bool,
}

/// A line of the table of frames.
#[derive(Debug)]
pub(super) enum Row {
    /// A frame.
    Frame(Frame),
    /// That many frames are not shown here.
    LeftOut(usize),
}

/// A frame, or a function that the compiler put into one.
#[derive(Debug)]
pub(super) struct Frame {
    /// `None` for an inlined function: it belongs to the next frame.
    pub(super) number: Option<usize>,
    pub(super) module: Option<String>,
    /// The function's name, else the offset in the module, else the address.
    pub(super) function: String,
    /// Whether that is a name.
    pub(super) named: bool,
    pub(super) source: Option<Source>,
    /// How the frame was found, where that is said.
    pub(super) trust: Option<Trust>,
    /// Whether the frame is a part of the signature.
    pub(super) in_signature: bool,
    /// What the signature calls the frame when it has no name.
    pub(super) place: Option<String>,
}

/// How a frame was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trust {
    pub(super) word: &'static str,
    pub(super) meaning: &'static str,
    pub(super) guessed: bool,
}

/// Reads a thread. Of more than `limit` frames the middle is left out.
pub(super) fn thread(json: Json<'_>, number: usize, limit: usize, links: &SourceLinks) -> Thread {
    let frames = json.at("frames").items();
    let shown = frames.len().min(limit);
    let tail = if shown < frames.len() { shown / 5 } else { 0 };
    let head = shown - tail;
    let mut rows = Vec::with_capacity(shown + 1);
    for (number, frame) in frames.iter().enumerate().take(head) {
        rows.extend(rows_of(frame, number, links));
    }
    if shown < frames.len() {
        rows.push(Row::LeftOut(frames.len() - shown));
    }
    for (number, frame) in frames.iter().enumerate().skip(frames.len() - tail) {
        rows.extend(rows_of(frame, number, links));
    }
    let named = |row: &Row| match row {
        Row::Frame(frame) if frame.named => Some(frame.function.clone()),
        _ => None,
    };
    let guessed = |row: &Row| match row {
        Row::Frame(frame) => frame.trust.is_some_and(|trust| trust.guessed),
        Row::LeftOut(_) => false,
    };
    Thread {
        number,
        name: json.at("thread_name").text(),
        frames: text::count(frames.len(), "frame"),
        top: rows.iter().find_map(named),
        guessed: rows.iter().any(guessed),
        rows,
    }
}

/// A frame as rows: the functions inlined into it, innermost first, then itself.
fn rows_of<'a>(
    frame: &'a Value,
    number: usize,
    links: &'a SourceLinks,
) -> impl Iterator<Item = Row> + 'a {
    let frame = Json(Some(frame));
    let module = frame.at("module").text();
    let inlined_module = module.clone();
    let inlined = frame.at("inlines").items().iter().map(move |inline| {
        let inline = Json(Some(inline));
        Row::Frame(Frame {
            number: None,
            module: inlined_module.clone(),
            function: inline.at("function").text().unwrap_or_else(|| "?".into()),
            named: inline.at("function").str().is_some(),
            source: links.source(inline.at("file"), inline.at("line")),
            trust: Some(INLINE),
            in_signature: false,
            place: None,
        })
    });
    let unloaded = Json(frame.at("unloaded_modules").items().first());
    let module = module.or_else(|| {
        let name = unloaded.at("module").text()?;
        Some(format!("{name} (unloaded)"))
    });
    let address = frame.at("offset").hex();
    let offset = (frame.at("module_offset").hex())
        .or_else(|| Json(unloaded.at("offsets").items().first()).hex());
    let place = match (&module, &offset) {
        (Some(module), Some(offset)) => Some(format!("{module}@{offset}")),
        _ => address.as_ref().map(|address| format!("@{address}")),
    };
    let name = frame.at("function").text();
    let nameless = || match offset.filter(|_| module.is_some()) {
        Some(offset) => format!("+ {offset}"),
        None => address.unwrap_or_else(|| "?".into()),
    };
    let own = Frame {
        number: Some(number),
        named: name.is_some(),
        function: name.unwrap_or_else(nameless),
        source: links.source(frame.at("file"), frame.at("line")),
        trust: frame.at("trust").str().and_then(trust),
        in_signature: false,
        module,
        place,
    };
    inlined.chain([Row::Frame(own)])
}

const INLINE: Trust = Trust {
    word: "inline",
    meaning: "the compiler put it into the next frame",
    guessed: false,
};

fn trust(word: &str) -> Option<Trust> {
    let (word, meaning, guessed) = match word {
        "context" => ("context", "from the registers", false),
        "cfi" => ("cfi", "by the compiler's unwind tables", false),
        "frame_pointer" => ("frame pointer", "by the chain of frame pointers", false),
        "prewalked" => ("prewalked", "by the program itself", false),
        "scan" => ("scan", "guessed: looks like a return address", true),
        "cfi_scan" => ("cfi scan", "guessed: looks like a return address", true),
        _ => return None,
    };
    Some(Trust {
        word,
        meaning,
        guessed,
    })
}
