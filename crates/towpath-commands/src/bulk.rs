//! One verb on many messages: those that are named, or all that a filter selects.
//!
//! The same rules for every verb: an empty filter is an error, `--dry-run` shows and changes nothing,
//! and above [`ASK_ABOVE`] messages a filter asks for `--yes`. What was selected is what is changed:
//! the store is not searched a second time.

use std::collections::HashSet;

use serde::Serialize;
use towpath_core::message::Record;
use towpath_core::store::Section;
use towpath_core::{Error, Kind, MessageId, State, limits};
use towpath_runtime::Filter;

use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::filter::{FilterArgs, sections};
use crate::messages::list::record_table;
use crate::output::counted;
use crate::values::{IdArg, id};

/// A filter that selects more than this asks whether that is meant.
const ASK_ABOVE: usize = 100;
/// A dry run shows that many of what it found.
const SAMPLE: usize = 20;

/// Which messages a verb is for.
#[derive(Debug, clap::Args)]
pub(crate) struct BulkArgs {
    /// The messages: their ids, or the texts that were given as ids
    #[arg(value_name = "ID", value_parser = id)]
    ids: Vec<IdArg>,
    /// Show what is meant, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it even when a filter selects more than 100 messages
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// Every message that the verb is for; an empty filter alone is an error
    #[arg(long, help_heading = "Which messages")]
    all: bool,
}

/// A verb for many messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Requeue,
    Purge,
    Remove,
    Replay,
    Revoke { skip_running: bool },
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Requeue => "requeue",
            Verb::Purge => "purge",
            Verb::Remove => "remove",
            Verb::Replay => "replay",
            Verb::Revoke { .. } => "revoke",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Verb::Requeue => "requeued",
            Verb::Purge => "purged",
            Verb::Remove => "removed",
            Verb::Replay => "replayed",
            Verb::Revoke { .. } => "revoked",
        }
    }

    /// Where a filter looks for messages.
    fn sections(self) -> &'static [Section] {
        match self {
            Verb::Requeue | Verb::Purge => &[Section::Dead],
            Verb::Remove => &[Section::All],
            Verb::Replay => &[Section::Succeeded, Section::Dead],
            Verb::Revoke { .. } => &[Section::Scheduled, Section::Ready, Section::Running],
        }
    }

    /// Whether it can be done to a message in that state.
    fn is_for(self, state: State) -> bool {
        match self {
            Verb::Requeue | Verb::Purge => matches!(state, State::Failed | State::Revoked),
            Verb::Remove => state != State::Running,
            Verb::Replay => state.is_terminal(),
            Verb::Revoke { skip_running: true } => {
                matches!(state, State::Scheduled | State::Ready)
            }
            Verb::Revoke {
                skip_running: false,
            } => !state.is_terminal(),
        }
    }

    /// Does it to some messages: one answer each, with the id of the copy where there is one.
    async fn apply(self, ids: &[MessageId], env: &Env) -> Result<Vec<Answer>> {
        let store = env.app.store();
        let plain = |answers: Vec<towpath_core::Result<()>>| {
            answers
                .into_iter()
                .map(|answer| answer.map(|()| None))
                .collect()
        };
        Ok(match self {
            Verb::Requeue => plain(store.requeue(ids.to_vec()).await?),
            Verb::Remove => plain(store.remove(ids.to_vec()).await?),
            Verb::Purge => purge(ids, env).await?,
            Verb::Replay => {
                let copies: Vec<_> = ids.iter().map(|id| (*id, MessageId::new())).collect();
                let answers = store.replay(copies.clone()).await?;
                let answered = answers.into_iter().zip(copies);
                answered
                    .map(|(answer, (_, copy))| answer.map(|()| Some(copy)))
                    .collect()
            }
            Verb::Revoke { skip_running } => {
                let answers = store.revoke(ids.to_vec(), skip_running).await?;
                answers
                    .into_iter()
                    .map(|answer| answer.map(|_| None))
                    .collect()
            }
        })
    }
}

type Answer = towpath_core::Result<Option<MessageId>>;

