//! Many durations in few figures.

use std::fmt;

use serde::Serialize;

/// Durations, in microseconds, 4 bytes each: there are millions of them.
#[derive(Debug, Clone, Default)]
pub struct Durations(Vec<u32>);

impl Durations {
    /// Adds one; over an hour counts as an hour and some.
    pub fn add(&mut self, micros: u64) {
        self.0.push(u32::try_from(micros).unwrap_or(u32::MAX));
    }

    /// The figures.
    pub fn quantiles(mut self) -> Quantiles {
        self.0.sort_unstable();
        let at = |permille: usize| -> f64 {
            let last = self.0.len().saturating_sub(1);
            f64::from(self.0.get(last * permille / 1_000).copied().unwrap_or(0)) / 1_000.0
        };
        Quantiles {
            count: self.0.len(),
            p50_ms: at(500),
            p99_ms: at(990),
            max_ms: at(1_000),
        }
    }
}

/// How many, and how long half, 99 in a hundred, and all of them were at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Quantiles {
    pub count: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            p50_ms,
            p99_ms,
            max_ms,
        } = self;
        write!(f, "{count:>10}{p50_ms:>12.1}{p99_ms:>12.1}{max_ms:>12.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let mut durations = Durations::default();
        for micros in (1..=1_000).rev() {
            durations.add(micros * 1_000);
        }
        let quantiles = durations.quantiles();
        assert_eq!(quantiles.count, 1_000);
        assert_eq!((quantiles.p50_ms, quantiles.p99_ms), (500.0, 990.0));
        assert_eq!(quantiles.max_ms, 1_000.0);
        assert_eq!(Durations::default().quantiles().max_ms, 0.0);
    }
}
