//! How long to wait before the next retry: constant, linear, exponential, or the user's own formula.
//!
//! A [`Backoff`] is a formula with bounds and jitter on top. What is stored with a message is its
//! [`BackoffSettings`], `{"algorithm": …, "parameters": {…}}` with times in milliseconds, and
//! [`Backoffs`] builds the formula again from that name. An unknown name never loses a message.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The formula of a backoff. Implement it for one of your own and register it with [`Backoffs`].
pub trait Formula: fmt::Debug + Send + Sync + 'static {
    /// The name under which its settings are stored.
    fn algorithm(&self) -> &str;

    /// The parameters that make it again, times in milliseconds.
    fn parameters(&self) -> Map<String, Value>;

    /// The wait before retry number `incidents` (the first is 1), before bounds and jitter.
    ///
    /// Saturate rather than overflow; the bounds are applied after.
    fn delay(&self, incidents: u32) -> Duration;
}

/// The same wait each time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Constant {
    constant: Duration,
}

/// A wait that grows by the same amount each time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Linear {
    factor: Duration,
}

/// A wait that is multiplied each time: `factor · base^incidents`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Exponential {
    base: f64,
    factor: Duration,
}

impl Formula for Constant {
    fn algorithm(&self) -> &'static str {
        "ConstantBackoff"
    }
    fn parameters(&self) -> Map<String, Value> {
        Map::from_iter([("constant".to_owned(), millis(self.constant))])
    }
    fn delay(&self, _incidents: u32) -> Duration {
        self.constant
    }
}

impl Formula for Linear {
    fn algorithm(&self) -> &'static str {
        "LinearBackoff"
    }
    fn parameters(&self) -> Map<String, Value> {
        Map::from_iter([("factor".to_owned(), millis(self.factor))])
    }
    fn delay(&self, incidents: u32) -> Duration {
        self.factor.saturating_mul(incidents)
    }
}

impl Formula for Exponential {
    fn algorithm(&self) -> &'static str {
        "ExponentialBackoff"
    }
    fn parameters(&self) -> Map<String, Value> {
        // A whole base is written as an integer, as the settings of other programs have it.
        let base = if self.base.fract() == 0.0 && self.base.abs() < 1e15 {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
            Value::from(self.base as i64)
        } else {
            Value::from(self.base)
        };
        Map::from_iter([
            ("base".to_owned(), base),
            ("factor".to_owned(), millis(self.factor)),
        ])
    }
    fn delay(&self, incidents: u32) -> Duration {
        let power = self.base.powi(i32::try_from(incidents).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(self.factor.as_secs_f64() * power).unwrap_or(Duration::MAX)
    }
}

fn millis(duration: Duration) -> Value {
    Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A formula with bounds and jitter.
///
/// A formula that is named has a ceiling of 1 hour, no floor, and no wait at zero incidents; set other
/// bounds by name. The default of tasks that name none is alsek's, whose settings this format shares:
/// exponential, between 1 minute and 1 hour. Jitter adds up to a tenth on top, also on top of the ceiling,
/// so that messages that failed together do not come back together. No wait is longer than
/// [`LONGEST`](crate::limits::LONGEST), jitter included.
///
/// ```
/// use std::time::Duration;
/// use towpath_core::Backoff;
/// let backoff = Backoff::exponential(4.0, Duration::from_secs(10));
/// let waits: Vec<u64> = (0..6).map(|i| backoff.get(i).as_secs()).collect();
/// assert_eq!(waits, [0, 40, 160, 640, 2_560, 3_600]);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    formula: Arc<dyn Formula>,
    floor: Option<Duration>,
    ceiling: Option<Duration>,
    zero_override: bool,
    jitter: f64,
}

/// Added on top of every wait by default, as a part of it.
const JITTER: f64 = 0.1;

impl Default for Backoff {
    /// Exponential, base 4, factor 10 s, at least 1 minute, at most 1 hour.
    fn default() -> Self {
        Self::exponential(4.0, Duration::from_secs(10)).floor(Duration::from_secs(60))
    }
}

impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }
}

impl Backoff {
    /// The same wait before each retry.
    pub fn constant(constant: Duration) -> Self {
        Self::custom(Arc::new(Constant { constant }))
    }

    /// A wait of `factor` times the number of the retry.
    pub fn linear(factor: Duration) -> Self {
        Self::custom(Arc::new(Linear { factor }))
    }

    /// A wait of `factor · base^n` before retry `n`.
    ///
    /// A base that is negative or not finite counts as 1.
    pub fn exponential(base: f64, factor: Duration) -> Self {
        let base = if base.is_finite() && base >= 0.0 {
            base
        } else {
            1.0
        };
        Self::custom(Arc::new(Exponential { base, factor }))
    }

    /// No wait at all.
    pub fn none() -> Self {
        Self::constant(Duration::ZERO)
            .floor(Duration::ZERO)
            .jitter(0.0)
    }

    /// A formula of the user's own, with the default bounds. Register it with [`Backoffs`] in every
    /// worker that may meet it.
    pub fn custom(formula: Arc<dyn Formula>) -> Self {
        Self {
            formula,
            floor: None,
            ceiling: Some(Duration::from_secs(60 * 60)),
            zero_override: true,
            jitter: JITTER,
        }
    }

    /// Never waits less than that. A floor above the ceiling lifts the ceiling to it.
    #[must_use]
    pub fn floor(mut self, floor: Duration) -> Self {
        self.floor = Some(floor);
        self.ceiling = self.ceiling.map(|ceiling| ceiling.max(floor));
        self
    }

    /// Never waits more than that, jitter apart: it is added to what the ceiling leaves, or all who have
    /// reached the ceiling would come back together. A ceiling below the floor lowers the floor to it.
    #[must_use]
    pub fn ceiling(mut self, ceiling: Duration) -> Self {
        self.ceiling = Some(ceiling);
        self.floor = self.floor.map(|floor| floor.min(ceiling));
        self
    }

    /// Removes both bounds.
    #[must_use]
    pub fn unbounded(mut self) -> Self {
        (self.floor, self.ceiling) = (None, None);
        self
    }

    /// Whether zero incidents mean no wait, whatever the floor (the default).
    #[must_use]
    pub fn zero_override(mut self, zero_override: bool) -> Self {
        self.zero_override = zero_override;
        self
    }

    /// Adds up to this part of the wait on top, at random; 0 is none. Clamped to 0..=1.
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = if jitter.is_finite() {
            jitter.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self
    }

    /// The wait before retry number `incidents`, without jitter.
    pub fn get(&self, incidents: u32) -> Duration {
        if self.zero_override && incidents == 0 {
            return Duration::ZERO;
        }
        let delay = self.formula.delay(incidents);
        let delay = self.floor.map_or(delay, |floor| delay.max(floor));
        self.ceiling
            .map_or(delay, |ceiling| delay.min(ceiling))
            .min(crate::limits::LONGEST)
    }

    /// The wait before retry number `incidents`, with jitter from `random` in 0..1; at most
    /// [`LONGEST`](crate::limits::LONGEST).
    pub fn delay(&self, incidents: u32, random: f64) -> Duration {
        let delay = self.get(incidents);
        let jitter = delay.mul_f64(self.jitter * random.clamp(0.0, 1.0));
        (delay + jitter).min(crate::limits::LONGEST)
    }

    /// What is stored with a message to make this backoff again.
    pub fn settings(&self) -> BackoffSettings {
        let mut parameters = self.formula.parameters();
        let bound = |bound: Option<Duration>| bound.map_or(Value::Null, millis);
        parameters.insert("floor".to_owned(), bound(self.floor));
        parameters.insert("ceiling".to_owned(), bound(self.ceiling));
        parameters.insert("zero_override".to_owned(), Value::Bool(self.zero_override));
        BackoffSettings {
            algorithm: self.formula.algorithm().to_owned(),
            parameters,
            jitter: self.jitter,
        }
    }
}

