//! A parser of multipart bodies (RFC 2046, RFC 7578) that takes them piece by piece.
//!
//! Nothing but the head of a part and what may be the beginning of a boundary is ever kept.

use memchr::memmem::Finder;

use crate::reject::Reject;

/// The longest boundary (RFC 2046 says 70; some clients take more).
const MAX_BOUNDARY: usize = 256;
/// How much of a piece is joined at a time with what was kept of those before.
const JOINT: usize = 512;

/// What the parser meets, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A part begins.
    Begin(PartHead),
    /// Some of its content.
    Data(&'a [u8]),
    /// The part is complete.
    End,
}

/// What the head of a part says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartHead {
    /// The field's name.
    pub(crate) name: Option<String>,
    /// Whether there is a file name, which makes a part a dump.
    pub(crate) has_filename: bool,
    /// The media type, lower case, without parameters.
    pub(crate) content_type: Option<String>,
}

/// The boundary that a `Content-Type` names.
pub(crate) fn boundary(content_type: Option<&str>) -> Result<String, Reject> {
    let content_type = content_type.ok_or(Reject::NoContentType)?;
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let kind = kind.trim().to_ascii_lowercase();
    if kind != "multipart/form-data" && kind != "multipart/mixed" {
        return Err(Reject::WrongContentType);
    }
    match parameter(parameters, "boundary") {
        Some(boundary) if !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY => Ok(boundary),
        _ => Err(Reject::NoBoundary),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary: `--` ends the body, the line's end begins a part.
    Boundary,
    Head,
    Data,
    /// Behind the last boundary.
    Epilogue,
}

/// The parser of one body.
#[derive(Debug)]
pub(crate) struct Parser {
    state: State,
    /// CRLF, two dashes, the boundary.
    delimiter: Finder<'static>,
    /// The longest head of a part, in bytes.
    max_head: usize,
    kept: Vec<u8>,
}

impl Parser {
    pub(crate) fn new(boundary: &str, max_head: usize) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            state: State::Preamble,
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            max_head,
            // The first boundary may stand at the very beginning, with no line before it.
            kept: b"\r\n".to_vec(),
        }
    }

    /// Takes the next piece of the body.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), Reject>,
    ) -> Result<(), Reject> {
        let mut piece = piece;
        // What was kept is joined with as little of the piece as will do: its bulk is never copied.
        while !self.kept.is_empty() && !piece.is_empty() {
            let (joint, behind) = piece.split_at(piece.len().min(JOINT));
            let mut kept = std::mem::take(&mut self.kept);
            kept.extend_from_slice(joint);
            let left = self.steps(&kept, on)?;
            if left <= joint.len() {
                piece = &piece[joint.len() - left..];
            } else {
                piece = behind;
                kept.drain(..kept.len() - left);
                self.kept = kept;
            }
        }
        let left = self.steps(piece, on)?;
        self.kept.extend_from_slice(&piece[piece.len() - left..]);
        Ok(())
    }

    /// Does all it can with what is there; returns how many bytes at its end are left.
    fn steps(
        &mut self,
        input: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), Reject>,
    ) -> Result<usize, Reject> {
        let mut rest = input;
        while let Some(after) = self.step(rest, on)? {
            rest = after;
        }
        Ok(rest.len())
    }

    /// Says that the body has ended: it must have had its last boundary.
    pub(crate) fn finish(self) -> Result<(), Reject> {
        match self.state {
            State::Epilogue => Ok(()),
            _ => Err(Reject::InvalidStructure),
        }
    }

    /// Does one thing with what is there; returns what is left, or `None` if more must come first.
    fn step<'a>(
        &mut self,
        input: &'a [u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), Reject>,
    ) -> Result<Option<&'a [u8]>, Reject> {
        let delimiter = self.delimiter.needle().len();
        // The end of the input may be the beginning of a boundary.
        let safe = input.len().saturating_sub(delimiter - 1);
        match self.state {
            State::Preamble | State::Data => {
                let is_data = self.state == State::Data;
                let found = self.delimiter.find(input);
                let content = &input[..found.unwrap_or(safe)];
                if is_data && !content.is_empty() {
                    on(Event::Data(content))?;
                }
                let Some(at) = found else {
                    return Ok((safe > 0).then(|| &input[safe..]));
                };
                if is_data {
                    on(Event::End)?;
                }
                self.state = State::Boundary;
                Ok(Some(&input[at + delimiter..]))
            }
            State::Boundary => {
                if input.starts_with(b"--") {
                    self.state = State::Epilogue;
                    return Ok(Some(&input[2..]));
                }
                let blanks = input
                    .iter()
                    .take_while(|c| matches!(c, b' ' | b'\t'))
                    .count();
                match &input[blanks..] {
                    [b'\r', b'\n', ..] => {
                        self.state = State::Head;
                        // The line's end stays: an empty head ends at once.
                        Ok(Some(&input[blanks..]))
                    }
                    [] | [b'\r' | b'-'] if blanks <= MAX_BOUNDARY => Ok(None),
                    _ => Err(Reject::InvalidStructure),
                }
            }
            State::Head => match memchr::memmem::find(input, b"\r\n\r\n") {
                Some(end) if end <= self.max_head => {
                    on(Event::Begin(head(&input[..end])))?;
                    self.state = State::Data;
                    Ok(Some(&input[end + 4..]))
                }
                None if input.len() <= self.max_head => Ok(None),
                _ => Err(Reject::PartHeadTooLarge),
            },
            State::Epilogue => Ok((!input.is_empty()).then_some(&[])),
        }
    }
}

