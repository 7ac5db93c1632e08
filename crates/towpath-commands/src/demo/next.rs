//! What to do after the demo: commands that work when they are pasted.

use towpath_core::MessageId;

use super::QUEUE;
use crate::env::Env;

/// Something to do, and the lines to paste for it.
pub(super) struct Step {
    pub(super) what: &'static str,
    pub(super) lines: Vec<String>,
}

/// The ways to go on, with the dead letter that the demo has left.
pub(super) fn steps(env: &Env, dead: MessageId) -> Vec<Step> {
    let command = |rest: &str| env.command(rest);
    let sleep = command(&format!(
        "submit demo.sleep '{{\"ms\":3000}}' --queue {QUEUE}"
    ));
    // Two at a time: the first worker holds two and leaves two, so the second one has work while it
    // finds out what the first one held.
    let worker = command(&format!("worker --demo --queues {QUEUE} --concurrency 2"));
    vec![
        Step {
            what: "Look at the dead letters:",
            lines: vec![command("dead list")],
        },
        Step {
            what: "Give this one another chance, with the next worker:",
            lines: vec![command(&format!("dead requeue {dead}"))],
        },
        Step {
            what: "Kill a worker, and watch the next one do what it left undone:",
            lines: vec![
                "for n in 1 2 3 4; do".to_owned(),
                format!("  {sleep}"),
                "done".to_owned(),
                format!("{worker} &"),
                "sleep 1.5; kill -9 $!".to_owned(),
                format!("{worker} --drain"),
            ],
        },
    ]
}
