//! A demangled function name, reduced to what stays the same from crash to crash and from build to
//! build.
//!
//! One set of rules reads C++ and Rust: what they would treat differently can be told from the name
//! itself, while the source file's extension, by which the model chooses, is missing wherever a
//! library has public symbols only.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::pieces::{Group, Piece, pieces};

/// Normalises a function's name: no return type, no arguments, no qualifiers, `<T>` for template
/// arguments. Blank only when `name` is.
pub(crate) fn function(name: &str) -> String {
    // The last two hold blanks that part nothing.
    let name = SYMBOL_VERSION
        .replace(name.trim(), "$1")
        .replace("`anonymous namespace'", "(anonymous namespace)")
        .replace(" const::", "::");
    let outer = pieces(&name);
    let mut declarator = self::declarator(&outer);
    let inner = returning_function_pointer(declarator).map(pieces);
    if let Some(inner) = &inner {
        declarator = self::declarator(inner);
    }
    let spelt = match declarator {
        // Nothing else would be left. A placeholder such as "<deduplicated_symbol>".
        [Piece::Group(group)] if matches!(group.open, '<' | '(') => whole(group),
        pieces => spell(pieces, 0),
    };
    let normalized = tidy(&spelt);
    if normalized.is_empty() {
        name
    } else {
        normalized
    }
}

/// The blank-separated part that holds the function's name: the last one, once all that may follow
/// a name is dropped.
fn declarator<'p, 'a>(pieces: &'p [Piece<'a>]) -> &'p [Piece<'a>] {
    let mut tokens: Vec<_> = pieces
        .split(|piece| *piece == Piece::Blank)
        .filter(|token| !token.is_empty())
        .collect();
    while let Some(clause) = trailing_clause(&tokens) {
        tokens.truncate(clause);
    }
    while tokens.len() > 1 && tokens.last().is_some_and(|token| follows_name(token)) {
        tokens.pop();
    }
    tokens.last().copied().unwrap_or_default()
}

/// Where a clause behind the function starts: a return type, a requirement, the type of a Swift
/// getter. Swift also writes "closure #1 () -> () in f()": no clause, since the function's name
/// follows.
fn trailing_clause(tokens: &[&[Piece<'_>]]) -> Option<usize> {
    let clause = tokens
        .iter()
        .rposition(|token| matches!(token, [Piece::Text("->" | ":" | "requires")]))?;
    let name_follows = tokens[clause..]
        .iter()
        .any(|token| matches!(token, [Piece::Text("in")]));
    (!name_follows).then_some(clause)
}

/// Whether `token` can only stand behind a function's name.
fn follows_name(token: &[Piece<'_>]) -> bool {
    match token {
        [Piece::Text(word)] => is_qualifier(word),
        [Piece::Text("noexcept" | "throw"), Piece::Group(group)] => group.open == '(',
        [Piece::Group(group)] => is_arguments(group) || is_compiler_label(group),
        [Piece::Group(group), Piece::Text(word)] => is_arguments(group) && is_qualifier(word),
        _ => false,
    }
}

fn is_qualifier(word: &str) -> bool {
    matches!(
        word.trim_end_matches('&'),
        "" | "const" | "volatile" | "noexcept" | "__ptr64" | "async" | "throws"
    )
}

/// Arguments are in parentheses, and so are scopes without a name.
fn is_arguments(group: &Group<'_>) -> bool {
    group.open == '(' && !group.inner.starts_with("anonymous")
}

/// `[clone .cold]`, `[clone .isra.0]`: the same function, split or specialised by the compiler.
/// `[with T = int]`: its template arguments, as GCC spells them.
fn is_compiler_label(group: &Group<'_>) -> bool {
    group.open == '[' && (group.inner.starts_with("clone ") || group.inner.starts_with("with "))
}

/// In `void (*f(int))(char)`, the text of `f(int)`.
fn returning_function_pointer<'a>(declarator: &[Piece<'a>]) -> Option<&'a str> {
    let [Piece::Group(group), Piece::Group(arguments)] = declarator else {
        return None;
    };
    let inner = group.inner.strip_prefix(['*', '&'])?.trim();
    (is_arguments(group) && is_arguments(arguments) && !inner.is_empty()).then_some(inner)
}

/// How far inside brackets arguments and types are still collapsed. Names that nest deeper are made
/// up.
const MAX_DEPTH: usize = 4;

