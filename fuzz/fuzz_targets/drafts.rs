//! Envelopes: a draft as callbacks carry it through the store, with its options, payloads and chain.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_core::backoff::Backoffs;
use towpath_core::message::{Attempt, Options};
use towpath_core::{AttemptError, BackoffSettings, Draft, Kind, Timestamp};

fuzz_target!(|text: &str| {
    if let Ok(draft) = serde_json::from_str::<Draft>(text) {
        check(&draft);
    }
    if let Ok(options) = serde_json::from_str::<Options>(text) {
        let written = serde_json::to_string(&options).expect("options can always be written");
        let read: Options = serde_json::from_str(&written).expect("and be read again");
        assert_eq!(read, options);
    }
    if let Ok(settings) = serde_json::from_str::<BackoffSettings>(text)
        && let Ok(backoff) = Backoffs::default().build(&settings)
    {
        for incidents in [0, 1, 2, 31, 1_000, u32::MAX] {
            let delay = backoff.delay(incidents, 0.5);
            assert!(
                delay <= towpath_core::limits::LONGEST,
                "{delay:?} of {text}"
            );
        }
        let again = Backoffs::default().build(&backoff.settings());
        assert_eq!(again.expect("its own settings"), backoff, "{text}");
    }
    let _ = serde_json::from_str::<Attempt>(text);
    let _ = serde_json::from_str::<AttemptError>(text);
});

fn check(draft: &Draft) {
    if let Err(error) = draft.check() {
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
    let chain = draft.descendants();
    if let Some(next) = draft.next_in_chain(None) {
        assert_eq!(chain.first(), Some(&next.id));
    }
    let _ = (
        draft.summary(),
        draft.start.resolve(Timestamp::from_millis(i64::MAX)),
    );
    let written = serde_json::to_string(draft).expect("a draft can always be written");
    let read: Draft = serde_json::from_str(&written).expect("and be read again");
    assert_eq!(&read, draft);
}
