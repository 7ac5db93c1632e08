//! Somebody is on it: a claim on the files of a manifest, which lapses.
//!
//! Beside each file stands `.{NAME}.intent.json`:
//!
//! ```json
//! {"timeout": 1473701180.0, "token": "…", "fence": 7, "owner": {"host": "…", …}, "boot_expiry_ms": 1600000}
//! ```
//!
//! `timeout` is for every reader: the UNIX time at which the claim lapses. We also read the rest: `token` tells one
//! claim from all others, and during the start of the machine that `owner` names, its boot clock decides, which nobody sets. A
//! claim whose owner is known to be dead has lapsed.
//!
//! Riders are written and removed member by member. A claim is *ours* while every member carries it; it is *in
//! progress* while any member carries one that has not lapsed. Who dies
//!
//! ```text
//!   taking     leaves a part of the members claimed: nobody's claim, in progress until the death is known, or the time is up
//!   renewing   leaves members that lapse at different times, all of one claim: the latest counts
//!   clearing   leaves the last members claimed, as by a death while taking
//! ```
//!
//! Nothing is locked here: the caller holds the directory's lock from looking to writing, and from verifying to
//! publishing and clearing.

use std::ffi::OsStr;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use towpath_core::{Error, Kind, Result, Timestamp};

use crate::liveness::{Identity, Life};
use crate::manifest::{Manifest, RiderKind};
use crate::place::{Place, World};
use crate::rider::{Rider, Riders, fields, unreadable};

/// How long a claim that cannot be read is honoured, from when it was written: 10 minutes.
pub const CLAIM_TIME: Duration = Duration::from_secs(10 * 60);

/// What an intent rider says.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// When it lapses, by the wall clock.
    pub timeout: Timestamp,
    /// Tells it from other claims.
    pub token: Option<String>,
    /// The number under which its owner held the directory's lock.
    pub fence: Option<u64>,
    /// Who has it.
    pub owner: Option<Identity>,
    /// When it lapses, as time since the owner's machine started.
    pub boot_expiry: Option<Duration>,
}

impl Claim {
    /// Reads a rider, also a bare number of seconds since 1970. Of the rest what is missing, or of another shape, is `None`.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when it is neither such a number nor a JSON object with one as `timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// use towpath_coord::Claim;
    /// let claim = Claim::from_json(br#"{"timeout": 1473701180.5, "by": "another program"}"#)?;
    /// assert_eq!(claim.timeout.as_millis(), 1_473_701_180_500);
    /// assert_eq!(Claim::from_json(b"1473701180.5")?, claim);
    /// assert!(Claim::from_json(b"soon").is_err());
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self> {
        if let Ok(seconds) = serde_json::from_slice::<f64>(json) {
            return Ok(Self {
                timeout: timestamp(seconds),
                token: None,
                fence: None,
                owner: None,
                boot_expiry: None,
            });
        }
        let fields = fields(json)?;
        let text = |key: &str| fields.get(key).map(|value| RawValue::get(value));
        let value = |key: &str| serde_json::from_str::<Value>(text(key)?).ok();
        let timeout = value("timeout").as_ref().and_then(Value::as_f64);
        let timeout = timeout.ok_or_else(|| unreadable("timeout is no number"))?;
        Ok(Self {
            timeout: timestamp(timeout),
            token: value("token").and_then(|token| token.as_str().map(str::to_owned)),
            fence: value("fence").as_ref().and_then(Value::as_u64),
            owner: text("owner").and_then(|owner| serde_json::from_str(owner).ok()),
            boot_expiry: value("boot_expiry_ms")
                .as_ref()
                .and_then(Value::as_u64)
                .map(Duration::from_millis),
        })
    }

    /// How long it is until it lapses.
    pub(crate) fn remaining(&self, world: &World) -> Duration {
        if let Some(owner) = &self.owner {
            if world.processes.life(owner) == Life::Dead {
                return Duration::ZERO;
            }
            let me = world.processes.me();
            let expiry = self.boot_expiry.filter(|_| owner.is_of_the_start_of(&me));
            if let Some(expiry) = expiry {
                return expiry.saturating_sub(world.clock.uptime());
            }
        }
        self.timeout.since(world.clock.now())
    }
}

/// The point of time so many seconds after 1970, or the nearest there is.
fn timestamp(seconds: f64) -> Timestamp {
    // A cast of a float saturates.
    Timestamp::from_millis((seconds * 1_000.0).round() as i64)
}

