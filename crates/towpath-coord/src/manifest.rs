//! The files of one directory that are made together.
//!
//! Names are checked here once; whoever has a [`Manifest`] may build paths from them, and from their riders', without
//! asking again. What a name may do to a path (lead elsewhere, meet another's rider, be too long) is refused, all
//! else is taken as it is: names need not be text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use hmac_sha256::Hash;
use towpath_core::{Error, Result};

/// How many files may be made together.
pub const MEMBERS_MAX: usize = 1_000;

/// What a file system takes for a name, in bytes.
const NAME_MAX: usize = 255;

/// The names of this crate's own files begin so.
pub(crate) const RESERVED: &str = ".towpath";

/// The directory that is there while a directory is locked; its name is an older program's.
const LOCK: &str = ".lock";

/// A kind of file that stands beside each member of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RiderKind {
    CoolDown,
    Intent,
}

impl RiderKind {
    const ALL: [Self; 2] = [Self::CoolDown, Self::Intent];

    /// The name of the rider beside a file.
    pub(crate) fn beside(self, member: &OsStr) -> OsString {
        let suffix = match self {
            Self::CoolDown => ".cooldown.json",
            Self::Intent => ".intent.json",
        };
        let mut name = OsString::from(".");
        name.push(member);
        name.push(suffix);
        name
    }
}

/// The names of the files that one step makes together, checked, in order and without repetition.
///
/// Two manifests are equal when they name the same files, in whatever order they were given. Cheap to clone.
///
/// ```
/// use towpath_coord::Manifest;
/// let manifest = Manifest::new(["map.fits", "map.png"])?;
/// assert_eq!(manifest, Manifest::new(["map.png", "map.fits"])?);
/// assert!(Manifest::new(["../map.fits"]).is_err());
/// # Ok::<(), towpath_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Manifest {
    /// Sorted, so that every process writes riders in the same order.
    names: Arc<[OsString]>,
}

impl Manifest {
    /// Checks the names of files that are made together: at least one, at most [`MEMBERS_MAX`].
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) when there are none or too many, when one is empty, `.` or `..`,
    /// holds `/` or NUL, is `.lock` or begins with `.towpath`, is so long that its rider's name passes 255 bytes (more than 240), is
    /// given twice, or is the name of another's rider.
    pub fn new(names: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self> {
        let mut checked = Vec::new();
        for name in names {
            if checked.len() == MEMBERS_MAX {
                let text =
                    format!("more than {MEMBERS_MAX} files in one manifest; make them in parts");
                return Err(Error::invalid(text));
            }
            let name = name.into();
            check(&name)?;
            checked.push(name);
        }
        if checked.is_empty() {
            return Err(Error::invalid(
                "a manifest without files; name at least one",
            ));
        }
        checked.sort_unstable();
        if let Some(twice) = checked.windows(2).find(|pair| pair[0] == pair[1]) {
            let text = format!("file {:?} is twice in the manifest", twice[0]);
            return Err(Error::invalid(text));
        }
        for (kind, name) in checked
            .iter()
            .flat_map(|name| RiderKind::ALL.map(|kind| (kind, name)))
        {
            if let Ok(at) = checked.binary_search(&kind.beside(name)) {
                let text = format!(
                    "file {:?} of the manifest is what is kept beside {name:?}",
                    checked[at]
                );
                return Err(Error::invalid(text));
            }
        }
        Ok(Self {
            names: checked.into(),
        })
    }

    /// The names, sorted by their bytes.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.names.iter().map(OsString::as_os_str)
    }

    /// Tells this manifest from every other of its directory: 64 hexadecimal digits that depend on the names alone, not
    /// on their order, and may themselves be part of a file's name.
    ///
    /// ```
    /// use towpath_coord::Manifest;
    /// let key = |names: &[&str]| Manifest::new(names).map(|manifest| manifest.key());
    /// assert_eq!(key(&["a", "b"])?, key(&["b", "a"])?);
    /// assert_ne!(key(&["a", "b"])?, key(&["ab"])?);
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    pub fn key(&self) -> String {
        let mut hash = Hash::new();
        for name in self.names() {
            hash.update(name.as_bytes());
            // No name holds one, so that no two lists read alike.
            hash.update(b"/");
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn check(name: &OsStr) -> Result<()> {
    let bytes = name.as_bytes();
    let longest = RiderKind::ALL.map(|kind| kind.beside(OsStr::new("")).len());
    let max = NAME_MAX - longest.into_iter().max().unwrap_or(0);
    let what = match bytes {
        _ if bytes.len() > max => {
            let start = OsStr::from_bytes(&bytes[..32]);
            let text = format!(
                "the file name that begins {start:?} has {} bytes; at most {max} leave room for what is kept beside it",
                bytes.len()
            );
            return Err(Error::invalid(text));
        }
        b"" => "is empty",
        b"." | b".." => "is a directory",
        _ if bytes.contains(&b'/') => "holds '/'; name files of the directory itself",
        _ if bytes.contains(&0) => "holds a zero byte",
        _ if name == LOCK || bytes.starts_with(RESERVED.as_bytes()) => {
            "is kept for what locks the directory"
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("file name {name:?} {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&[u8]], refused: Option<&str>) {
        let told = Manifest::new(names.iter().map(|name| OsStr::from_bytes(name)));
        match (told, refused) {
            (Ok(manifest), None) => assert_eq!(manifest.names().len(), names.len()),
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
            (told, _) => panic!("{names:?}: {told:?}, not {refused:?}"),
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_meet_are_refused() {
        check(&[b"a", b"b"], None);
        check(&[b"line\nbreak", b"\xff\xfe", b"..."], None);
        check(&[&[b'x'; 240]], None);
        check(&[&[b'x'; 241]], Some("241 bytes; at most 240"));
        check(&[&[b'x'; 255]], Some("255 bytes"));
        check(&[], Some("without files"));
        check(&[b""], Some("empty"));
        check(&[b"."], Some("directory"));
        check(&[b".."], Some("directory"));
        check(&[b"../a"], Some("'/'"));
        check(&[b"/etc/passwd"], Some("'/'"));
        check(&[b"a\0b"], Some("zero byte"));
        check(&[b".towpath.guard"], Some("is kept"));
        check(&[b".lock"], Some("is kept"));
        check(&[b".locks", b"towpath"], None);
        check(&[b"a", b"b", b"a"], Some("twice"));
        check(&[b"a", b".a.intent.json"], Some("beside \"a\""));
        check(&[b".a.cooldown.json", b"a"], Some("beside \"a\""));
        check(&[b".a.cooldown.json", b"b"], None);
    }

    #[test]
    fn a_thousand_files_are_a_manifest_and_one_more_is_not() {
        let many = |count: usize| Manifest::new((0..count).map(|number| number.to_string()));
        assert_eq!(
            many(MEMBERS_MAX).map(|all| all.names().len()).ok(),
            Some(1_000)
        );
        assert!(many(MEMBERS_MAX + 1).is_err());
        // The rest of an endless list is not asked for.
        assert!(Manifest::new((0..).map(|number: u64| number.to_string())).is_err());
    }

    #[test]
    fn the_key_depends_on_the_names_alone() {
        let key = |names: &[&str]| Manifest::new(names).expect("fit names").key();
        assert_eq!(key(&["b", "a"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["a"]));
        assert_ne!(key(&["a", "bc"]), key(&["ab", "c"]));
        // SHA-256 of "a/": what was named by it must be found again by a later version.
        let pinned = "b3dda5b674f9ce730a37dee0a33bb31efeea2335f517774f6ea133d448df2178";
        assert_eq!(key(&["a"]), pinned);
    }
}
