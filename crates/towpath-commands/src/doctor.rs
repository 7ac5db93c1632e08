//! `doctor`: looks for what is not as it should be.

use std::collections::BTreeMap;

use serde::Serialize;
use towpath_core::limits::WINDOW;
use towpath_core::message::Record;
use towpath_core::store::{Finding, Section};

use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::{counted, escape};

/// Check the store, and mend what can be mended
///
/// Checks that the file is sound, its schema current and its counters right; looks at every message for
/// records that nothing leads to, and puts those back; looks at what waits for codecs and backoffs that
/// are not known here. Exit code 1 when anything was wrong. Notes tell what may be as it is meant.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath doctor
  towpath doctor --json | jq .problems

With --json: {\"problems\": […], \"mended\": […], \"notes\": […]}, each a list of {\"about\", \"problem\"}.")]
pub(crate) struct Args {}

#[derive(Default, Serialize)]
struct Report {
    /// What somebody must look at.
    problems: Vec<Finding>,
    /// What was wrong and was mended.
    mended: Vec<Finding>,
    /// What may be as it is meant.
    notes: Vec<Finding>,
}

pub(crate) async fn run(_args: Args, env: &Env) -> Result {
    let mut report = Report {
        problems: env.app.store().doctor().await?,
        mended: env.broker().statuses().scan().await?,
        notes: Vec::new(),
    };
    for section in [Section::Ready, Section::Scheduled, Section::Running] {
        report.look_at_messages(section, env).await?;
    }
    report.look_at_queues(env).await?;
    let is_well = report.problems.is_empty() && report.mended.is_empty();
    if env.json() {
        env.out.json(&report)?;
    } else {
        report.print(env)?;
    }
    Ok(if is_well { Exit::Ok } else { Exit::Failure })
}

impl Report {
    /// Codecs and backoffs that no worker of this app could use.
    async fn look_at_messages(&mut self, section: Section, env: &Env) -> Result<()> {
        let broker = env.broker();
        let mut unknown: BTreeMap<(String, bool), u64> = BTreeMap::new();
        let mut after = None;
        loop {
            let window = broker.list(section, after, WINDOW).await?;
            for record in &window.records {
                let ours = env.app.task_settings(&record.task).is_some();
                for problem in unusable(record, env) {
                    *unknown.entry((problem, ours)).or_default() += 1;
                }
            }
            after = window.next;
            if after.is_none() {
                break;
            }
        }
        for ((problem, ours), count) in unknown {
            let about = counted(count, "message");
            if ours {
                self.problems.push(Finding { about, problem });
            } else {
                // The program that has the task may know what this one does not.
                let problem = format!("{problem}, by this program; their own may know it");
                self.notes.push(Finding { about, problem });
            }
        }
        Ok(())
    }

    async fn look_at_queues(&mut self, env: &Env) -> Result<()> {
        for queue in env
            .broker()
            .queues()
            .await?
            .iter()
            .filter(|queue| queue.paused)
        {
            let ready: u64 = queue.lines.iter().map(|line| line.ready).sum();
            self.notes.push(Finding {
                about: format!("queue {:?}", queue.queue.as_str()),
                problem: format!("paused, with {} ready", counted(ready, "message")),
            });
        }
        Ok(())
    }

    fn print(&self, env: &Env) -> Result<()> {
        let parts = [
            ("problem", &self.problems),
            ("mended", &self.mended),
            ("note", &self.notes),
        ];
        for (label, findings) in parts {
            for Finding { about, problem } in findings {
                let line = format!("{label}: {about}: {problem}");
                env.out.line(escape::line(&line))?;
            }
        }
        if self.problems.is_empty() && self.mended.is_empty() {
            env.out.line("all is well")?;
        }
        Ok(())
    }
}

/// What of a message cannot be used here.
fn unusable(record: &Record, env: &Env) -> Vec<String> {
    let codec = env.app.codecs().get(record.payload.codec()).err();
    let backoff = record.options.backoff.as_ref();
    let backoff = backoff.and_then(|settings| env.app.backoffs().build(settings).err());
    [codec, backoff]
        .into_iter()
        .flatten()
        .map(|error| error.to_string())
        .collect()
}