#[derive(Serialize)]
struct Written<'a> {
    timeout: f64,
    token: &'a str,
    fence: u64,
    owner: Identity,
    boot_expiry_ms: u64,
}

/// The intent to make the files of a manifest: while it is in progress, nobody else begins.
///
/// Each value has a token of its own, so that two of them never take each other's claim for theirs, also in one process.
/// Looking and writing are not one step: hold the directory's lock around them.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use towpath_coord::{Intent, Manifest, Network, Place, World};
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let place = Place::open(World::new(), directory, Network::Refuse)?;
/// let manifest = Manifest::new(["map.fits"])?;
/// let (ours, theirs) = (Intent::new(&place, &manifest, 1), Intent::new(&place, &manifest, 2));
/// ours.write((SystemTime::now() + Duration::from_secs(60)).into())?;
/// assert!(theirs.in_progress()?);
/// assert!(!theirs.verify()?);
/// theirs.clear()?;
/// assert!(ours.verify()?);
/// ours.clear()?;
/// assert!(!theirs.in_progress()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Intent {
    riders: Riders,
    token: String,
    fence: u64,
}

impl Intent {
    /// Names what is to be made; nothing is read or written yet. `fence` is the number under which the caller holds the
    /// directory's lock, and is written down for those who look.
    pub fn new(place: &Place, manifest: &Manifest, fence: u64) -> Self {
        Self {
            riders: Riders::new(place, manifest, RiderKind::Intent),
            token: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            fence,
        }
    }

    /// Tells whether somebody, we included, is making the files.
    ///
    /// # Errors
    ///
    /// As [`remaining`](Intent::remaining).
    pub fn in_progress(&self) -> Result<bool> {
        Ok(self.remaining()? > Duration::ZERO)
    }

    /// Returns how long it is until the last claim on any of the files lapses; zero when there is none.
    ///
    /// A rider that cannot be read is a claim until [`CLAIM_TIME`] after it was written, and is told by `tracing`.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the directory cannot be read.
    pub fn remaining(&self) -> Result<Duration> {
        Ok(self.look()?.unwrap_or_default())
    }

    /// Claims the files until that time, replacing claims that have lapsed.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] while somebody else's claim is in progress; nothing is written then. [`Kind::Storage`] when the
    /// directory cannot be read or written, or is full; what was claimed by then is cleared as far as possible.
    pub fn write(&self, expiry: Timestamp) -> Result<()> {
        let theirs = self.longest(|claim| !self.is_ours(claim))?;
        if let Some(theirs) = theirs.filter(|theirs| *theirs > Duration::ZERO) {
            let text = format!(
                "{} is being made by somebody else, for {theirs:?} at most",
                self.name()
            );
            return Err(Error::new(Kind::WrongState, text));
        }
        self.riders.collect();
        self.take(expiry)
    }

    /// As [`write`](Intent::write), for who has seen that nobody's claim is in progress.
    pub(crate) fn take(&self, expiry: Timestamp) -> Result<()> {
        self.put(expiry).inspect_err(|_| {
            // What cannot be cleared lapses.
            let _lapses = self.clear();
        })
    }

    /// Claims the files for longer, or until an earlier time. A claim that has lapsed can be renewed while nobody took it.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`] when the claim is no longer ours: drop what you make. [`Kind::Storage`] when the directory
    /// cannot be read or written, or is full; the claim is still ours then, and some of the files may be claimed for
    /// longer.
    pub fn renew(&self, expiry: Timestamp) -> Result<()> {
        match self.verify()? {
            true => self.put(expiry),
            false => {
                let text = format!(
                    "the claim on {} is no longer ours; drop what was made",
                    self.name()
                );
                Err(Error::new(Kind::LeaseLost, text))
            }
        }
    }

