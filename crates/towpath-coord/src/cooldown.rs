//! Not yet again: what failed a moment ago is left alone for a while, longer with every failure in a row.
//!
//! Beside each file of a manifest stands `.{NAME}.cooldown.json`:
//!
//! ```json
//! {"last_attempt": "2016-09-12T17:16:20.337867", "num_attempts": 3}
//! ```
//!
//! The time is UTC. A failure is counted by reading the riders of all members, and writing the largest count and one more,
//! with one time, to each in turn. Who dies, or finds the disk full, between two members leaves the later ones with
//! the former count; as readers take the largest count and the latest time of all, the failure counts from the
//! first rider on. Before that it is lost, and nothing else. Whoever clears and dies between two members leaves
//! riders with the whole count: the files cool on, and the next success clears them.
//!
//! Nothing is locked here: the caller holds the directory's lock around looking and writing.

use std::ffi::OsStr;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use towpath_core::{Result, Timestamp};

use crate::manifest::{Manifest, RiderKind};
use crate::place::Place;
use crate::rider::{Rider, Riders, fields, unreadable};
use crate::utc;

/// How long the wait after a failure is.
///
/// ```
/// use std::time::Duration;
/// use towpath_coord::CoolDownParams;
/// let params = CoolDownParams::default();
/// let minutes = |attempts| params.wait(attempts).as_secs() / 60;
/// assert_eq!([0, 1, 2, 3, 100].map(minutes), [0, 1, 2, 3, 60]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoolDownParams {
    /// The wait after the first failure. Default 60 s.
    pub base: Duration,
    /// What every further failure in a row adds. Default 60 s.
    pub increment: Duration,
    /// The longest wait, also where `base` is longer. Default 1 h.
    pub maximum: Duration,
    /// How the wait grows. Default [`Growth::Additive`].
    pub growth: Growth,
}

/// How the wait grows with the failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Growth {
    /// After `n` failures `base + increment · (n − 1)`.
    #[default]
    Additive,
    /// After `n` failures `increment · baseⁿ`, `base` taken as a number of seconds: with a base of 2 s the wait doubles.
    Exponential,
}

impl Default for CoolDownParams {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            base: minute,
            increment: minute,
            maximum: 60 * minute,
            growth: Growth::Additive,
        }
    }
}

impl CoolDownParams {
    /// Returns the wait after so many failures in a row; none after none.
    pub fn wait(&self, attempts: u32) -> Duration {
        let Some(further) = attempts.checked_sub(1) else {
            return Duration::ZERO;
        };
        let wait = match self.growth {
            Growth::Additive => self
                .base
                .saturating_add(self.increment.saturating_mul(further)),
            Growth::Exponential => {
                let factor = self.base.as_secs_f64().powf(f64::from(attempts));
                let seconds = self.increment.as_secs_f64() * factor;
                match seconds.is_nan() {
                    // Nothing, times without end.
                    true => Duration::ZERO,
                    false => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
                }
            }
        };
        wait.min(self.maximum)
    }
}

/// What a cooldown rider says: how often in a row, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// Failures in a row.
    pub attempts: u32,
    /// When the last of them was.
    pub last: Timestamp,
}

impl Failures {
    /// Reads a rider, also as other programs write it: the time with or without a fraction, `Z` or an offset, or as a
    /// number of seconds since 1970. A count beyond `u32::MAX` is read as that.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when it is no JSON object, or one of the two is missing or something else.
    ///
    /// # Examples
    ///
    /// ```
    /// use towpath_coord::Failures;
    /// let rider = br#"{"num_attempts": 3, "last_attempt": "2016-09-12T17:16:20Z"}"#;
    /// let failures = Failures::from_json(rider)?;
    /// assert_eq!((failures.attempts, failures.last.as_millis()), (3, 1_473_700_580_000));
    /// assert!(Failures::from_json(b"").is_err());
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let fields = fields(json)?;
        let value = |key: &str| {
            let text = fields.get(key)?.get();
            serde_json::from_str::<Value>(text).ok()
        };
        let attempts = value("num_attempts").as_ref().and_then(count);
        let last = value("last_attempt").as_ref().and_then(time);
        match (attempts, last) {
            (Some(attempts), Some(last)) => Ok(Self { attempts, last }),
            (None, _) => Err(unreadable("num_attempts is no count")),
            (_, None) => Err(unreadable("last_attempt is no time")),
        }
    }
}

