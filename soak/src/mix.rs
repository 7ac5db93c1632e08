//! The kinds of messages, and how often each comes.

use std::time::Duration;

use fastrand::Rng;

use crate::journal::Name;

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mix {
    /// Ends at once.
    Quick,
    /// Waits for up to a fifth of a second, as for a network: most kills meet some of these.
    Slow,
    /// Blocks a thread for some milliseconds.
    Blocking,
    /// Is not due at once.
    Delayed,
    /// Fails the first time.
    Flaky,
    /// Has a result.
    Summed,
    /// Has a payload that no store keeps in its row.
    Large,
}

/// Each with its share in a hundred.
const SHARES: [(Mix, u32); 7] = [
    (Mix::Quick, 62),
    (Mix::Slow, 9),
    (Mix::Blocking, 4),
    (Mix::Delayed, 8),
    (Mix::Flaky, 5),
    (Mix::Summed, 7),
    (Mix::Large, 5),
];

impl Mix {
    /// A kind by chance.
    pub fn choose(rng: &mut Rng) -> Self {
        let shares: u32 = SHARES.iter().map(|(_, share)| share).sum();
        let mut chance = rng.u32(..shares);
        for (mix, share) in SHARES {
            match chance.checked_sub(share) {
                Some(rest) => chance = rest,
                None => return mix,
            }
        }
        Mix::Quick
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        SHARES.get(usize::from(number)).map(|(mix, _)| *mix)
    }

    /// How long after its submit a message of this kind is due.
    pub fn delay(self, name: Name) -> Duration {
        match self {
            Mix::Delayed => Duration::from_millis(100 + name.0 % 1_900),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_and_has_its_number() {
        let mut rng = Rng::with_seed(1);
        let chosen: std::collections::HashSet<_> =
            (0..1_000).map(|_| Mix::choose(&mut rng)).collect();
        assert_eq!(chosen.len(), SHARES.len());
        for (mix, _) in SHARES {
            assert_eq!(Mix::from_number(mix as u8), Some(mix));
        }
    }
}
