//! Figures: medians with their extremes, ratios to a contender, and the target if there is one.

use serde::Serialize;

use super::Phase;
use super::meter::Sample;

/// Wall clocks whose ratio differs by more than this among the rounds tell of the machine, not of us.
const NOISY: f64 = 1.5;

/// A value over several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else {
            return Self::one(f64::NAN);
        };
        Self {
            median: values[values.len() / 2],
            min: *min,
            max: *max,
        }
    }

    pub(super) fn one(value: f64) -> Self {
        Self {
            median: value,
            min: value,
            max: value,
        }
    }

    fn is_noisy(&self) -> bool {
        self.max > self.min * NOISY
    }
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    PerSecond,
    Millis,
    Micros,
    Mib,
    Bytes,
    Percent,
    /// Sent to a server in a second.
    Commands,
}

/// Which of two ratios is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decider {
    Wall,
    Cpu,
}

/// A contender that was measured in the same rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Beside {
    pub(super) name: String,
    pub(super) value: Spread,
    /// Ours divided by his, round by round.
    pub(super) ratio: Spread,
    /// The same of messages per second of CPU time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_ratio: Option<Spread>,
    pub(super) decided_by: Decider,
}

impl Beside {
    /// The ratio that is to be believed.
    pub(super) fn decided(&self) -> Spread {
        match (self.decided_by, self.cpu_ratio) {
            (Decider::Cpu, Some(cpu)) => cpu,
            _ => self.ratio,
        }
    }
}

/// What a target is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Of {
    Value,
    /// The largest of the rounds.
    Max,
    Ratio,
}

/// What we want to reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Target {
    pub(super) of: Of,
    #[serde(flatten)]
    pub(super) bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figure {
    pub(super) phase: Phase,
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) value: Spread,
    /// CPU time per message, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beside: Option<Beside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) met: Option<bool>,
    /// Where the point stands in a plot: the curve, and the batch size.
    #[serde(skip)]
    pub(super) point: Option<(&'static str, usize)>,
}

impl Figure {
    pub(super) fn new(phase: Phase, what: impl Into<String>, unit: Unit, value: Spread) -> Self {
        Self {
            phase,
            what: what.into(),
            unit,
            value,
            cpu_us: None,
            beside: None,
            target: None,
            met: None,
            point: None,
        }
    }

    /// Messages per second, of one sample a round.
    pub(super) fn rate(phase: Phase, what: impl Into<String>, samples: &[Sample]) -> Self {
        let rates = samples.iter().map(Sample::per_second);
        let mut figure = Self::new(phase, what, Unit::PerSecond, Spread::of(rates));
        let cpu: Option<Vec<f64>> = samples.iter().map(Sample::cpu_us).collect();
        figure.cpu_us = cpu.map(Spread::of);
        figure
    }

    /// Sets samples of a contender beside `ours`, round by round.
    pub(super) fn beside(mut self, name: &str, ours: &[Sample], his: &[Sample]) -> Self {
        let pairs = || ours.iter().zip(his);
        let ratio = Spread::of(pairs().map(|(a, b)| a.per_second() / b.per_second()));
        let cpu: Option<Vec<f64>> = pairs()
            .map(|(a, b)| Some(b.cpu_us()? / a.cpu_us()?))
            .collect();
        let cpu_ratio = cpu.map(Spread::of);
        let noisy = ratio.is_noisy() && cpu_ratio.is_some();
        self.beside = Some(Beside {
            name: name.to_owned(),
            value: Spread::of(his.iter().map(Sample::per_second)),
            ratio,
            cpu_ratio,
            decided_by: if noisy { Decider::Cpu } else { Decider::Wall },
        });
        self
    }

    /// Sets other values beside `ours`, round by round; nothing is known of their CPU time.
    pub(super) fn beside_values(mut self, name: &str, ours: &[f64], his: &[f64]) -> Self {
        self.beside = Some(Beside {
            name: name.to_owned(),
            value: Spread::of(his.iter().copied()),
            ratio: Spread::of(ours.iter().zip(his).map(|(a, b)| a / b)),
            cpu_ratio: None,
            decided_by: Decider::Wall,
        });
        self
    }

    /// What we want of it; without anything beside it a ratio has no target.
    pub(super) fn target(mut self, of: Of, bound: Bound) -> Self {
        let found = match of {
            Of::Value => Some(self.value.median),
            Of::Max => Some(self.value.max),
            Of::Ratio => self.beside.as_ref().map(|beside| beside.decided().median),
        };
        let Some(found) = found else { return self };
        self.target = Some(Target { of, bound });
        self.met = Some(match bound {
            Bound::AtLeast(least) => found >= least,
            Bound::AtMost(most) => found <= most,
        });
        self
    }

    pub(super) fn at(mut self, curve: &'static str, batch: usize) -> Self {
        self.point = Some((curve, batch));
        self
    }
}

/// The value below which that share of `values` lies.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(wall_ms: u64, cpu_ms: u64) -> Sample {
        Sample {
            messages: 1_000,
            wall: Duration::from_millis(wall_ms),
            cpu: Some(Duration::from_millis(cpu_ms)),
        }
    }

    fn beside(ours: &[Sample], his: &[Sample]) -> Figure {
        Figure::rate(Phase::Runtime, "", ours).beside("own", ours, his)
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_within_rounds() {
        let ours = [sample(200, 100), sample(400, 100), sample(100, 100)];
        let his = [sample(100, 50), sample(300, 50), sample(60, 50)];
        let beside = beside(&ours, &his).beside.unwrap();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        close(beside.ratio.median, 0.6);
        close(beside.ratio.min, 0.5);
        close(beside.ratio.max, 0.75);
        assert_eq!(beside.decided_by, Decider::Wall);
    }

    #[test]
    fn where_the_clock_on_the_wall_is_noisy_the_cpu_decides() {
        let ours = [sample(100, 100), sample(300, 100)];
        let his = [sample(100, 50), sample(100, 50)];
        let figure = beside(&ours, &his).target(Of::Ratio, Bound::AtLeast(0.5));
        let beside = figure.beside.unwrap();
        assert_eq!(beside.decided_by, Decider::Cpu);
        assert!((beside.decided().median - 0.5).abs() < 1e-9);
        assert_eq!(figure.met, Some(true));
    }

    #[test]
    fn a_target_that_is_missed_is_told() {
        let figure = |value| Figure::new(Phase::Latency, "", Unit::Millis, Spread::one(value));
        let bound = Bound::AtMost(5.0);
        assert_eq!(figure(5.1).target(Of::Value, bound).met, Some(false));
        assert_eq!(figure(5.0).target(Of::Value, bound).met, Some(true));
        assert_eq!(
            figure(1.0).target(Of::Ratio, bound).met,
            None,
            "nothing beside it"
        );
    }

    #[test]
    fn quantiles_are_of_the_sorted_values() {
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), 50.0);
        assert_eq!(quantile(&mut values, 0.99), 99.0);
        assert_eq!(quantile(&mut values, 1.0), 100.0);
        assert!(quantile(&mut [], 0.5).is_nan());
    }
}
