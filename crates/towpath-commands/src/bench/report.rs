//! What a bench prints: a table for people, one document for programs.

use serde::Serialize;
use towpath_core::Timestamp;

use super::Bench;
use super::figure::{Beside, Bound, Decider, Figure, Of, Spread, Unit};
use crate::exit::Result;
use crate::output::{Out, Table};

#[derive(Serialize)]
struct Document<'a> {
    at_ms: Timestamp,
    version: &'static str,
    machine: &'a str,
    store: String,
    rounds: usize,
    figures: &'a [Figure],
}

pub(super) fn print(bench: &Bench<'_>, figures: &[Figure], out: &Out) -> Result<()> {
    let machine = machine();
    if out.json {
        return out.json(&Document {
            at_ms: std::time::SystemTime::now().into(),
            version: env!("CARGO_PKG_VERSION"),
            machine: &machine,
            store: bench.ground.store(),
            rounds: bench.args.rounds,
            figures,
        });
    }
    out.line(crate::output::escape::line(&format!(
        "{machine}; {}; {} rounds",
        bench.ground.store(),
        bench.args.rounds
    )))?;
    out.line("")?;
    out.table(&table(figures), "nothing to measure on this store")
}

fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new([
        "WHAT",
        "MEDIAN",
        "WORST",
        "CPU µs",
        "BESIDE",
        "THAT",
        "RATIO (MIN–MAX)",
        "TARGET",
    ]);
    for figure in figures {
        let value = |value: f64| shown(value, figure.unit);
        let beside = figure.beside.as_ref();
        table.row([
            figure.what.clone(),
            value(figure.value.median),
            value(worst(figure)),
            figure
                .cpu_us
                .map_or_else(String::new, |cpu| format!("{:.1}", cpu.median)),
            beside.map_or_else(String::new, |beside| beside.name.clone()),
            beside.map_or_else(String::new, |beside| value(beside.value.median)),
            beside.map_or_else(String::new, ratio),
            target(figure),
        ]);
    }
    table
}

/// The round that one would rather not tell of.
fn worst(figure: &Figure) -> f64 {
    match figure.unit {
        Unit::PerSecond => figure.value.min,
        Unit::Millis | Unit::Micros | Unit::Mib | Unit::Bytes | Unit::Percent | Unit::Commands => {
            figure.value.max
        }
    }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{}/s", indicatif::HumanCount(value.max(0.0) as u64)),
        Unit::Millis => format!("{value:.3} ms"),
        Unit::Micros => format!("{value:.1} µs"),
        Unit::Mib => format!("{value:.1} MiB"),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Percent => format!("{value:.2} %"),
        Unit::Commands => format!("{value:.1}/s"),
    }
}

fn ratio(beside: &Beside) -> String {
    let Spread { median, min, max } = beside.decided();
    let mark = match beside.decided_by {
        Decider::Wall => "",
        Decider::Cpu => " cpu",
    };
    format!("{median:.2} ({min:.2}–{max:.2}){mark}")
}

fn target(figure: &Figure) -> String {
    let (Some(target), Some(met)) = (figure.target, figure.met) else {
        return String::new();
    };
    let (sign, bound) = match target.bound {
        Bound::AtLeast(bound) => ("≥", bound),
        Bound::AtMost(bound) => ("≤", bound),
    };
    let bound = match target.of {
        Of::Ratio => format!("{bound:.2}"),
        Of::Value | Of::Max => shown(bound, figure.unit),
    };
    let mark = if met { "met" } else { "missed" };
    format!("{sign} {bound} {mark}")
}

/// The processor and how many of it, as far as the system tells.
fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let os = std::env::consts::OS;
    format!("{cpus} × {model}, {os}")
}

#[cfg(test)]
mod tests {
    use super::super::Phase;
    use super::*;

    #[test]
    fn a_row_says_the_worst_and_whether_the_target_is_met() {
        let spread = Spread {
            median: 2.0,
            min: 1.0,
            max: 4.0,
        };
        let figure = Figure::new(Phase::Latency, "p99", Unit::Millis, spread)
            .beside_values("before", &[2.0, 3.0], &[1.0, 1.0])
            .target(Of::Value, Bound::AtMost(1.5));
        let text = table(&[figure]).render(None);
        let row = text.lines().nth(1).unwrap();
        for expected in [
            "p99",
            "2.000 ms",
            "4.000 ms",
            "3.00 (2.00–3.00)",
            "≤ 1.500 ms missed",
        ] {
            assert!(row.contains(expected), "{expected}: {row}");
        }
        let rate = Figure::new(Phase::Runtime, "submit", Unit::PerSecond, spread);
        assert_eq!(worst(&rate), 1.0, "of a rate the lowest is the worst");
    }
}
