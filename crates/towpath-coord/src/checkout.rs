//! Files that are made once, among any number of contenders.
//!
//! ```text
//!   begin      under the lock: finish what was begun · veto · cooling · somebody's claim · own claim
//!   generate   without the lock, into files with names of their own; the claim is renewed
//!   commit     under the lock: is the claim still ours? · publish · no cooldown, no claim
//!   or fail    under the lock: is the claim still ours? · one more failure · no claim
//! ```
//!
//! # Who may die, and what is then on disk
//!
//! | behind | is on disk | the next to begin |
//! | --- | --- | --- |
//! | the claim | a claim of a dead process, perhaps parts | counts a failure where there is a cooldown, removes the parts |
//! | syncing the parts | the same, with whole parts | the same: nothing was promised |
//! | **the publish record** | the record and all parts: **this is the commit** | gives the parts their names, ends cooldown and claim, removes the record |
//! | some of the renames | the record, some parts, some files | the same: a part that is gone has its name already |
//! | ending the claim | the record | removes it |
//! | the count of a failure | a cooldown that counts it, a claim | counts it once more: a count may be one too high, never lost |
//!
//! Readers who do not ask may see some files of a manifest before the others, each of them whole. All is done under
//! the guard of the lock, so nobody can steal it between the look at the claim and the last rename; a holder who was
//! paused finds that the claim is not his and publishes nothing.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use towpath_core::{Error, Kind, Result};

use crate::cooldown::{CoolDown, CoolDownParams};
use crate::event_lock::EventLock;
use crate::fs::{Open, Sort};
use crate::intent::{CLAIM_TIME, Intent};
use crate::manifest::Manifest;
use crate::place::{Place, storage};
use crate::rider::collect;
use crate::wait::{Cancel, Wait};

/// Most names of a directory that are looked at for parts that were left.
const LIST_MAX: usize = 65_536;

/// Most bytes of a file's name in which its part ends too.
const ENDING_MAX: usize = 64;

/// What is to be made, and under which rules.
///
/// For files that one of many makes; all who ask name the same files and the same cooldown. Where making them
/// twice does no harm, a rename alone is enough. [`Generating`] has an example, the crate's page a longer one.
#[derive(Debug, Clone)]
pub struct Checkout {
    place: Place,
    manifest: Manifest,
    cooldown: Option<CoolDownParams>,
    claim: Duration,
}

/// Why nothing is to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The last attempt has failed too recently.
    Cooling {
        /// How long it is until the next may begin.
        remaining: Duration,
    },
    /// Somebody is making the files.
    Claimed {
        /// After how long the claim lapses that is not renewed.
        remaining: Duration,
    },
    /// The lock of the directory was not free in time.
    Busy,
    /// The caller's own reason.
    Vetoed(String),
}

/// What came of a begin.
#[derive(Debug)]
pub enum Begun {
    /// The files are ours to make.
    Generating(Box<Generating>),
    /// They are not.
    Refused(Refusal),
}

impl Checkout {
    /// The files of `manifest` in `place`, without a cooldown, claimed for [`CLAIM_TIME`] at a time.
    pub fn new(place: Place, manifest: Manifest) -> Self {
        Self {
            place,
            manifest,
            cooldown: None,
            claim: CLAIM_TIME,
        }
    }

    /// Has failures cool down before the next attempt. Without it they are neither counted nor heeded.
    #[must_use]
    pub fn cooldown(mut self, params: CoolDownParams) -> Self {
        self.cooldown = Some(params);
        self
    }

    /// Claims the files for so long at a time: longer than the work takes, or than it is between two renewals.
    #[must_use]
    pub fn claim(mut self, time: Duration) -> Self {
        self.claim = time;
        self
    }

    /// Claims the files, unless they are not to be made now. `veto` is asked under the lock, first, and says why not.
    ///
    /// What somebody who died had begun to publish is published first.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the directory cannot be read or written, [`Kind::Stopped`] when the wait for its lock was
    /// called off.
    pub fn begin(
        &self,
        wait: Wait,
        cancel: &Cancel,
        veto: impl FnOnce() -> Option<String>,
    ) -> Result<Begun> {
        let lock = EventLock::new(self.place.clone());
        let mut veto = Some(veto);
        let mut begin = || lock.within(wait, cancel, |fence| self.claimed(fence, &mut veto));
        let begun = match begin() {
            // What a dead maker has left may be what fills the disk, and the lock itself needs room.
            Err(error) if is_full(&error) => {
                lock.guarded(|| self.make_room())?;
                begin()?
            }
            begun => begun?,
        };
        Ok(begun.unwrap_or(Begun::Refused(Refusal::Busy)))
    }

