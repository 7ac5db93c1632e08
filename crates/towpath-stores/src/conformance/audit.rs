//! Audit and doctor: a store that is sound says so.

use towpath_core::State;

use super::Harness;
use super::words::drafts;

async fn one_in_each_state(h: &Harness) -> usize {
    let worker = h.worker().await;
    for state in [
        State::Scheduled,
        State::Running,
        State::Succeeded,
        State::Failed,
        State::Revoked,
        State::Ready,
    ] {
        h.message_in(state, &worker).await;
    }
    h.submit(drafts(6)).await;
    12
}

pub async fn a_sound_store_needs_no_mending(h: &Harness) {
    let total = one_in_each_state(h).await;
    let before = h.counts().await;
    let audit = h.store.audit(None, 100).await.unwrap();
    assert_eq!((audit.scanned, audit.next), (total, None));
    assert_eq!(audit.mended, []);
    assert_eq!(h.counts().await, before);
}

pub async fn an_audit_goes_on_where_it_ended(h: &Harness) {
    let total = one_in_each_state(h).await;
    let (mut scanned, mut after) = (0, None);
    loop {
        let audit = h.store.audit(after, 5).await.unwrap();
        assert!(audit.scanned <= 5);
        assert_eq!(audit.mended, []);
        scanned += audit.scanned;
        after = audit.next;
        if after.is_none() {
            break;
        }
        assert!(scanned < 100, "the audit never ends");
    }
    assert_eq!(scanned, total);
}

pub async fn an_empty_store_is_sound(h: &Harness) {
    let audit = h.store.audit(None, 10).await.unwrap();
    assert_eq!((audit.scanned, audit.next), (0, None));
    assert_eq!(h.store.doctor().await.unwrap(), []);
}

pub async fn the_doctor_finds_a_sound_store_healthy(h: &Harness) {
    one_in_each_state(h).await;
    assert_eq!(h.store.doctor().await.unwrap(), []);
    let store = h.reopen().await;
    assert_eq!(store.doctor().await.unwrap(), []);
}
