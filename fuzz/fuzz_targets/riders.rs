//! Riders: small JSON files beside the files that are made once, which other programs write too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_coord::{Claim, CoolDown, CoolDownParams, Failures, Intent, Manifest};
use towpath_coord::{Network, Place, World};
use towpath_core::Kind;
use towpath_fuzz::check_error;

/// Written as they are beside a file, and looked at as a stranger's.
const NAME: &str = "file";

fuzz_target!(|bytes: &[u8]| {
    let read = Failures::from_json(bytes);
    if let Err(error) = &read {
        assert_eq!(error.kind(), Kind::Codec);
        check_error(error);
    }
    if let Err(error) = Claim::from_json(bytes) {
        assert_eq!(error.kind(), Kind::Codec);
        check_error(&error);
    }

    let directory = tempfile::tempdir_in("/dev/shm").expect("room in memory");
    let place = Place::open(World::new(), directory.path(), Network::Refuse).expect("a directory");
    let put = |kind: &str| {
        let path = directory.path().join(format!(".{NAME}.{kind}.json"));
        std::fs::write(path, bytes).expect("room in memory");
    };
    let manifest = Manifest::new([NAME]).expect("a fit name");

    put("cooldown");
    let params = CoolDownParams::default();
    let cooldown = CoolDown::new(&place, &manifest, params);
    assert!(cooldown.remaining().expect("it can be read") <= params.maximum);
    let before = cooldown.attempts().expect("it can be read");
    let counted = cooldown.write().expect("it can be written");
    assert_eq!(counted, before.saturating_add(1));
    assert_eq!(cooldown.attempts().expect("it was written"), counted);
    assert!(cooldown.in_progress().expect("it was written"));

    put("intent");
    let ours = Intent::new(&place, &manifest, 1);
    let _ = ours.remaining().expect("it can be read");
    assert!(
        !ours.verify().expect("it can be read"),
        "nobody can know our token"
    );
});