/// Reads the head of a part. Lines that say nothing to us don't matter.
fn head(lines: &[u8]) -> PartHead {
    let text = String::from_utf8_lossy(lines);
    let mut head = PartHead::default();
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                head.name = parameter(value, "name");
                head.has_filename = ["filename", "filename*"]
                    .iter()
                    .any(|name| parameter(value, name).is_some());
            }
            "content-type" => {
                let kind = value.split(';').next().unwrap_or_default();
                head.content_type = Some(kind.trim().to_ascii_lowercase());
            }
            _ => {}
        }
    }
    head
}

/// The value of a parameter, quoted or not: `form-data; name="a"; filename=b`.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix('=') else {
            continue;
        };
        let (text, behind) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = behind;
    }
}

/// The text up to the closing quote, and what stands behind it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &quoted[at + 1..]),
            // Browsers and curl escape quotes; Windows paths have backslashes that escape nothing.
            '\\' if matches!(quoted[at + 1..].chars().next(), Some('"' | '\\')) => {
                text.extend(chars.next().map(|(_, escaped)| escaped));
            }
            c => text.push(c),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_HEAD: usize = 8_192;

    /// A part as a test sees it: its head and its content.
    type Part = (PartHead, Vec<u8>);

    fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Part>, Reject> {
        let mut parts: Vec<Part> = Vec::new();
        let mut open = false;
        let mut parser = Parser::new("XX", MAX_HEAD);
        for piece in pieces {
            parser.push(piece, &mut |event| {
                let is_end = event == Event::End;
                match event {
                    Event::Begin(head) => {
                        assert!(!open);
                        parts.push((head, Vec::new()));
                    }
                    Event::Data(data) => parts.last_mut().unwrap().1.extend(data),
                    Event::End => assert!(open),
                }
                open = !is_end;
                Ok(())
            })?;
        }
        parser.finish()?;
        Ok(parts)
    }

    fn whole(body: &[u8]) -> Result<Vec<Part>, Reject> {
        parse(std::iter::once(body))
    }

    const BODY: &[u8] = b"preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--X\r\n\r\n\r\n--XX \t\r\n\
        content-disposition:form-data;filename=\"d;\\\"1.dmp\";name=d\r\nContent-Type: Application/X; q=1\r\n\r\n\r\n\0\r\n--XX\r\n\r\n\r\n--XX--\r\nepilogue --XX";

    #[test]
    fn parts_have_their_heads_and_contents() {
        let parts = whole(BODY).unwrap();
        assert_eq!(parts.len(), 3);
        let head = |name: Option<&str>, has_filename, content_type: Option<&str>| PartHead {
            name: name.map(str::to_owned),
            has_filename,
            content_type: content_type.map(str::to_owned),
        };
        assert_eq!(
            parts[0],
            (head(Some("a"), false, None), b"one\r\n--X\r\n\r\n".to_vec())
        );
        assert_eq!(
            parts[1],
            (
                head(Some("d"), true, Some("application/x")),
                b"\r\n\0".to_vec()
            )
        );
        assert_eq!(parts[2], (head(None, false, None), Vec::new()));
    }

    #[test]
    fn the_parts_are_the_same_however_the_body_is_cut() {
        let expected = whole(BODY).unwrap();
        for at in 0..=BODY.len() {
            let (one, two) = BODY.split_at(at);
            assert_eq!(
                parse([one, two].into_iter()).as_ref(),
                Ok(&expected),
                "cut at {at}"
            );
        }
        for size in 1..BODY.len() {
            assert_eq!(
                parse(BODY.chunks(size)).as_ref(),
                Ok(&expected),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn bodies_that_are_not_complete_or_not_multipart_are_refused() {
        let ends = BODY.len() - b"--\r\nepilogue --XX".len();
        for end in 0..=ends {
            assert_eq!(whole(&BODY[..end]), Err(Reject::InvalidStructure), "{end}");
        }
        for body in [
            &b"{}"[..],
            b"--YY\r\n\r\n\r\n--YY--",
            b"--XX\n\na\n--XX--\n",
        ] {
            assert_eq!(whole(body), Err(Reject::InvalidStructure));
        }
        let long = [
            b"--XX\r\nX: ".to_vec(),
            vec![b'x'; MAX_HEAD],
            b"\r\n\r\n".to_vec(),
        ]
        .concat();
        assert_eq!(whole(&long), Err(Reject::PartHeadTooLarge));
    }

    #[test]
    fn the_boundary_is_found_in_any_spelling() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=XX", "XX"),
            (
                "Multipart/Form-Data; charset=utf-8; BOUNDARY=\"X;X\"",
                "X;X",
            ),
            ("multipart/mixed;boundary=XX; charset=utf-8", "XX"),
        ] {
            assert_eq!(
                boundary(Some(content_type)).as_deref(),
                Ok(expected),
                "{content_type}"
            );
        }
        for (content_type, reject) in [
            (None, Reject::NoContentType),
            (Some("application/json"), Reject::WrongContentType),
            (Some("multipart/form-data"), Reject::NoBoundary),
            (Some("multipart/form-data; boundary="), Reject::NoBoundary),
        ] {
            assert_eq!(boundary(content_type), Err(reject));
        }
    }
}