/// A count, which some writers have as `3.0`.
fn count(value: &Value) -> Option<u32> {
    let saturated = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let whole = |count: &f64| *count >= 0.0 && count.fract() == 0.0;
    // A cast of a float saturates.
    let float = || value.as_f64().filter(whole).map(|count| count as u64);
    value.as_u64().or_else(float).map(saturated)
}

fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => utc::parse(text),
        // A cast of a float saturates.
        Value::Number(seconds) => {
            let millis = (seconds.as_f64()? * 1_000.0).round() as i64;
            Some(Timestamp::from_millis(millis))
        }
        _ => None,
    }
}

#[derive(Serialize)]
struct Written {
    num_attempts: u32,
    last_attempt: String,
}

/// Whether files that are made together failed too recently to be tried again.
///
/// For work that is not of files use the retries of a queue. Looking and writing are not one step: hold the
/// directory's lock around them.
///
/// ```
/// use towpath_coord::{CoolDown, CoolDownParams, Manifest, Network, Place, World};
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let place = Place::open(World::new(), directory, Network::Refuse)?;
/// let cooldown = CoolDown::new(&place, &Manifest::new(["map.fits"])?, CoolDownParams::default());
/// assert!(!cooldown.in_progress()?);
/// assert_eq!(cooldown.write()?, 1);
/// assert!(cooldown.in_progress()?);
/// cooldown.clear()?;
/// assert!(!cooldown.in_progress()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CoolDown {
    riders: Riders,
    params: CoolDownParams,
}

impl CoolDown {
    /// Names what is cooling; nothing is read or written yet.
    pub fn new(place: &Place, manifest: &Manifest, params: CoolDownParams) -> Self {
        let riders = Riders::new(place, manifest, RiderKind::CoolDown);
        Self { riders, params }
    }

    /// Tells whether it is too early to try again.
    ///
    /// # Errors
    ///
    /// As [`remaining`](CoolDown::remaining).
    pub fn in_progress(&self) -> Result<bool> {
        Ok(self.remaining()? > Duration::ZERO)
    }

    /// Returns how long it is until the files may be tried again; zero when they may. Never more than the maximum.
    ///
    /// A rider that cannot be read counts as one failure at the time when it was written, and is told by `tracing`.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](towpath_core::Kind::Storage) when the directory cannot be read.
    pub fn remaining(&self) -> Result<Duration> {
        let Failures { attempts, last } = self.failures()?;
        let now = self.riders.place.world.clock.now();
        Ok(last.after(self.params.wait(attempts)).since(now))
    }

    /// Returns how often in a row making the files has failed.
    ///
    /// # Errors
    ///
    /// As [`remaining`](CoolDown::remaining).
    pub fn attempts(&self) -> Result<u32> {
        Ok(self.failures()?.attempts)
    }

    /// Counts one more failure, now, and returns how many there are in a row.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](towpath_core::Kind::Storage) when the directory cannot be read or written, or is full. The failure may
    /// then count or not; those before it do.
    pub fn write(&self) -> Result<u32> {
        self.riders.collect();
        let attempts = self.failures()?.attempts.saturating_add(1);
        let written = Written {
            num_attempts: attempts,
            last_attempt: utc::format(self.riders.place.world.clock.now()),
        };
        for member in self.riders.members() {
            self.riders.write(member, &written)?;
        }
        Ok(attempts)
    }

    /// Forgets the failures, as a success does; that there are none is fine.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](towpath_core::Kind::Storage) when a rider cannot be removed; the others are.
    pub fn clear(&self) -> Result<()> {
        self.riders.clear()
    }

    /// The largest count and the latest time of all members.
    fn failures(&self) -> Result<Failures> {
        let none = Failures {
            attempts: 0,
            last: Timestamp::from_millis(i64::MIN),
        };
        self.riders.members().try_fold(none, |all, member| {
            let Some(failures) = self.failures_of(member)? else {
                return Ok(all);
            };
            Ok(Failures {
                attempts: all.attempts.max(failures.attempts),
                last: all.last.max(failures.last),
            })
        })
    }