    fn claimed(
        &self,
        fence: u64,
        veto: &mut Option<impl FnOnce() -> Option<String>>,
    ) -> Result<Begun> {
        let refused = |refusal| Ok(Begun::Refused(refusal));
        let intent = Intent::new(&self.place, &self.manifest, fence);
        self.finish_publishing(&intent)?;
        let claim = intent.look()?;
        if claim == Some(Duration::ZERO) {
            // Somebody claimed the files and never came back. His parts go first, for room to count it.
            self.sweep()?;
            self.count_failure()?;
            intent.clear_all()?;
        }
        if let Some(why) = veto.take().and_then(|veto| veto()) {
            return refused(Refusal::Vetoed(why));
        }
        match claim {
            Some(Duration::ZERO) => {}
            Some(remaining) => return refused(Refusal::Claimed { remaining }),
            None => self.sweep()?,
        }
        if let Some(remaining) = self.cooling()? {
            return refused(Refusal::Cooling { remaining });
        }
        intent.take(self.place.world.clock.now().after(self.claim))?;
        Ok(Begun::Generating(Box::new(Generating {
            checkout: self.clone(),
            intent,
            parts: format!("{}{:016x}", self.parts_prefix(), fastrand::u64(..)),
            is_over: false,
        })))
    }

    fn rider(&self) -> Option<CoolDown> {
        let params = self.cooldown?;
        Some(CoolDown::new(&self.place, &self.manifest, params))
    }

    fn cooling(&self) -> Result<Option<Duration>> {
        let Some(rider) = self.rider() else {
            return Ok(None);
        };
        let remaining = rider.remaining()?;
        Ok((remaining > Duration::ZERO).then_some(remaining))
    }

    fn count_failure(&self) -> Result<()> {
        self.rider().map_or(Ok(()), |rider| rider.write().map(drop))
    }

    /// What the names of all parts of this manifest begin with.
    fn parts_prefix(&self) -> String {
        format!(".towpath-part-{:.16}-", self.manifest.key())
    }

    /// The publish record of this manifest: its content is what the parts are called.
    fn record(&self) -> PathBuf {
        self.place
            .path(format!(".towpath-publish-{:.32}", self.manifest.key()))
    }

    /// Where a member is made. It ends as its file does, because many programs go by that in what they write.
    fn part(&self, parts: &str, index: usize) -> PathBuf {
        let mut name = OsString::from(format!("{parts}-{index}"));
        name.push(
            self.manifest
                .names()
                .nth(index)
                .map_or(OsStr::new(""), ending),
        );
        self.place.path(name)
    }

    /// Removes what was left of earlier attempts, unless somebody is making the files.
    fn make_room(&self) -> Result<()> {
        let claim = Intent::new(&self.place, &self.manifest, 0).look()?;
        let is_free = claim.is_none_or(|remaining| remaining == Duration::ZERO);
        // A record says that the parts are as good as published.
        let is_published = self.place.world.fs.stat(&self.record()).is_ok();
        if is_free && !is_published {
            self.sweep()
        } else {
            Ok(())
        }
    }

    /// Removes what was left of earlier attempts.
    fn sweep(&self) -> Result<()> {
        let (fs, prefix) = (&self.place.world.fs, self.parts_prefix());
        let directory = self.place.directory();
        let names = fs.list(directory, LIST_MAX);
        let names = names.map_err(|error| storage(directory, "list", error))?;
        let left = |name: &&OsString| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        for name in names.iter().filter(left) {
            let path = self.place.path(name);
            if let Err(error) = self.remove_part(&path) {
                // Its name is like no other, so it is in nobody's way.
                tracing::warn!(path = %path.display(), %error, "what an earlier attempt has left cannot be removed");
            }
        }
        collect(&self.place, &names);
        Ok(())
    }

