//! Texts of strangers made fit to be read: bounded, with nothing invisible in them.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// More characters of one text than these help nobody.
const MAX_CHARS: usize = 2_000;

/// A text of a stranger as it is shown. Control characters become visible: what can't be seen can
/// deceive, and a NUL or a change of the writing direction can do more.
pub(super) fn shown(text: &str) -> String {
    shown_up_to(text, MAX_CHARS)
}

/// [`shown`] with another bound.
pub(super) fn shown_up_to(text: &str, max_chars: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max_chars));
    let mut chars = text.chars();
    for c in chars.by_ref().take(max_chars) {
        match c {
            '\n' | '\t' => shown.push(c),
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {
                // Writing to a string can't fail.
                let _ = write!(shown, "[U+{:04X}]", c as u32);
            }
            _ => shown.push(c),
        }
    }
    match chars.count() {
        0 => {}
        more => {
            let _ = write!(shown, "… ({more} more characters)");
        }
    }
    shown
}

/// A hexadecimal number without the zeros that only fill it up.
pub(super) fn hex(number: &str) -> String {
    match number.strip_prefix("0x") {
        Some(digits) => match digits.trim_start_matches('0') {
            "" => "0x0".to_owned(),
            digits => format!("0x{digits}"),
        },
        None => number.to_owned(),
    }
}

/// The last part of a path of any system.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A length of time in its two largest units.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |large, unit, small, small_unit| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(minutes, "min", seconds % 60, "s"),
        3600..86400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// A time as people read it.
pub(super) fn time(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A number with its noun.
pub(super) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_seen_is_made_visible() {
        assert_eq!(shown("a\0b\r\n\tc\x7f"), "a[U+0000]b[U+000D]\n\tc[U+007F]");
        assert_eq!(shown("\u{202e}gpj.exe\u{200b}"), "[U+202E]gpj.exe[U+200B]");
        assert_eq!(shown("naïve 漢字 עברית 🦀"), "naïve 漢字 עברית 🦀");
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        assert_eq!(shown_up_to("éééé", 4), "éééé");
        assert_eq!(shown_up_to("éééé", 3), "ééé… (1 more characters)");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(hex("0x0000000000000010"), "0x10");
        assert_eq!(hex("0x00000000"), "0x0");
        assert_eq!(hex("twelve"), "twelve");
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(134), "2 min 14 s");
        assert_eq!(duration(7200), "2 h");
        assert_eq!(duration(90061), "1 d 1 h");
        assert_eq!(count(1, "thread"), "1 thread");
        assert_eq!(count(0, "thread"), "0 threads");
    }

    #[test]
    fn base_names_are_found_on_every_system() {
        assert_eq!(base_name(r"c:\src\a.cpp"), "a.cpp");
        assert_eq!(base_name("/src/a.cpp"), "a.cpp");
        assert_eq!(base_name("a.cpp"), "a.cpp");
    }
}
