//! `names.tsv`: what a function's name becomes.

use crate::signature::normalize;

/// The sentence, the name and what is expected.
fn cases() -> impl Iterator<Item = [&'static str; 3]> {
    include_str!("names.tsv")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            columns.try_into().expect("three columns, parted by tabs")
        })
}

#[test]
fn every_name_becomes_what_the_table_says() {
    let wrong: Vec<String> = cases()
        .filter_map(|[sentence, name, expected]| {
            let normalized = normalize::function(name);
            (normalized != expected).then(|| {
                format!(
                    "{sentence}\n     name: {name}\n expected: {expected}\n      got: {normalized}"
                )
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} names\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_was_normalized_stays_as_it_is() {
    for [sentence, _, expected] in cases() {
        assert_eq!(normalize::function(expected), expected, "{sentence}");
    }
}

#[test]
fn no_name_becomes_blank() {
    let parts = [
        " ",
        "(",
        ")",
        "<",
        ">",
        "[",
        "]",
        "{",
        "}",
        "`",
        "'",
        "&",
        "*",
        ",",
        "::",
        "->",
        "-> ",
        " in ",
        ": ",
        "é",
        "operator",
        "operator<",
        "operator()",
        "const",
        " const",
        "anonymous",
        "(*f)",
        "$_1",
        "::h0123456789abcdef",
        ".cold",
        "[clone .cold]",
        "noexcept",
    ];
    for a in parts {
        for b in parts {
            for c in parts {
                let name = format!("{a}{b}{c}");
                let normalized = normalize::function(&name);
                assert_eq!(
                    normalized.trim().is_empty(),
                    name.trim().is_empty(),
                    "{name:?}"
                );
            }
        }
    }
}

#[test]
fn a_name_made_to_cost_time_costs_little() {
    for part in [
        "(", "<", "[", "{", "`", "(*", "[{", "<>", "operator", " -> ", "[<)", " const",
    ] {
        let name = part.repeat(8 * 1024 / part.len());
        assert!(!normalize::function(&name).is_empty());
    }
}
