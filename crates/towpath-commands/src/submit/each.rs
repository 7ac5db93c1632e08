//! `submit --shell --each`: one message per line of standard input.
//!
//! A thread reads lines and hands them over by a bounded channel; whatever is there is submitted in one
//! step. So a slow producer (`tail -f`) sees each line submitted at once, and a fast one gets batches.

use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use towpath_core::Draft;
use towpath_core::limits::PAYLOAD_BYTES;

use super::View;
use super::command::{drafts_in, present_directory};
use super::options::DraftArgs;
use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::output::counted;

/// Most messages in one step.
const BATCH: usize = 1_000;
/// What stands for the line in the words of the command.
const MARK: &str = "{}";

/// A line, or why the input cannot be read on.
type Line = Result<(usize, String)>;

pub(super) async fn run(command: &[String], options: DraftArgs, env: &Env) -> Result {
    if !command.iter().any(|word| word.contains(MARK)) {
        return Err(Failure::usage(format!(
            "no word of the command holds {MARK}, which stands for the line"
        ))
        .hint(format!("as in: submit --shell --each -- gzip {MARK}")));
    }
    let directory = present_directory()?;
    let draft_of = drafts_in(&directory, env);
    let progress = progress();
    let mut lines = lines_of_stdin();
    let (mut batch, mut submitted) = (Vec::with_capacity(BATCH), 0);
    while lines.recv_many(&mut batch, BATCH).await > 0 {
        let (mut numbers, mut drafts, mut broken) = (Vec::new(), Vec::new(), None);
        for line in batch.drain(..) {
            match line {
                Ok((number, line)) => {
                    let argv = command
                        .iter()
                        .map(|word| word.replace(MARK, &line))
                        .collect();
                    drafts.push(options.clone().apply(draft_of(argv)?, env).await?);
                    numbers.push(number);
                }
                Err(failure) => broken = Some(failure),
            }
        }
        let refused = submit(&numbers, drafts, &mut submitted, env).await;
        progress.set_position(submitted);
        if let Err(failure) = refused.and(broken.map_or(Ok(()), Err)) {
            progress.finish_and_clear();
            return Err(failure.hint(format!(
                "{} submitted before that",
                counted(submitted, "message")
            )));
        }
    }
    progress.finish_and_clear();
    if !env.json() {
        env.out
            .line(format_args!("submitted {}", counted(submitted, "message")))?;
    }
    Ok(Exit::Ok)
}

/// Submits one batch; an error names the first line that was refused.
async fn submit(
    numbers: &[usize],
    drafts: Vec<Draft>,
    submitted: &mut u64,
    env: &Env,
) -> Result<()> {
    let answers = env.broker().submit_many(drafts).await?;
    let mut refused = None;
    for (number, answer) in numbers.iter().zip(answers) {
        match answer {
            Ok(id) => {
                *submitted += 1;
                if env.json() {
                    env.out.json(&View { id })?;
                }
            }
            Err(error) => {
                refused.get_or_insert_with(|| error.about(format!("line {number}")));
            }
        }
    }
    if env.json() {
        env.out.flush()?;
    }
    refused.map_or(Ok(()), |error| Err(error.into()))
}

fn progress() -> ProgressBar {
    // Who types the lines sees how many there are.
    if std::io::stdin().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} submitted in {elapsed}")
        .expect("a constant template");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn lines_of_stdin() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(BATCH);
    // A thread of its own: nothing can end a read of standard input, and nobody has to wait for it.
    std::thread::spawn(move || {
        let mut lines = Lines::new(BufReader::new(std::io::stdin()));
        while let Some(line) = lines.next() {
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// The lines of an input, numbered from 1; empty ones are skipped.
struct Lines<R> {
    input: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    fn next(&mut self) -> Option<Line> {
        loop {
            let mut line = Vec::new();
            self.number += 1;
            let number = self.number;
            // A line without end must not fill the memory.
            let mut bounded = self.input.by_ref().take(PAYLOAD_BYTES as u64 + 1);
            match bounded.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) => {
                    return Some(Err(Failure::usage(format!(
                        "standard input cannot be read: {e}"
                    ))));
                }
            }
            if line.len() > PAYLOAD_BYTES {
                return Some(Err(Failure::usage(format!(
                    "line {number} has more than {PAYLOAD_BYTES} bytes, the limit of a payload"
                ))));
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            return Some(match std::str::from_utf8(line) {
                Ok(line) => Ok((number, line.to_owned())),
                Err(_) => Err(Failure::usage(format!(
                    "line {number} is not UTF-8; a message holds its words as JSON text"
                ))),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &[(usize, &str)]) {
        let mut lines = Lines::new(input);
        let read: Vec<_> = std::iter::from_fn(|| lines.next())
            .map(Result::unwrap)
            .collect();
        let read: Vec<_> = read
            .iter()
            .map(|(number, line)| (*number, line.as_str()))
            .collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn lines_are_numbered_and_blank_ones_skipped() {
        check(
            b"a\n\n  \nb c \r\nlast",
            &[(1, "a"), (4, "b c "), (5, "last")],
        );
        check(b"", &[]);
        check(b"\n\n", &[]);
    }

    #[test]
    fn what_cannot_be_a_word_is_refused_by_line() {
        let report = |input: &[u8]| {
            let mut lines = Lines::new(input);
            let refused = std::iter::from_fn(|| lines.next()).find_map(Result::err);
            refused.expect("a line is refused").report()
        };
        assert!(report(b"a\n\xff\n").contains("line 2 is not UTF-8"));
        let long = vec![b'x'; PAYLOAD_BYTES + 2];
        assert!(report(&long).contains("line 1 has more than 1048576 bytes"));
    }
}