    /// Removes what was made, also where that is a directory: else nobody could begin any more.
    fn remove_part(&self, path: &Path) -> Result<()> {
        let is_directory = || {
            let found = self.place.world.fs.stat(path);
            found.is_ok_and(|found| found.sort == Sort::Directory)
        };
        match self.remove(path) {
            // The standard library's removal: it is no step of the protocol, and follows no link.
            Err(_) if is_directory() => {
                std::fs::remove_dir_all(path).map_err(|error| storage(path, "remove", error))
            }
            removed => removed,
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.place.world.fs.remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(storage(path, "remove", error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the record with which the files are as good as published.
    ///
    /// Of several files it is to outlive a loss of power before any of the renames does. One file is renamed or it is
    /// not, so there the record serves the death of processes alone.
    fn write_record(&self, parts: &str) -> Result<()> {
        let (fs, path) = (&self.place.world.fs, self.record());
        let aside = self.place.path(format!("{parts}-record"));
        let is_synced = self.manifest.names().len() > 1;
        let written = fs.open(&aside, Open::CreateNew).and_then(|file| {
            file.write_at(parts.as_bytes(), 0)?;
            if is_synced { file.sync() } else { Ok(()) }
        });
        let named = written.and_then(|()| fs.rename(&aside, &path));
        named.map_err(|error| storage(&path, "write", error))
    }

    /// Has the record outlive a loss of power, where it has to.
    fn sync_record(&self) -> Result<()> {
        if self.manifest.names().len() == 1 {
            return Ok(());
        }
        let (fs, directory) = (&self.place.world.fs, self.place.directory());
        let synced = fs.sync_dir(directory);
        synced.map_err(|error| storage(directory, "sync", error))
    }

    /// Goes on where somebody who had committed has died.
    fn finish_publishing(&self, intent: &Intent) -> Result<()> {
        let (fs, path) = (&self.place.world.fs, self.record());
        let file = match fs.open(&path, Open::Read) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|error| storage(&path, "open", error))?,
        };
        let bytes = file.read_at(0, 256);
        let bytes = bytes.map_err(|error| storage(&path, "read", error))?;
        let parts = String::from_utf8(bytes).unwrap_or_default();
        let is_ours = parts.starts_with(&self.parts_prefix()) && !parts.contains('/');
        if is_ours {
            return self.publish(&parts, intent);
        }
        if self.manifest.names().len() == 1 {
            // A loss of power has emptied it, and its file is the old or the new one.
            tracing::warn!(path = %path.display(), "a publish record cannot be read and is removed");
            return self.remove(&path);
        }
        let text = format!(
            "{} is no record of ours: look whether the files go together, then remove it",
            path.display()
        );
        Err(Error::new(Kind::Storage, text))
    }

    /// Gives the parts their names, and ends all that stood beside them. May be done again at any point.
    fn publish(&self, parts: &str, intent: &Intent) -> Result<()> {
        let fs = &self.place.world.fs;
        for (index, name) in self.manifest.names().enumerate() {
            let (part, path) = (self.part(parts, index), self.place.path(name));
            match fs.rename(&part, &path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(storage(&path, "publish", error));
                }
                _ => {}
            }
        }
        let directory = self.place.directory();
        fs.sync_dir(directory)
            .map_err(|error| storage(directory, "sync", error))?;
        // Whoever counted failures: it is the files that have been made.
        CoolDown::new(&self.place, &self.manifest, CoolDownParams::default()).clear()?;
        intent.clear_all()?;
        self.remove(&self.record())
    }
}

/// Whether something failed because the disk is full.
fn is_full(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| {
        [ErrorKind::StorageFull, ErrorKind::QuotaExceeded].contains(&source.kind())
    })
}

/// What a name ends in: `.tar.gz` of `map.tar.gz`; as much of it as leaves room for what stands before it.
fn ending(name: &OsStr) -> &OsStr {
    let bytes = name.as_bytes();
    let from = bytes.len().saturating_sub(ENDING_MAX).max(1);
    let dot = bytes.iter().skip(from).position(|byte| *byte == b'.');
    OsStr::from_bytes(dot.map_or(b"", |dot| &bytes[from + dot..]))
}

/// Files that are ours to make. Dropping it counts as a failure.
///
/// # Examples
///
/// ```
/// use towpath_coord::{Begun, Cancel, Checkout, Manifest, Network, Place, Wait, World};
///
/// let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let checkout = Checkout::new(place, Manifest::new(["sky.fits"])?);
/// let begin = || checkout.begin(Wait::No, &Cancel::new(), || None);
/// let Begun::Generating(ours) = begin()? else { unreachable!("nobody else is there") };
/// assert!(matches!(begin()?, Begun::Refused(_)));
/// std::fs::write(ours.part("sky.fits".as_ref()).unwrap(), "stars")?;
/// ours.commit()?;
/// assert_eq!(std::fs::read(directory.path().join("sky.fits"))?, b"stars");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Generating {
    checkout: Checkout,
    intent: Intent,
    /// What the parts are called, but for their numbers.
    parts: String,
    is_over: bool,
}

impl Generating {
    /// Where to write what is to become the file of that name; `None` for a name that is not in the manifest.
    ///
    /// Each file is to be there, and closed, before [`commit`](Generating::commit).
    pub fn part(&self, name: &OsStr) -> Option<PathBuf> {
        let index = self
            .checkout
            .manifest
            .names()
            .position(|member| member == name)?;
        Some(self.checkout.part(&self.parts, index))
    }

    /// For how long the files are claimed at a time.
    pub(crate) fn claim_time(&self) -> Duration {
        self.checkout.claim
    }