/// Deletes dead letters and nothing else.
async fn purge(ids: &[MessageId], env: &Env) -> Result<Vec<Answer>> {
    let store = env.app.store();
    let records = store.get(ids.to_vec()).await?;
    let refusals: Vec<_> = records
        .iter()
        .map(|record| not_dead(record.as_ref()))
        .collect();
    let dead = ids
        .iter()
        .zip(&refusals)
        .filter(|(_, refusal)| refusal.is_none());
    let dead: Vec<_> = dead.map(|(id, _)| *id).collect();
    let mut removed = store.remove(dead).await?.into_iter();
    let answer = |refusal: Option<Error>| match refusal {
        Some(refusal) => Err(refusal),
        None => removed.next().expect("one answer per id").map(|()| None),
    };
    Ok(refusals.into_iter().map(answer).collect())
}

fn not_dead(record: Option<&Record>) -> Option<Error> {
    let state = record?.state;
    if Verb::Purge.is_for(state) {
        return None;
    }
    let text = format!("cannot purge a message that is {state} (it must be failed, revoked)");
    Some(Error::new(Kind::WrongState, text))
}

/// What became of the verb.
#[derive(Serialize, Default)]
struct View {
    verb: &'static str,
    dry_run: bool,
    selected: usize,
    changed: usize,
    /// Moved on while the command looked at the others.
    skipped: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<MessageId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replayed: Vec<ReplayedView>,
}

#[derive(Serialize)]
struct FailedView {
    id: MessageId,
    kind: &'static str,
    error: String,
}

#[derive(Serialize)]
struct ReplayedView {
    id: MessageId,
    new_id: MessageId,
}

/// Does `verb` to the messages that `args` mean.
pub(crate) async fn run(verb: Verb, args: BulkArgs, env: &Env) -> Result {
    if args.all && !args.filter.is_empty() {
        return Err(Failure::usage("--all and a filter exclude each other"));
    }
    match (args.ids.is_empty(), args.all || !args.filter.is_empty()) {
        (false, false) => by_id(verb, &args, env).await,
        (true, true) => by_filter(verb, &args, env).await,
        (false, true) => Err(Failure::usage("ids and a filter exclude each other")),
        (true, false) => Err(Failure::usage(
            "the filter is empty: nothing says which messages are meant",
        )
        .hint(
            "name ids, or give --queue, --task, --state, --reason, --older-than, --newer-than, \
             --error or --meta; --all means every one",
        )),
    }
}

async fn by_filter(verb: Verb, args: &BulkArgs, env: &Env) -> Result {
    let found = scan(verb, args, env).await?;
    let selected = found.ids.len();
    if args.dry_run {
        return show(verb, found, env).await;
    }
    if selected > ASK_ABOVE && !args.yes {
        let (name, limit) = (verb.name(), ASK_ABOVE);
        return Err(Failure::usage(format!(
            "this would {name} {selected} messages, more than {limit}; nothing was done"
        ))
        .hint("look at them with --dry-run, then repeat the command with --yes"));
    }
    let mut view = View {
        verb: verb.name(),
        selected,
        ..View::default()
    };
    for ids in found.ids.chunks(limits::WINDOW) {
        let answers = verb.apply(ids, env).await?;
        view.add(ids, answers);
    }
    // A message that moved on by itself while the others were read is not what was meant any more.
    let moved_on = |failed: &FailedView| matches!(failed.kind, "not_found" | "wrong_state");
    let before = view.failed.len();
    view.failed.retain(|failed| !moved_on(failed));
    view.skipped = before - view.failed.len();
    view.tell(verb, env)?;
    Ok(if view.failed.is_empty() {
        Exit::Ok
    } else {
        Exit::Failure
    })
}

async fn by_id(verb: Verb, args: &BulkArgs, env: &Env) -> Result {
    let mut seen = HashSet::new();
    let ids = args.ids.iter().map(|id| id.id);
    let ids: Vec<MessageId> = ids.filter(|id| seen.insert(*id)).collect();
    if args.dry_run {
        let records = env.app.store().get(ids).await?;
        let sample: Vec<_> = records
            .into_iter()
            .flatten()
            .filter(|r| verb.is_for(r.state))
            .collect();
        let ids = sample.iter().map(|record| record.id).collect();
        return show(verb, Found { ids, sample }, env).await;
    }
    let mut view = View {
        verb: verb.name(),
        selected: ids.len(),
        ..View::default()
    };
    for some in ids.chunks(limits::WINDOW) {
        let answers = verb.apply(some, env).await?;
        view.add(some, answers);
    }
    // Of one message the error is that of the command; of several each is told on its own.
    let kinds: HashSet<&str> = view.failed.iter().map(|failed| failed.kind).collect();
    let not_found = kinds.len() == 1 && kinds.contains("not_found");
    view.tell(verb, env)?;
    Ok(match (view.failed.is_empty(), not_found) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::NotFound,
        (false, false) => Exit::Failure,
    })
}