/// The name and the numbers of a backoff, as stored: `{"algorithm", "parameters", "jitter"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackoffSettings {
    /// The name of the formula, such as `ExponentialBackoff`.
    pub algorithm: String,
    /// The formula's own parameters with `floor`, `ceiling` and `zero_override`; milliseconds.
    pub parameters: Map<String, Value>,
    /// The jitter, left out when there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub jitter: f64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that serde calls"
)]
fn is_zero(jitter: &f64) -> bool {
    *jitter == 0.0
}

/// Makes a formula from its own parameters; unknown names have been refused before.
pub type Build = fn(&Parameters<'_>) -> Result<Arc<dyn Formula>>;

/// The parameters of stored settings, read by name.
#[derive(Debug)]
pub struct Parameters<'a> {
    algorithm: &'a str,
    map: &'a Map<String, Value>,
}

impl Parameters<'_> {
    /// The parameter `name` as a number, or `default` when it is left out.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when it is there and no finite number of at least 0.
    pub fn number(&self, name: &str, default: f64) -> Result<f64> {
        match self.map.get(name) {
            None => Ok(default),
            Some(value) => value
                .as_f64()
                .filter(|n| n.is_finite() && *n >= 0.0)
                .ok_or_else(|| {
                    let algorithm = self.algorithm;
                    Error::invalid(format!(
                        "backoff {algorithm:?}: {name} is {value}, not a number of at least 0"
                    ))
                }),
        }
    }

    /// The parameter `name` as a duration in milliseconds, or `default` when it is left out.
    ///
    /// # Errors
    ///
    /// As [`number`](Parameters::number).
    pub fn duration(&self, name: &str, default: Duration) -> Result<Duration> {
        let millis = self.number(name, default.as_secs_f64() * 1_000.0)?;
        Ok(Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or(Duration::MAX))
    }

    fn bound(&self, name: &str, default: Duration) -> Result<Option<Duration>> {
        match self.map.get(name) {
            Some(Value::Null) => Ok(None),
            _ => self.duration(name, default).map(Some),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.map.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => {
                let algorithm = self.algorithm;
                Err(Error::invalid(format!(
                    "backoff {algorithm:?}: {name} is {other}, not true or false"
                )))
            }
        }
    }
}

const BOUNDS: [&str; 3] = ["floor", "ceiling", "zero_override"];

/// The formulas that an app knows, by name: the three built in, and the user's own.
#[derive(Debug, Clone)]
pub struct Backoffs(BTreeMap<String, (&'static [&'static str], Build)>);

impl Default for Backoffs {
    fn default() -> Self {
        let mut known = Self(BTreeMap::new());
        let built_in: [(&str, &'static [&'static str], Build); 3] = [
            ("ConstantBackoff", &["constant"], |p| {
                let constant = p.duration("constant", Duration::from_secs(60))?;
                Ok(Arc::new(Constant { constant }))
            }),
            ("LinearBackoff", &["factor"], |p| {
                Ok(Arc::new(Linear {
                    factor: p.duration("factor", Duration::from_secs(30))?,
                }))
            }),
            ("ExponentialBackoff", &["base", "factor"], |p| {
                let base = p.number("base", 4.0)?;
                Ok(Arc::new(Exponential {
                    base,
                    factor: p.duration("factor", Duration::from_secs(10))?,
                }))
            }),
        ];
        for (name, parameters, build) in built_in {
            known.0.insert(name.to_owned(), (parameters, build));
        }
        known
    }
}

