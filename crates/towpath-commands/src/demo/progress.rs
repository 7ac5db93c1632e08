//! How far the demo is: a bar on a terminal, a line now and then elsewhere, nothing for programs.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far the demo is.
pub(super) enum Progress {
    /// Redrawn in place.
    Bar(ProgressBar),
    /// A line for each quarter.
    Lines {
        total: usize,
        done: AtomicUsize,
    },
    None,
}

impl Progress {
    /// For `total` messages. Written to standard error, so that the report can go elsewhere.
    pub(super) fn new(json: bool, total: usize) -> Self {
        if json {
            return Progress::None;
        }
        if !std::io::stderr().is_terminal() {
            return Progress::Lines {
                total,
                done: AtomicUsize::new(0),
            };
        }
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        Progress::Bar(bar.with_style(style()))
    }

    /// One more message has ended.
    pub(super) fn advance(&self) {
        match self {
            Progress::Bar(bar) => bar.inc(1),
            Progress::Lines { total, done } => {
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if quarter(done, *total) > quarter(done - 1, *total) {
                    let (done, total) = (HumanCount(done as u64), HumanCount(*total as u64));
                    say(&format!("{done} of {total} messages"));
                }
            }
            Progress::None => {}
        }
    }

    /// All files are counted; the one that fails has retries left.
    pub(super) fn wait_for_the_last_retry(&self) {
        if let Progress::Bar(bar) = self {
            bar.set_message("waiting for the last retry");
        }
    }

    /// Leaves no trace on a terminal.
    pub(super) fn clear(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{bar:30.green/dim} {human_pos} of {human_len} messages  {msg:.dim}";
    let style = ProgressStyle::with_template(template);
    style
        .expect("a test reads the template")
        .progress_chars("━╸─")
}

fn quarter(done: usize, total: usize) -> usize {
    done * 4 / total.max(1)
}

/// Progress is not worth a failure when nobody listens.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_sound() {
        style();
    }

    #[test]
    fn there_is_a_line_for_each_quarter_however_few_messages_there_are() {
        let lines = |total: usize| {
            (1..=total)
                .filter(|done| quarter(*done, total) > quarter(done - 1, total))
                .count()
        };
        assert_eq!([1, 2, 3, 4, 1_000].map(lines), [1, 2, 3, 4, 4]);
    }
}
