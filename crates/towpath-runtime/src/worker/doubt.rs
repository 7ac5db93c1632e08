//! Doubt: a claim whose answer was lost may have been done.
//!
//! What it handed out would stay with this worker, which knows nothing of it, for as long as the worker
//! lives. So after such a claim the worker asks the store what it holds, and gives back what it does not
//! know of. A claim that was sent may be done after the first look, by a server that stood still, so there
//! are several looks.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use towpath_core::store::{Cursor, List, Section, Settle, SettleRequest, Standing, Verdict};
use towpath_core::{Record, Result, Token, limits};

use super::tenure::Tenure;
use crate::app::Shared;
use crate::identity::worker_name;

/// When to look, counted from the claim that was not answered.
const LOOKS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// The looks that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Doubt(VecDeque<Instant>);

impl Doubt {
    /// A claim was not answered.
    pub(crate) fn raise(&mut self) {
        let now = Instant::now();
        self.0 = LOOKS.iter().map(|after| now + *after).collect();
    }

    pub(crate) fn is_due(&self) -> bool {
        self.0.front().is_some_and(|at| *at <= Instant::now())
    }

    /// A look was taken.
    pub(crate) fn looked(&mut self) {
        self.0.pop_front();
    }

    /// The incarnation is gone, and all that it held with it.
    pub(crate) fn settle(&mut self) {
        self.0.clear();
    }
}

/// Gives back what the store says that this incarnation holds and nobody here knows of. `is_ours` tells of a
/// running message whether it would be known here. Answers how many those were.
pub(crate) async fn give_back_unknown(
    shared: &Shared,
    tenure: &Tenure,
    is_unknown: impl Fn(&Record) -> bool,
) -> Result<usize> {
    let name = worker_name();
    let mut given_back = 0;
    let mut after: Option<Cursor> = None;
    loop {
        let list = List {
            section: Section::Running,
            after: after.take(),
            limit: limits::WINDOW,
        };
        let window = shared.store.list(list).await?;
        let of_us = |record: &&Record| record.worker.as_ref() == Some(&name) && is_unknown(record);
        let tokens = window.records.iter().filter(of_us).map(|r| r.token());
        given_back += give_back(shared, tenure, tokens.collect()).await?;
        match window.next {
            Some(next) => after = Some(next),
            None => return Ok(given_back),
        }
    }
}

async fn give_back(shared: &Shared, tenure: &Tenure, tokens: Vec<Token>) -> Result<usize> {
    if tokens.is_empty() {
        return Ok(0);
    }
    // A process may have several workers, and had incarnations before.
    let standing = shared.store.standing(tenure.id, tokens.clone()).await?;
    let held = tokens.into_iter().zip(standing);
    let held = held.filter(|(_, standing)| *standing == Standing::Held);
    let release = |(token, _)| Settle {
        token,
        started_at: None,
        verdict: Verdict::Release,
        unlock: Vec::new(),
    };
    let items: Vec<Settle> = held.map(release).collect();
    if items.is_empty() {
        return Ok(0);
    }
    let request = SettleRequest {
        incarnation: tenure.id,
        items,
        claim: None,
    };
    let settled = shared.store.settle(request).await?;
    Ok(settled.items.iter().filter(|item| item.is_ok()).count())
}
