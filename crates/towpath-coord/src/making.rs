//! Files that are being made, their claim renewed for as long as that takes.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use towpath_core::{Error, Kind, Result};

use crate::checkout::Generating;
use crate::renewing::Renewing;

/// Files that are ours to make, and the thread that renews the claim on them, at a third of its time. Dropping it counts
/// as a failure.
///
/// For work that may take longer than the claim. Work that looks from time to time whether the claim
/// [is lost](Making::is_lost) can end early; [`commit`](Making::commit) publishes nothing then in any case.
///
/// # Examples
///
/// ```
/// use towpath_coord::{Begun, Cancel, Checkout, Manifest, Network, Place, Wait, World};
///
/// let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let checkout = Checkout::new(place, Manifest::new(["sky.fits"])?);
/// let Begun::Generating(ours) = checkout.begin(Wait::No, &Cancel::new(), || None)? else {
///     unreachable!("nobody else is there")
/// };
/// let making = ours.keep()?;
/// // Work that takes hours; then:
/// std::fs::write(making.part("sky.fits".as_ref()).unwrap(), "stars")?;
/// assert!(!making.is_lost());
/// making.commit()?;
/// assert_eq!(std::fs::read(directory.path().join("sky.fits"))?, b"stars");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Making {
    /// Declared first, so that it is stopped first where this is dropped.
    renewing: Renewing,
    generating: Arc<Generating>,
}

impl Generating {
    /// Has the claim renewed by a thread until the answer is committed, failed or dropped.
    ///
    /// # Errors
    ///
    /// As [`renew`](Generating::renew), and [`Kind::Unavailable`] when no thread can be started. The attempt has failed
    /// then.
    pub fn keep(self) -> Result<Making> {
        self.renew()?;
        let generating = Arc::new(self);
        let theirs = generating.clone();
        let renewing = Renewing::start(generating.claim_time(), move || theirs.renew())?;
        Ok(Making {
            renewing,
            generating,
        })
    }
}

impl Making {
    /// Whether a renewal has found that the claim is somebody else's: then the work is in vain.
    pub fn is_lost(&self) -> bool {
        self.renewing.is_lost()
    }

    /// As [`Generating::part`].
    pub fn part(&self, name: &OsStr) -> Option<PathBuf> {
        self.generating.part(name)
    }

    /// As [`Generating::commit`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn commit(self) -> Result<()> {
        self.stopped()?.commit()
    }

    /// As [`Generating::fail`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fail(self) -> Result<()> {
        self.stopped()?.fail()
    }

    fn stopped(self) -> Result<Generating> {
        let Self {
            mut renewing,
            generating,
        } = self;
        renewing.stop();
        // The thread has ended and has dropped its own.
        Arc::into_inner(generating).ok_or_else(|| {
            Error::new(
                Kind::WrongState,
                "the claim is still being renewed by another thread",
            )
        })
    }
}
