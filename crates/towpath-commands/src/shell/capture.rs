//! Keeps the first and the last part of a stream of any length.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is kept of one stream.
pub(super) const KEPT_BYTES: usize = 64 * 1024;
/// How much of that is its beginning; the other half is its end.
const HEAD_BYTES: usize = KEPT_BYTES / 2;

/// What is kept of a stream.
#[derive(Debug, Default)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// All that was read.
    total: u64,
}

impl Capture {
    /// Reads to the end of the stream. What was read stays here when the future is dropped.
    pub(super) async fn drain(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 16 * 1024];
        // A pipe that cannot be read has given what it had.
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            self.push(&buffer[..count]);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = HEAD_BYTES - self.head.len();
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(KEPT_BYTES - HEAD_BYTES)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(KEPT_BYTES - HEAD_BYTES);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    /// How many bytes the stream had.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes were not kept.
    pub(super) fn left_out(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// What was kept, with a mark where something is missing.
    pub(super) fn text(mut self) -> String {
        let left_out = self.left_out();
        let tail = self.tail.make_contiguous();
        if left_out == 0 {
            self.head.extend_from_slice(tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let head = String::from_utf8_lossy(without_split_end(&self.head));
        let tail = String::from_utf8_lossy(without_split_start(tail));
        format!("{head}\n… ({left_out} bytes left out) …\n{tail}")
    }
}

/// The last `limit` bytes of a text, from the start of a line where one is near.
pub(super) fn last_lines(text: &str, limit: usize) -> &str {
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let end = &text[start..];
    let is_cut = start > 0 && !text[..start].ends_with('\n');
    match end.find('\n') {
        // A line that fills most of it is worth more than the few that follow.
        Some(newline) if is_cut && newline < end.len() / 2 => &end[newline + 1..],
        _ => end,
    }
}

/// Without the character that was cut in two at the end.
fn without_split_end(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

/// Without the character that was cut in two at the start.
fn without_split_start(bytes: &[u8]) -> &[u8] {
    let is_inside = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let split = bytes.iter().take(3).take_while(is_inside).count();
    &bytes[split..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(chunks: &[&[u8]]) -> Capture {
        let mut capture = Capture::default();
        chunks.iter().for_each(|chunk| capture.push(chunk));
        capture
    }

    #[test]
    fn what_fits_is_kept_whole_however_it_comes() {
        let bytes: Vec<u8> = (0..KEPT_BYTES).map(|n| b'a' + (n % 26) as u8).collect();
        for size in [1, 7, HEAD_BYTES, KEPT_BYTES] {
            let capture = capture(&bytes.chunks(size).collect::<Vec<_>>());
            assert_eq!(capture.left_out(), 0);
            assert_eq!(capture.text().as_bytes(), bytes);
        }
    }

    #[test]
    fn of_more_the_first_and_the_last_half_are_kept() {
        let long = [b"first".as_slice(), &[b'.'; 3 * KEPT_BYTES], b"last"].concat();
        for size in [1, 4_096, long.len()] {
            let capture = capture(&long.chunks(size).collect::<Vec<_>>());
            assert_eq!(capture.total(), long.len() as u64);
            assert_eq!(capture.left_out(), (long.len() - KEPT_BYTES) as u64);
            let text = capture.text();
            assert!(text.starts_with("first.") && text.ends_with(".last"));
            assert!(text.contains(&format!("… ({} bytes left out) …", long.len() - KEPT_BYTES)));
        }
    }

    #[test]
    fn a_cut_splits_no_character() {
        // Three bytes each: neither half is a multiple of them.
        let long = "€".repeat(KEPT_BYTES);
        let text = capture(&[b"x", long.as_bytes()]).text();
        assert!(!text.contains('\u{fffd}'), "a character was split");
    }

    #[test]
    fn what_is_not_text_is_marked() {
        assert_eq!(capture(&[b"a\xffb"]).text(), "a\u{fffd}b");
    }

    #[test]
    fn the_last_lines_start_where_a_line_does() {
        assert_eq!(last_lines("one\ntwo\n", 100), "one\ntwo");
        assert_eq!(last_lines("one\ntwo\nthree", 9), "two\nthree");
        assert_eq!(last_lines("one\ntwo\nthree", 8), "three");
        assert_eq!(last_lines("a long line without an end", 6), "an end");
        assert_eq!(last_lines("€€€", 4), "€");
    }
}
