//! What became of promises, told to people.

use std::collections::HashSet;

use serde::Serialize;
use towpath_coord::Place;
use towpath_coord::deferred::{DeadLetter, Registry, Report, list};

use crate::env::complain;

/// The functions that were given up before, so that new ones can be told.
#[derive(Debug, Default)]
pub(crate) struct Dead(HashSet<String>);

impl Dead {
    pub(crate) fn before(place: &Place) -> Self {
        Self(letters(place).into_iter().map(|letter| letter.id).collect())
    }

    /// Tells of those that were given up since.
    pub(crate) fn tell_new(&self, place: &Place) {
        let letters = letters(place).into_iter();
        for letter in letters.filter(|letter| !self.0.contains(&letter.id)) {
            complain(&format!(
                "clean-up failed: {}: {}",
                promise(&letter.name, &letter.arguments),
                letter.error
            ));
        }
    }
}

fn letters(place: &Place) -> Vec<DeadLetter> {
    // Whatever cannot be read here is told by who runs them.
    list(place, &Registry::new()).map_or_else(|_| Vec::new(), |listing| listing.dead)
}

/// Tells what went wrong around the functions; answers whether anything did.
pub(crate) fn tell_trouble(report: &Report) -> bool {
    for trouble in &report.troubles {
        complain(&format!("clean-up: {trouble}"));
    }
    report.dead > 0 || report.parked > 0 || !report.troubles.is_empty()
}

/// A promise for people: a command as it would be typed, a path, or the function's name with its arguments.
pub(crate) fn promise(name: &str, arguments: &serde_json::Value) -> String {
    let word = |value: &serde_json::Value| {
        let text = value.as_str().unwrap_or_default();
        crate::output::escape::shell_word(text).into_owned()
    };
    match (name, &arguments["argv"], &arguments["path"]) {
        ("run_command", serde_json::Value::Array(argv), _) => {
            argv.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        ("remove_path", _, path @ serde_json::Value::String(_)) => format!("remove {}", word(path)),
        _ => format!("{name} {arguments}"),
    }
}

/// What was run, for programs.
#[derive(Serialize)]
pub(crate) struct ReportView {
    done: usize,
    failed: usize,
    dead: usize,
    parked: usize,
    taken: usize,
    elsewhere: usize,
    quarantined: usize,
    failures: Vec<String>,
    troubles: Vec<String>,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        let Report {
            done,
            failed,
            dead,
            parked,
            taken,
            elsewhere,
            quarantined,
            failures,
            troubles,
        } = report;
        Self {
            done,
            failed,
            dead,
            parked,
            taken,
            elsewhere,
            quarantined,
            failures,
            troubles,
        }
    }
}