impl Backoffs {
    /// Adds a formula of the user's own: its name, the names of its parameters, and how to make it.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when the name is taken.
    pub fn register(
        &mut self,
        algorithm: &str,
        parameters: &'static [&'static str],
        build: Build,
    ) -> Result<()> {
        if self.0.contains_key(algorithm) {
            return Err(Error::invalid(format!(
                "backoff {algorithm:?} is already registered"
            )));
        }
        self.0.insert(algorithm.to_owned(), (parameters, build));
        Ok(())
    }

    /// Makes the backoff that `settings` describe.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when the algorithm is not registered, a parameter is
    /// unknown to it or no number of at least 0, or the floor is above the ceiling.
    pub fn build(&self, settings: &BackoffSettings) -> Result<Backoff> {
        let BackoffSettings {
            algorithm,
            parameters,
            jitter,
        } = settings;
        let Some((known, build)) = self.0.get(algorithm) else {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(Error::invalid(format!(
                "backoff {algorithm:?} is not registered (known: {known})"
            )));
        };
        let unknown =
            |name: &&String| !known.contains(&name.as_str()) && !BOUNDS.contains(&name.as_str());
        if let Some(name) = parameters.keys().find(unknown) {
            return Err(Error::invalid(format!(
                "backoff {algorithm:?} has no parameter {name:?}"
            )));
        }
        let parameters = Parameters {
            algorithm,
            map: parameters,
        };
        let base = Backoff::custom(build(&parameters)?);
        let floor = parameters.bound("floor", Duration::from_secs(60))?;
        let ceiling = parameters.bound("ceiling", Duration::from_secs(60 * 60))?;
        if let (Some(floor), Some(ceiling)) = (floor, ceiling)
            && floor > ceiling
        {
            return Err(Error::invalid(format!(
                "backoff {algorithm:?}: floor {floor:?} is above ceiling {ceiling:?}"
            )));
        }
        let zero_override = parameters.flag("zero_override", true)?;
        Ok(Backoff {
            floor,
            ceiling,
            zero_override,
            ..base
        }
        .jitter(*jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waits(backoff: &Backoff, upto: u32) -> Vec<u128> {
        (0..=upto).map(|i| backoff.get(i).as_millis()).collect()
    }

    #[test]
    fn the_defaults_are_the_documented_numbers() {
        let exponential = [0, 60_000, 160_000, 640_000, 2_560_000, 3_600_000, 3_600_000];
        assert_eq!(waits(&Backoff::default(), 6), exponential);
        let linear = Backoff::linear(Duration::from_secs(30)).floor(Duration::from_secs(60));
        assert_eq!(waits(&linear, 3), [0, 60_000, 60_000, 90_000]);
        let constant = Backoff::constant(Duration::from_secs(60));
        assert_eq!(waits(&constant, 2), [0, 60_000, 60_000]);
    }

    #[test]
    fn huge_incident_counts_saturate() {
        let wild = Backoff::exponential(1e300, Duration::MAX).unbounded();
        assert_eq!(wild.get(u32::MAX), crate::limits::LONGEST);
        assert_eq!(
            Backoff::linear(Duration::MAX).unbounded().get(9),
            crate::limits::LONGEST
        );
        assert_eq!(
            Backoff::exponential(f64::NAN, Duration::from_secs(1))
                .get(5)
                .as_secs(),
            1
        );
    }

    #[test]
    fn zero_override_and_floor_at_zero_incidents() {
        let second = Duration::from_secs(1);
        let backoff = Backoff::linear(second)
            .floor(second)
            .ceiling(Duration::from_secs(30));
        assert_eq!(
            waits(&backoff.clone().zero_override(false), 2),
            [1_000, 1_000, 2_000]
        );
        assert_eq!(waits(&backoff, 2), [0, 1_000, 2_000]);
    }

    #[test]
    fn jitter_only_ever_adds_and_at_most_its_part() {
        let backoff = Backoff::constant(Duration::from_secs(100)).jitter(0.1);
        assert_eq!(backoff.delay(1, 0.0), Duration::from_secs(100));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_secs(110));
        assert_eq!(backoff.delay(1, 7.0), Duration::from_secs(110));
    }

    #[test]
    fn jitter_goes_beyond_the_ceiling_and_never_beyond_the_longest_wait() {
        let hour = Duration::from_secs(3_600);
        let at_ceiling = Backoff::constant(hour * 2).jitter(0.5);
        assert_eq!(at_ceiling.get(1), hour);
        assert_eq!(at_ceiling.delay(1, 1.0), hour.mul_f64(1.5));
        let longest = crate::limits::LONGEST;
        for wait in [longest, Duration::MAX] {
            let longer = Backoff::constant(wait).unbounded().jitter(1.0);
            assert_eq!(longer.delay(1, 1.0), longest);
        }
    }

    #[test]
    fn settings_round_trip_by_name() {
        let backoffs = Backoffs::default();
        for backoff in [
            Backoff::default(),
            Backoff::constant(Duration::from_millis(5))
                .floor(Duration::ZERO)
                .jitter(0.5),
            Backoff::linear(Duration::from_secs(3)).unbounded(),
            Backoff::exponential(1.5, Duration::from_secs(2)).zero_override(false),
        ] {
            let text = serde_json::to_string(&backoff.settings()).unwrap();
            let read: BackoffSettings = serde_json::from_str(&text).unwrap();
            assert_eq!(backoffs.build(&read).unwrap(), backoff, "{text}");
        }
    }

    #[test]
    fn the_settings_have_the_shared_shape() {
        let settings = serde_json::to_value(Backoff::default().jitter(0.0).settings()).unwrap();
        let expected = json!({"algorithm": "ExponentialBackoff", "parameters": {
            "base": 4, "factor": 10_000, "floor": 60_000, "ceiling": 3_600_000, "zero_override": true}});
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_named_formula_has_no_floor_and_settings_without_bounds_have_alseks() {
        assert_eq!(
            Backoff::constant(Duration::from_secs(5)).get(1),
            Duration::from_secs(5)
        );
        let settings = json!({"algorithm": "ConstantBackoff", "parameters": {"constant": 5_000}});
        let settings = serde_json::from_value(settings).unwrap();
        let read = Backoffs::default().build(&settings).unwrap();
        assert_eq!(read.get(1), Duration::from_secs(60));
    }

    #[test]
    fn bad_settings_are_refused_by_name() {
        let check = |settings: Value, expected: &str| {
            let settings: BackoffSettings = serde_json::from_value(settings).unwrap();
            let error = Backoffs::default()
                .build(&settings)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(
            json!({"algorithm": "Nope", "parameters": {}}),
            "\"Nope\" is not registered",
        );
        check(
            json!({"algorithm": "LinearBackoff", "parameters": {"base": 1}}),
            "no parameter \"base\"",
        );
        check(
            json!({"algorithm": "LinearBackoff", "parameters": {"factor": -1}}),
            "factor is -1",
        );
        check(
            json!({"algorithm": "LinearBackoff", "parameters": {"floor": 2, "ceiling": 1}}),
            "above ceiling",
        );
    }

    #[derive(Debug)]
    struct Square;
    impl Formula for Square {
        fn algorithm(&self) -> &'static str {
            "Square"
        }
        fn parameters(&self) -> Map<String, Value> {
            Map::new()
        }
        fn delay(&self, incidents: u32) -> Duration {
            Duration::from_secs(u64::from(incidents).pow(2))
        }
    }

    #[test]
    fn a_formula_of_the_users_own_round_trips_too() {
        let mut backoffs = Backoffs::default();
        backoffs
            .register("Square", &[], |_| Ok(Arc::new(Square)))
            .unwrap();
        let backoff = Backoff::custom(Arc::new(Square)).unbounded();
        let again = backoffs.build(&backoff.settings()).unwrap();
        assert_eq!(again.get(9), Duration::from_secs(81));
        assert!(
            backoffs
                .register("Square", &[], |_| Ok(Arc::new(Square)))
                .is_err()
        );
    }
}