    /// Claims the files for their full time from now on. To be called at a third of it while the work goes on.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`] when the claim is somebody else's: drop what you make. [`Kind::Storage`] when the directory
    /// cannot be written.
    pub fn renew(&self) -> Result<()> {
        let place = &self.checkout.place;
        // Between the look at the claim and its writing nobody may take it.
        EventLock::new(place.clone()).guarded(|| {
            let now = place.world.clock.now();
            self.intent.renew(now.after(self.checkout.claim))
        })
    }

    /// Publishes the files, which then replace those of their names, and ends cooldown and claim.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`] when the claim is somebody else's by now, [`Kind::NotFound`] when a file was not made,
    /// [`Kind::Storage`] when the directory cannot be written. Nothing is published then and the attempt has failed, unless
    /// the error says that the next to come will publish.
    pub fn commit(mut self) -> Result<()> {
        self.sync_parts()?;
        let checkout = self.checkout.clone();
        let mut is_committed = false;
        let done = self.under_lock(|this| {
            this.check_ours()?;
            checkout.write_record(&this.parts)?;
            is_committed = true;
            checkout.sync_record()?;
            checkout.publish(&this.parts, &this.intent)
        });
        self.is_over |= is_committed;
        done.map_err(|error| match is_committed {
            true => error.about("publishing, which the next who begins completes"),
            false => error,
        })
    }

    /// Ends the attempt without files: counts it, and gives the claim up.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the directory cannot be written; then the claim lapses by itself.
    pub fn fail(mut self) -> Result<()> {
        self.give_up()
    }

    /// Gives the claim up without an attempt: nothing is counted. For who was called off before he began.
    ///
    /// # Errors
    ///
    /// As [`fail`](Generating::fail).
    pub fn withdraw(mut self) -> Result<()> {
        self.is_over = true;
        let removed = self.remove_parts();
        self.under_lock(|this| this.intent.clear())?;
        removed
    }

    fn give_up(&mut self) -> Result<()> {
        self.is_over = true;
        // First, for on a disk that is full they make the room in which the failure is counted.
        let removed = self.remove_parts();
        let checkout = self.checkout.clone();
        self.under_lock(|this| {
            if this.intent.verify()? {
                checkout.count_failure()?;
                this.intent.clear()?;
            }
            Ok(())
        })?;
        removed
    }

    fn remove_parts(&self) -> Result<()> {
        let checkout = &self.checkout;
        for index in 0..checkout.manifest.names().len() {
            checkout.remove_part(&checkout.part(&self.parts, index))?;
        }
        checkout.remove(&checkout.place.path(format!("{}-record", self.parts)))
    }

    fn under_lock<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let lock = EventLock::new(self.checkout.place.clone());
        let wait = Wait::For(lock.timeout() * 2);
        let done = lock.within(wait, &Cancel::new(), |_| work(self))?;
        done.ok_or_else(|| {
            let text = format!(
                "the lock of {} was not free in time",
                self.checkout.place.directory().display()
            );
            Error::new(Kind::TimedOut, text)
        })
    }

    fn check_ours(&self) -> Result<()> {
        if self.intent.verify()? {
            return Ok(());
        }
        let text = format!(
            "the claim on files in {} is somebody else's by now; nothing is published",
            self.checkout.place.directory().display()
        );
        Err(Error::new(Kind::LeaseLost, text))
    }

    /// Has what was made outlive a loss of power before anybody may see it.
    fn sync_parts(&self) -> Result<()> {
        let fs = &self.checkout.place.world.fs;
        for (index, name) in self.checkout.manifest.names().enumerate() {
            let part = self.checkout.part(&self.parts, index);
            let opened = fs.open(&part, Open::Read).and_then(|file| {
                let sort = file.stat()?.sort;
                file.sync().map(|()| sort)
            });
            let sort = opened.map_err(|error| storage(&part, "publish", error))?;
            if sort != Sort::File {
                let text = format!("what was made for {} is no file", name.display());
                return Err(Error::invalid(text));
            }
        }
        Ok(())
    }
}

impl Drop for Generating {
    fn drop(&mut self) {
        if !self.is_over
            && let Err(error) = self.give_up()
        {
            tracing::warn!(%error, "a claim stays until it lapses");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_as_their_files_do() {
        let check = |name: &str, expected: &str| assert_eq!(ending(name.as_ref()), expected);
        check("map.png", ".png");
        check("map.tar.gz", ".tar.gz");
        check("map", "");
        check("map.", ".");
        check(".hidden", "");
        check(".hidden.json", ".json");
        check("", "");
        check(
            &format!("{}.fits", "a.b".repeat(70)),
            &format!("{}.fits", &"a.b".repeat(70)[151..]),
        );
        check(&"x".repeat(240), "");
        check(&format!("a.{}", "x".repeat(70)), "");
        assert_eq!(ending(OsStr::from_bytes(b"\xff.\xfe")).as_bytes(), b".\xfe");
    }
}
