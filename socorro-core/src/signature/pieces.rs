//! Cuts a demangled name where a reader would: at blanks and around brackets, but never inside an
//! operator's name.
//!
//! ```text
//! bool operator<< <int>(Foo<int> const&) const
//! Text Blank Text  Blank Group Group     Blank Text
//! ```

/// Part of a name, seen from outside all brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Characters that are neither blank nor bracketed.
    Text(&'a str),
    /// A run of blanks.
    Blank,
    /// A bracket and all that it holds.
    Group(Group<'a>),
}

/// A bracket, the text up to its partner, and the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    /// One of `(`, `<`, `[`, `{` and the backquote, which MSVC closes with an apostrophe.
    pub(crate) open: char,
    /// What is between the brackets.
    pub(crate) inner: &'a str,
    /// Empty where the name was cut off before the bracket closed.
    pub(crate) close: &'a str,
}

/// Cuts `name` into pieces, which together spell it (except for how long each run of blanks was).
pub(crate) fn pieces(name: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut text_from = 0;
    let mut at = 0;
    // A conversion operator is called like its type: "operator unsigned int". Its blanks are part
    // of the name.
    let mut in_operator = false;
    while let Some(c) = name[at..].chars().next() {
        let (piece, end) = if closing(c).is_some() {
            in_operator &= c != '(';
            let (group, len) = group(&name[at..]);
            (Piece::Group(group), at + len)
        } else if c.is_whitespace() && !in_operator {
            let rest = name[at..].trim_start();
            (Piece::Blank, name.len() - rest.len())
        } else {
            match operator(name, at) {
                Some(len) => {
                    in_operator = len == OPERATOR.len();
                    at += len;
                }
                None => at += c.len_utf8(),
            }
            continue;
        };
        if text_from < at {
            pieces.push(Piece::Text(&name[text_from..at]));
        }
        pieces.push(piece);
        (at, text_from) = (end, end);
    }
    if text_from < at {
        pieces.push(Piece::Text(&name[text_from..at]));
    }
    pieces
}

const OPERATOR: &str = "operator";

/// The operators that would be taken for brackets, longer before shorter. The others need no care.
const BRACKET_OPERATORS: [&str; 13] = [
    "<=>", "<<=", ">>=", "->*", "()", "[]", "<<", ">>", "<=", ">=", "->", "<", ">",
];

/// The length of the operator's name that starts at `at`, as far as it could be misread; `None`
/// when none starts there.
fn operator(name: &str, at: usize) -> Option<usize> {
    let rest = name[at..].strip_prefix(OPERATOR)?;
    if name[..at].ends_with(is_word) || rest.starts_with(is_word) {
        return None;
    }
    let symbol = BRACKET_OPERATORS.into_iter().find(|symbol| {
        rest.strip_prefix(symbol)
            // MSVC writes the operator `<` for `int` as "operator<<int>".
            .is_some_and(|after| *symbol != "<<" || !after.starts_with(is_word))
    });
    let len = OPERATOR.len() + symbol.map_or(0, str::len);
    // "operator< <int>": this blank is there for the eye only.
    let eye_space = name[at + len..].starts_with(" <");
    Some(len + usize::from(eye_space))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn closing(open: char) -> Option<char> {
    match open {
        '(' => Some(')'),
        '<' => Some('>'),
        '[' => Some(']'),
        '{' => Some('}'),
        '`' => Some('\''),
        _ => None,
    }
}

/// The group that `text` starts with, and its length.
fn group(text: &str) -> (Group<'_>, usize) {
    let mut awaited: Vec<char> = Vec::new();
    let mut previous = None;
    for (at, c) in text.char_indices() {
        match c {
            // The arrow of a return type.
            '>' if previous == Some('-') => {}
            // Where another bracket is awaited, this is a greater-than or an apostrophe.
            '>' | '\'' => {
                awaited.pop_if(|close| *close == c);
            }
            // Closes all that was opened since its partner: a "less than" opens a bracket that is
            // never closed.
            ')' | ']' | '}' => {
                if let Some(depth) = awaited.iter().rposition(|close| *close == c) {
                    awaited.truncate(depth);
                }
            }
            _ => awaited.extend(closing(c)),
        }
        if awaited.is_empty() {
            return (split(text, at, at + c.len_utf8()), at + c.len_utf8());
        }
        previous = Some(c);
    }
    (split(text, text.len(), text.len()), text.len())
}

/// Takes `text[..end]` apart; all brackets that open are one byte long.
fn split(text: &str, close: usize, end: usize) -> Group<'_> {
    Group {
        open: char::from(text.as_bytes()[0]),
        inner: &text[1..close],
        close: &text[close..end],
    }
}