    /// Tells whether the claim is still ours, on every file. One that has lapsed is, until somebody takes it.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the directory cannot be read.
    pub fn verify(&self) -> Result<bool> {
        for member in self.riders.members() {
            if !self.is_ours_at(member)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives the claim up. What others claim is left alone; that there is nothing is fine.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when a rider cannot be read or removed; the others are.
    pub fn clear(&self) -> Result<()> {
        let cleared = self
            .riders
            .members()
            .map(|member| match self.is_ours_at(member)? {
                true => self.riders.remove(member),
                false => Ok(()),
            });
        cleared.fold(Ok(()), Result::and)
    }

    /// As [`remaining`](Intent::remaining); `None` when no file has a claim, be it over or not.
    pub(crate) fn look(&self) -> Result<Option<Duration>> {
        self.longest(|_| true)
    }

    /// Removes the claims on the files, whosever they are: for who knows that they are over.
    pub(crate) fn clear_all(&self) -> Result<()> {
        self.riders.clear()
    }

    fn put(&self, expiry: Timestamp) -> Result<()> {
        let world = &self.riders.place.world;
        let boot_expiry = world
            .clock
            .uptime()
            .saturating_add(expiry.since(world.clock.now()));
        let written = Written {
            timeout: expiry.as_millis() as f64 / 1_000.0,
            token: &self.token,
            fence: self.fence,
            owner: world.processes.me(),
            boot_expiry_ms: u64::try_from(boot_expiry.as_millis()).unwrap_or(u64::MAX),
        };
        let mut members = self.riders.members();
        members.try_for_each(|member| self.riders.write(member, &written))
    }

    /// The longest time until a claim lapses, of those that `counts`; `None` when there is none of them.
    fn longest(&self, counts: impl Fn(&Claim) -> bool) -> Result<Option<Duration>> {
        let world = &self.riders.place.world;
        let mut members = self.riders.members();
        members.try_fold(None, |longest, member| {
            let left = match self.riders.read(member, Claim::from_json)? {
                Rider::Unreadable { modified } => {
                    let from = self.riders.counted_from(member, modified, modified);
                    Some(from.after(CLAIM_TIME).since(world.clock.now()))
                }
                Rider::Read { is, .. } if counts(&is) => Some(is.remaining(world)),
                Rider::Read { .. } | Rider::Missing => None,
            };
            Ok(longest.max(left))
        })
    }

    fn is_ours_at(&self, member: &OsStr) -> Result<bool> {
        let rider = self.riders.read(member, Claim::from_json)?;
        Ok(matches!(rider, Rider::Read { is, .. } if self.is_ours(&is)))
    }

    fn is_ours(&self, claim: &Claim) -> bool {
        // A process that was forked may have drawn the same token.
        let me = self.riders.place.world.processes.me();
        claim.token.as_deref() == Some(&self.token) && claim.owner.as_ref() == Some(&me)
    }

    /// What errors call the files.
    fn name(&self) -> String {
        let mut members = self.riders.members();
        let others = members.len() - 1;
        let first = members.next().unwrap_or_default();
        let path = self.riders.place.path(first);
        match others {
            0 => path.display().to_string(),
            _ => format!("{} (and {others} files made with it)", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_as_others_write_them() {
        let check = |json: &str, expected: Option<i64>| {
            let read = Claim::from_json(json.as_bytes()).ok();
            assert_eq!(
                read.map(|claim| claim.timeout.as_millis()),
                expected,
                "{json}"
            );
        };
        check("1473701180.5", Some(1_473_701_180_500));
        check(" 1473701180\n", Some(1_473_701_180_000));
        check(r#"{"timeout": 1473701180}"#, Some(1_473_701_180_000));
        check(
            r#"{"timeout": 0, "token": 7, "fence": -1, "owner": [], "boot_expiry_ms": "x"}"#,
            Some(0),
        );
        check("1e300", Some(i64::MAX));
        check(r#"{"timeout": -1e300}"#, Some(i64::MIN));
        for json in [
            "",
            "{}",
            "null",
            "soon",
            "\"1473701180\"",
            "[1473701180]",
            r#"{"timeout": null}"#,
            "1 2",
        ] {
            check(json, None);
        }
        check(&format!(r#"{{"timeout": {}"#, "[".repeat(60_000)), None);
        check(
            &format!(
                r#"{{"timeout": 1, "owner": {}{}}}"#,
                "[".repeat(20_000),
                "]".repeat(20_000)
            ),
            Some(1_000),
        );
    }

    #[test]
    fn keys_of_another_shape_are_none() {
        let json = br#"{"timeout": 0, "token": 7, "fence": 1.5, "owner": {"host": "h"}, "boot_expiry_ms": -1}"#;
        let claim = Claim::from_json(json).expect("a timeout");
        let Claim {
            token,
            fence,
            owner,
            boot_expiry,
            ..
        } = claim;
        assert_eq!((token, fence, owner, boot_expiry), (None, None, None, None));
    }
}
