//! Long names of functions in pieces that are easy on the eye.

/// A piece of a name. A line may end behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Whether it is in brackets: parameters, template arguments.
    pub(super) aside: bool,
}

/// Operators whose names have brackets, each before those that it begins with.
const OPERATORS: [&str; 13] = [
    "()", "[]", "<=>", "<<=", ">>=", "<<", ">>", "<=", ">=", "->*", "->", "<", ">",
];

/// Cuts a name behind each `::` and around what is in brackets.
pub(super) fn pieces(name: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut depth, mut operator_end) = (0, 0_usize, 0);
    let mut cut = |end: usize, aside| {
        if start < end {
            let text = &name[start..end];
            pieces.push(Piece { text, aside });
            start = end;
        }
    };
    for (at, c) in name.char_indices() {
        if name[..at].ends_with("operator") {
            let operator = OPERATORS.iter().find(|op| name[at..].starts_with(*op));
            operator_end = at + operator.map_or(0, |op| op.len());
        }
        if at < operator_end {
            continue;
        }
        match c {
            '<' | '(' | '[' => {
                if depth == 0 {
                    cut(at, false);
                }
                depth += 1;
            }
            '>' | ')' | ']' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    cut(at + 1, true);
                }
            }
            ':' if name[..at].ends_with(':') => cut(at + 1, depth > 0),
            _ => {}
        }
    }
    cut(name.len(), depth > 0);
    match pieces.last_mut() {
        Some(last) if last.text == " const" => last.aside = true,
        _ => {}
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(name: &str) -> String {
        let pieces = pieces(name);
        assert_eq!(
            pieces.iter().map(|piece| piece.text).collect::<String>(),
            name
        );
        let marked = pieces.iter().map(|piece| match piece.aside {
            true => format!("{{{}}}", piece.text),
            false => piece.text.to_owned(),
        });
        marked.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_in_brackets_is_set_aside() {
        assert_eq!(cut("main"), "main");
        assert_eq!(
            cut("a::B<c::D>::e(f::G) const"),
            "a::|B|{<c::}|{D>}|::|e|{(f::}|{G)}|{ const}"
        );
        assert_eq!(cut("x::operator<<(int)"), "x::|operator<<|{(int)}");
        assert_eq!(cut("operator()"), "operator()");
        assert_eq!(
            cut("a<b>::operator->() const"),
            "a|{<b>}|::|operator->|{()}|{ const}"
        );
    }

    #[test]
    fn brackets_that_do_not_match_break_nothing() {
        for name in ["", ">>)", "((((", "a->b", "é<é>é", "::::", "operator"] {
            cut(name);
        }
    }
}