impl View {
    fn add(&mut self, ids: &[MessageId], answers: Vec<Answer>) {
        for (id, answer) in ids.iter().copied().zip(answers) {
            match answer {
                Ok(copy) => {
                    self.changed += 1;
                    self.replayed
                        .extend(copy.map(|new_id| ReplayedView { id, new_id }));
                }
                Err(error) => self.failed.push(FailedView {
                    id,
                    kind: error.kind().as_str(),
                    error: error.to_string(),
                }),
            }
        }
    }

    fn tell(&self, verb: Verb, env: &Env) -> Result<()> {
        for FailedView { id, error, .. } in &self.failed {
            // The store's texts name the message in different places, or not at all.
            let id = id.to_string();
            let named = if error.contains(&id) {
                error.clone()
            } else {
                format!("message {id}: {error}")
            };
            env.complain(&named);
        }
        if env.json() {
            return env.out.json(self);
        }
        for ReplayedView { id, new_id } in &self.replayed {
            env.out.line(format_args!("{id} -> {new_id}"))?;
        }
        // Where all failed, the errors have said so.
        if !self.failed.is_empty() && self.changed == 0 {
            return Ok(());
        }
        let (done, changed) = (verb.done(), counted(self.changed as u64, "message"));
        match self.skipped {
            0 => env.out.line(format_args!("{done} {changed}")),
            skipped => env.out.line(format_args!(
                "{done} {changed}; {skipped} had moved on and were left alone"
            )),
        }
    }
}

/// What a filter selected.
struct Found {
    ids: Vec<MessageId>,
    /// The first of them, to be shown.
    sample: Vec<Record>,
}

async fn scan(verb: Verb, args: &BulkArgs, env: &Env) -> Result<Found> {
    let filter = match args.all {
        true => Filter::everything(),
        false => args.filter.filter()?,
    };
    if let Some(state) = filter.state.filter(|state| !verb.is_for(*state)) {
        let name = verb.name();
        return Err(Failure::usage(format!(
            "a message that is {state} cannot be {}",
            verb.done()
        ))
        .hint(format!(
            "leave --state away: {name} looks at those it can be done to"
        )));
    }
    let broker = env.broker();
    let now = env.app.store().now().await?;
    let mut seen = HashSet::new();
    let mut found = Found {
        ids: Vec::new(),
        sample: Vec::new(),
    };
    let selects = |record: &Record| verb.is_for(record.state) && filter.matches(record, now);
    for section in sections(&filter, verb.sections()) {
        let mut after = None;
        loop {
            let window = broker.list(section, after, limits::WINDOW).await?;
            for record in window.records {
                // What moves between two windows may be seen twice.
                if selects(&record) && seen.insert(record.id) {
                    found.ids.push(record.id);
                    if found.sample.len() < SAMPLE {
                        found.sample.push(record);
                    }
                }
            }
            after = window.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

async fn show(verb: Verb, found: Found, env: &Env) -> Result {
    let selected = found.ids.len();
    if env.json() {
        let view = View {
            verb: verb.name(),
            dry_run: true,
            selected,
            ids: found.ids,
            ..View::default()
        };
        env.out.json(&view)?;
        return Ok(Exit::Ok);
    }
    let now = env.app.store().now().await?;
    env.out
        .table(&record_table(&found.sample, now), "no message is selected")?;
    if selected > found.sample.len() {
        env.out
            .line(format_args!("… and {} more", selected - found.sample.len()))?;
    }
    env.out.line(format_args!(
        "would {} {}; nothing was done",
        verb.name(),
        counted(selected as u64, "message")
    ))?;
    Ok(Exit::Ok)
}