/// Puts a name together again, without the arguments and with its types collapsed.
fn spell(pieces: &[Piece<'_>], depth: usize) -> String {
    let mut name = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            // MSVC writes "f(void)const".
            Piece::Text(word) if is_qualifier(word) && after_arguments(pieces, index) => {}
            Piece::Text(text) => name.push_str(text),
            Piece::Blank => name.push(' '),
            Piece::Group(group) => {
                let group = spell_group(group, &name, pieces.get(index + 1), depth);
                name.push_str(&group);
            }
        }
    }
    name
}

fn after_arguments(pieces: &[Piece<'_>], index: usize) -> bool {
    matches!(pieces[..index], [.., Piece::Group(group)] if is_arguments(&group))
}

fn spell_group(
    group: &Group<'_>,
    before: &str,
    after: Option<&Piece<'_>>,
    depth: usize,
) -> Cow<'static, str> {
    let path_follows = matches!(after, Some(Piece::Text(text)) if text.starts_with("::"));
    match group.open {
        '(' if is_arguments(group) => "".into(),
        '(' => whole(group).into(),
        _ if depth == MAX_DEPTH => whole(group).into(),
        '<' if is_name(group.inner) => whole(group).into(),
        // The type is all that tells one serialiser from the next.
        '<' if before.ends_with("IPC::ParamTraits") => inside(group, depth).into(),
        // Rust: the type whose method this is, "<alloc::vec::Vec<u8>>::push". MSVC's lambdas look
        // like it.
        '<' if before.is_empty() && path_follows && !group.inner.starts_with("lambda") => {
            inside(group, depth).into()
        }
        // Else `<` for some type and `<<` read alike.
        '<' if before.ends_with("operator<") || before.ends_with("operator<<") => " <T>".into(),
        '<' => "<T>".into(),
        '[' if is_compiler_label(group) => "".into(),
        // Rust: "core[846817f741e54dfd]::fmt", another number in every build.
        '[' if path_follows && is_hash(group.inner) => "".into(),
        _ => inside(group, depth).into(),
    }
}

fn whole(group: &Group<'_>) -> String {
    let Group { open, inner, close } = group;
    format!("{open}{inner}{close}")
}

fn inside(group: &Group<'_>, depth: usize) -> String {
    let Group { open, inner, close } = group;
    format!("{open}{}{close}", spell(&pieces(inner), depth + 1))
}

/// Whether angle brackets hold a name and not just types: `<T as Trait>`, `<unknown in libfoo.so>`,
/// `<name omitted>`.
fn is_name(inner: &str) -> bool {
    inner == "name omitted"
        || pieces(inner)
            .iter()
            .any(|piece| matches!(piece, Piece::Text("as" | "in")))
}

fn is_hash(text: &str) -> bool {
    (8..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What the linker adds to a library's functions: "memcpy@@GLIBC_2.14".
static SYMBOL_VERSION: LazyLock<Regex> = LazyLock::new(|| {
    // Unwrap safety: a constant, compiled by the first test that normalises a name.
    Regex::new(r"([^@])@@?[A-Za-z_]+_(?:\d+(?:\.\d+)+|PRIVATE)$").unwrap()
});

/// Removes what compilers add to tell names apart, and evens out the blanks.
fn tidy(name: &str) -> String {
    let mut name = Cow::Borrowed(name);
    for (pattern, replacement) in TIDY.iter() {
        if let Cow::Owned(changed) = pattern.replace_all(&name, *replacement) {
            name = Cow::Owned(changed);
        }
    }
    name.trim().to_owned()
}

static TIDY: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // Parts and copies of one C function: "f.cold", "f.isra.0.part.1", "f.llvm.1234".
        (
            r"(.)(?:\.(?:cold|part|isra|constprop|lto_priv|llvm|localalias)(?:\.\d+)*)+$",
            "$1",
        ),
        // The hash at the end of Rust's legacy names; with any other number of digits it is a name,
        // as in "list::head".
        (r"(.)::h[0-9a-f]{16}$", "$1"),
        // Clang numbers the lambdas of a file.
        (r"\$_\d+(::|$)", "$$$1"),
        (r"\s+", " "),
        (r" ([*&,])", "$1"),
        (r", *", ", "),
    ]
    .into_iter()
    // Unwrap safety: constants, all of them compiled by the first test that normalises a name.
    .map(|(pattern, replacement)| (Regex::new(pattern).unwrap(), replacement))
    .collect()
});
