//! Fresh UUIDs of version 7, without a system call for each.
//!
//! The system's random bytes are fetched 640 at once and kept by each thread; asking for them one id at a
//! time was a twentieth of the cost of a submit in bulk. A process that was forked does not use up what
//! its parent had fetched.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// Random bytes in one id: RFC 9562, section 5.7, leaves 74 bits.
const EACH: usize = 10;
const POOL: usize = 64 * EACH;

struct Pool {
    bytes: [u8; POOL],
    used: usize,
    /// Whose bytes these are.
    process: u32,
}

thread_local! {
    static RANDOM: RefCell<Pool> = const {
        RefCell::new(Pool { bytes: [0; POOL], used: POOL, process: 0 })
    };
}

/// A new UUID of version 7. Its twelve bits after the millisecond are the fraction of it (RFC 9562, section
/// 6.2, method 3), so that later ones sort later also within a millisecond.
pub(crate) fn uuid() -> Uuid {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut bytes = random();
    let fraction = u64::from(now.subsec_nanos() % 1_000_000) * 4_096 / 1_000_000;
    let [.., high, low] = fraction.to_be_bytes();
    (bytes[0], bytes[1]) = (high, low);
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

fn random() -> [u8; EACH] {
    RANDOM.with_borrow_mut(|pool| {
        let process = std::process::id();
        if pool.used == POOL || pool.process != process {
            if getrandom::fill(&mut pool.bytes).is_err() {
                // No random bytes at all: the library knows what else to do, or stops the program.
                return *Uuid::now_v7().as_bytes().last_chunk().expect("16 bytes");
            }
            (pool.used, pool.process) = (0, process);
        }
        let bytes = &pool.bytes[pool.used..pool.used + EACH];
        pool.used += EACH;
        bytes.try_into().expect("as many as an id takes")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_is_another_and_of_version_7_and_of_now() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5_000).map(|_| uuid()).collect::<Vec<_>>()))
            .collect();
        let made: Vec<Uuid> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 20_000);
        for uuid in made {
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            let (seconds, _) = uuid.get_timestamp().unwrap().to_unix();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            assert!(now.as_secs().abs_diff(seconds) < 60);
        }
    }

    #[test]
    fn later_ones_sort_later_also_within_a_millisecond() {
        let first = uuid();
        let later = std::iter::repeat_with(uuid)
            .find(|uuid| uuid.as_bytes()[6..8] != first.as_bytes()[6..8])
            .unwrap();
        assert!(later > first);
    }
}