    fn failures_of(&self, member: &OsStr) -> Result<Option<Failures>> {
        let (failures, modified) = match self.riders.read(member, Failures::from_json)? {
            Rider::Missing => return Ok(None),
            Rider::Unreadable { modified } => (
                Failures {
                    attempts: 1,
                    last: modified,
                },
                modified,
            ),
            Rider::Read { is, modified } => (is, modified),
        };
        let last = self.riders.counted_from(member, failures.last, modified);
        Ok(Some(Failures { last, ..failures }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_maximum() {
        let check = |(growth, base, increment, maximum): (Growth, u64, u64, u64),
                     attempts: u32,
                     expected: u64| {
            let [base, increment, maximum] = [base, increment, maximum].map(Duration::from_secs);
            let params = CoolDownParams {
                base,
                increment,
                maximum,
                growth,
            };
            assert_eq!(
                params.wait(attempts),
                Duration::from_secs(expected),
                "{params:?} {attempts}"
            );
        };
        use Growth::{Additive, Exponential};
        for (attempts, expected) in [
            (0, 0),
            (1, 10),
            (2, 15),
            (3, 20),
            (19, 100),
            (20, 100),
            (u32::MAX, 100),
        ] {
            check((Additive, 10, 5, 100), attempts, expected);
        }
        check((Additive, 200, 5, 100), 1, 100);
        check((Additive, 200, 5, 100), 0, 0);
        check((Additive, 7, 0, 100), u32::MAX, 7);
        check((Additive, 0, 0, 100), 5, 0);
        check((Additive, 10, 5, 0), 5, 0);
        check((Additive, u64::MAX, u64::MAX, u64::MAX), u32::MAX, u64::MAX);
        for (attempts, expected) in [(0, 0), (1, 20), (2, 40), (3, 80), (4, 100), (u32::MAX, 100)] {
            check((Exponential, 2, 10, 100), attempts, expected);
        }
        check((Exponential, 2, 0, 100), u32::MAX, 0);
        check((Exponential, 0, 10, 100), 1, 0);
        check((Exponential, 1, 10, 100), u32::MAX, 10);
        check((Exponential, u64::MAX, u64::MAX, 100), u32::MAX, 100);
    }

    #[test]
    fn riders_are_read_as_others_write_them() {
        let check = |json: &str, expected: Option<(u32, i64)>| {
            let read = Failures::from_json(json.as_bytes()).ok();
            assert_eq!(
                read.map(|told| (told.attempts, told.last.as_millis())),
                expected,
                "{json}"
            );
        };
        let with = |attempts: &str, last: &str| {
            format!(r#"{{"num_attempts": {attempts}, "last_attempt": {last}}}"#)
        };
        const T: i64 = 1_473_700_580_000;
        check(
            &with("3", r#""2016-09-12T17:16:20.337867""#),
            Some((3, T + 337)),
        );
        check(&with("3", r#""2016-09-12T17:16:20""#), Some((3, T)));
        check(&with("3.0", r#""2016-09-12T17:16:20Z""#), Some((3, T)));
        check(&with("0", r#""2016-09-12T19:16:20+02:00""#), Some((0, T)));
        check(&with("3", "1473700580.337"), Some((3, T + 337)));
        check(&with("3", "1473700580"), Some((3, T)));
        check(
            &with("99999999999999999999", "-1e300"),
            Some((u32::MAX, i64::MIN)),
        );
        check(&with("1e300", "1e300"), Some((u32::MAX, i64::MAX)));
        check(
            r#"{"x": [[{}]], "num_attempts": 1, "num_attempts": 2, "last_attempt": 0}"#,
            Some((2, 0)),
        );
        for (attempts, last) in [
            ("-1", "0"),
            ("1.5", "0"),
            ("\"1\"", "0"),
            ("null", "0"),
            ("1", "null"),
            ("1", "\"now\""),
        ] {
            check(&with(attempts, last), None);
        }
        for json in [
            "",
            "{",
            "{}",
            "[]",
            "7",
            "\0\0\0",
            r#"{"num_attempts": 1}"#,
            r#"{"last_attempt": 1}"#,
        ] {
            check(json, None);
        }
        check(&"[".repeat(60_000), None);
        check(&format!(r#"{{"x": {}"#, "[".repeat(60_000)), None);
    }
}
