//! The few characters that are escaped in a path or a setting.

/// What is written for a character that has a meaning in a URL. So few that paths stay what they are: one
/// with `%20` in it is no path with a space.
const ESCAPES: [(&str, char); 3] = [("%25", '%'), ("%26", '&'), ("%3F", '?')];

/// The character that is escaped at the start of `text`.
fn escaped(text: &str) -> Option<char> {
    let start = text.get(..3)?;
    let found = ESCAPES
        .iter()
        .find(|(escape, _)| start.eq_ignore_ascii_case(escape));
    found.map(|(_, c)| *c)
}

/// Writes `text` so that no `end` is in it, and [`unescape`] reads the same text again.
pub(super) fn escape(text: &str, end: char) -> String {
    let mut written = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        // A `%` need not be escaped where nothing would be read into it.
        let plain = c != end && (c != '%' || escaped(&text[at..]).is_none());
        match ESCAPES.iter().find(|(_, special)| *special == c) {
            Some((escape, _)) if !plain => written.push_str(escape),
            _ => written.push(c),
        }
    }
    written
}

pub(super) fn unescape(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        read.push_str(&rest[..at]);
        let (c, len) = escaped(&rest[at..]).map_or(('%', 1), |c| (c, 3));
        read.push(c);
        rest = &rest[at + len..];
    }
    read.push_str(rest);
    read
}
