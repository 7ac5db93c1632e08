//! `dir deferred run` and `clean`: keeps what dead processes have promised.

use serde::Serialize;
use towpath_coord::Place;
use towpath_coord::deferred::{self, Cleaned, Config, Manager, Report};
use towpath_core::Error;

use super::registry;
use crate::blocking;
use crate::cleanup::{Dead, ReportView, tell_trouble};
use crate::exit::{Exit, Result};
use crate::output::{Out, counted};

#[derive(Serialize)]
struct CleanView {
    report: ReportView,
    removed: bool,
}

pub(super) async fn run(place: Option<Place>, config: Config, out: &Out) -> Result {
    let Some(place) = place else {
        return tell(Report::default(), out);
    };
    let dead = Dead::before(&place);
    let (theirs, registry) = (place.clone(), registry()?);
    let report = blocking::call(move || {
        let manager = Manager::open(&theirs, registry, config)?;
        let report = manager.run_orphans()?;
        manager.close()?;
        Ok::<_, Error>(report)
    });
    let report = report.await??;
    dead.tell_new(&place);
    tell(report, out)
}

/// Tells what was run; answers how the command ends.
pub(super) fn tell(report: Report, out: &Out) -> Result {
    let exit = match tell_trouble(&report) {
        true => Exit::Failure,
        false => Exit::Ok,
    };
    if out.json {
        out.json(&ReportView::from(report))?;
    } else {
        out.line(in_words(&report))?;
    }
    Ok(exit)
}

fn in_words(report: &Report) -> String {
    let mut words = match report.done {
        0 => "nothing was done".to_owned(),
        done => format!("kept {}", counted(done as u64, "promise")),
    };
    if report.dead > 0 {
        words += &format!(", gave up {}", report.dead);
    }
    if report.parked > 0 {
        words += &format!(", left {} that cannot be kept here or now", report.parked);
    }
    if report.quarantined > 0 {
        let files = counted(report.quarantined as u64, "state file");
        words += &format!(", put {files} with spoilt lines aside");
    }
    words
}

pub(super) async fn clean(place: Option<Place>, config: Config, out: &Out) -> Result {
    let Some(place) = place else {
        let report = Report::default();
        let removed = true;
        return tell_cleaned(Cleaned { report, removed }, out);
    };
    let dead = Dead::before(&place);
    let (theirs, registry) = (place.clone(), registry()?);
    let cleaned = blocking::call(move || deferred::clean(&theirs, &registry, &config));
    let cleaned = cleaned.await??;
    dead.tell_new(&place);
    tell_cleaned(cleaned, out)
}

fn tell_cleaned(cleaned: Cleaned, out: &Out) -> Result {
    let exit = match tell_trouble(&cleaned.report) {
        true => Exit::Failure,
        false => Exit::Ok,
    };
    if out.json {
        let removed = cleaned.removed;
        let report = cleaned.report.into();
        out.json(&CleanView { report, removed })?;
    } else {
        let removed = match cleaned.removed {
            true => "nothing is left",
            false => "the directory stays: somebody uses it, or something is left in it",
        };
        out.line(format_args!("{}; {removed}", in_words(&cleaned.report)))?;
    }
    Ok(exit)
}
