//! Keeps text that came from elsewhere from doing anything but being read.
//!
//! A queue of another user may hold any text: escape sequences that rewrite the screen, newlines that
//! forge rows, marks that turn the direction of writing. They are shown as what they are.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal would do something other than draw the character.
fn is_active(c: char) -> bool {
    c.is_control()
        // Line and paragraph separators, and the marks that change the direction of writing.
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text as one line: every character that would act on the terminal is written out.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The text with its line breaks and tabs: for texts of several lines, such as traces.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let harmless = |c: char| !is_active(c) || keep(c);
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if harmless(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(shown)
}

/// JSON text with the characters written out that a terminal would act on. They can only stand inside
/// strings, so it stays the same value.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_active(c) {
            // All of them lie in the first plane: four digits are enough.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The text as one word of a POSIX shell, so that a command can be pasted.
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_written_out() {
        let check = |from: &str, to: &str| assert_eq!(line(from), to);
        check("plain ünï 名", "plain ünï 名");
        check("\x1b[2J\x07", "\\u{1b}[2J\\u{7}");
        check("a\nb\r\tc", "a\\nb\\r\\tc");
        check("\u{9b}31m", "\\u{9b}31m");
        check("abc\u{202e}fdp.exe", "abc\\u{202e}fdp.exe");
        assert_eq!(text("a\nb\tc\x1b"), "a\nb\tc\\u{1b}");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"k": "\u{9b}31m \u{202e} \u{7f} \x1b plain"});
        let text = value.to_string();
        let shown = json(&text);
        assert!(!shown.chars().any(is_active));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }

    #[test]
    fn shell_words_paste_back() {
        let check = |from: &str, to: &str| assert_eq!(shell_word(from), to);
        check("sqlite:/a/b.db", "sqlite:/a/b.db");
        check("a b", "'a b'");
        check("it's", "'it'\\''s'");
        check("x?y&z", "'x?y&z'");
        check("", "''");
    }
}
