//! What is shown while a soak goes on: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a soak has come, on standard error.
#[derive(Debug)]
pub struct Progress {
    shows: Shows,
}

#[derive(Debug)]
enum Shows {
    Bar(ProgressBar),
    Lines { last: Instant },
    Nothing,
}

impl Progress {
    /// For a soak that submits for that long.
    pub fn new(duration: Duration) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self {
                shows: Shows::Lines {
                    last: Instant::now(),
                },
            };
        }
        let bar = ProgressBar::new(duration.as_secs().max(1));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:24} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            shows: Shows::Bar(bar),
        }
    }

    /// Shows nothing, for tests.
    pub fn silent() -> Self {
        Self {
            shows: Shows::Nothing,
        }
    }

    /// So far has it come.
    pub fn show(&mut self, elapsed: Duration, text: impl FnOnce() -> String) {
        match &mut self.shows {
            Shows::Bar(bar) => {
                bar.set_position(elapsed.as_secs());
                bar.set_message(text());
            }
            Shows::Lines { last } if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                eprintln!("{:>5} s  {}", elapsed.as_secs(), text());
            }
            Shows::Lines { .. } | Shows::Nothing => {}
        }
    }

    /// Another part of the soak begins.
    pub fn part(&mut self, text: &str) {
        match &mut self.shows {
            Shows::Bar(bar) => bar.set_message(text.to_owned()),
            Shows::Lines { .. } => eprintln!("{text}"),
            Shows::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        if let Shows::Bar(bar) = &self.shows {
            bar.finish_and_clear();
        }
    }
}
