//! How far the bench is: a line per phase, redrawn on a terminal; nothing for programs.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(super) struct Progress {
    /// `None` for programs.
    bar: Option<ProgressBar>,
    terminal: bool,
}

/// A phase under way.
pub(super) struct Step<'a> {
    progress: &'a Progress,
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (!json).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style())
        });
        Self { bar, terminal }
    }

    /// Begins a phase of so many rounds.
    pub(super) fn phase(&self, what: &str, rounds: usize) -> Step<'_> {
        if let Some(bar) = &self.bar {
            if self.terminal {
                bar.set_length(rounds as u64);
                bar.set_position(0);
                bar.set_message(what.to_owned());
                bar.enable_steady_tick(Duration::from_millis(200));
            } else {
                // Progress is not worth a failure when nobody listens.
                let _ = writeln!(std::io::stderr(), "{what} …");
            }
        }
        Step { progress: self }
    }

    /// Leaves no trace on a terminal.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Step<'_> {
    /// One more round is done.
    pub(super) fn advance(&self) {
        if let Some(bar) = &self.progress.bar {
            bar.inc(1);
        }
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{spinner} {bar:20.green/dim} {pos}/{len}  {msg}");
    style
        .expect("a test reads the template")
        .progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_is_sound() {
        super::style();
    }
}
