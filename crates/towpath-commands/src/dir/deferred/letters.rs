//! `dir deferred requeue` and `drop`: what becomes of promises that were given up.

use serde::Serialize;
use towpath_coord::Place;
use towpath_coord::deferred::{Config, DeadLetter, Manager, forget as remove, list};
use towpath_core::{Error, Kind};

use super::{LetterArgs, registry, run};
use crate::blocking;
use crate::cleanup::Dead;
use crate::exit::{Exit, Result};
use crate::output::{Out, counted};

#[derive(Serialize)]
struct View {
    dropped: usize,
}

pub(super) async fn requeue(args: LetterArgs, config: Config, out: &Out) -> Result {
    let place = args.open()?;
    let letters = found(&place, &args.ids)?;
    let dead = Dead::before(&place);
    let (theirs, registry) = (place.clone(), registry()?);
    let report = blocking::call(move || {
        let manager = Manager::open(&theirs, registry, config)?;
        let scope = manager.scope()?;
        for letter in letters {
            // Promised anew first: who dies in between has it twice rather than not at all.
            scope.defer(&letter.name, &letter.arguments)?;
            remove(&theirs, &letter.id)?;
        }
        let report = scope.end();
        manager.close()?;
        Ok::<_, Error>(report)
    });
    let report = report.await??;
    dead.tell_new(&place);
    run::tell(report, out)
}

pub(super) fn forget(args: &LetterArgs, out: &Out) -> Result {
    let place = args.open()?;
    let letters = found(&place, &args.ids)?;
    let mut dropped = 0;
    for letter in letters {
        dropped += usize::from(remove(&place, &letter.id)?);
    }
    if out.json {
        out.json(&View { dropped })?;
    } else {
        out.line(format_args!(
            "forgot {}",
            counted(dropped as u64, "promise")
        ))?;
    }
    Ok(Exit::Ok)
}

/// The letters of these ids, all of which are there.
fn found(place: &Place, ids: &[String]) -> Result<Vec<DeadLetter>> {
    let letters = list(place, &registry()?)?.dead;
    let find = |id: &String| {
        let letter = letters.iter().find(|letter| letter.id == *id);
        letter.cloned().ok_or_else(|| {
            let text = format!("nothing of the id {id:?} was given up");
            Error::new(Kind::NotFound, text).into()
        })
    };
    ids.iter().map(find).collect()
}
