//! How long failures cool down: `BASE,INCREMENT,MAXIMUM`.

use towpath_coord::{CoolDownParams, Growth};

use super::duration;

/// Reads the three durations.
pub(crate) fn cooldown(text: &str) -> Result<CoolDownParams, String> {
    let parts: Vec<_> = text.split(',').collect();
    let [base, increment, maximum] = parts[..] else {
        return Err(
            "write three durations with commas: after the first failure, more for each further one, at most; \
             such as 60s,60s,1h"
                .to_owned(),
        );
    };
    Ok(CoolDownParams {
        base: duration(base)?,
        increment: duration(increment)?,
        maximum: duration(maximum)?,
        growth: Growth::Additive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_durations_are_a_cooldown() {
        assert_eq!(cooldown("60s,60s,1h"), Ok(CoolDownParams::default()));
        let nothing = cooldown("0,0,0").expect("zeros are durations");
        assert_eq!(nothing.wait(5), std::time::Duration::ZERO);
        for (text, part) in [
            ("60s", "60s,60s,1h"),
            ("1s,2s,3", "3s"),
            ("", "commas"),
            ("1s,2s,3s,4s", "three"),
        ] {
            let error = cooldown(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
