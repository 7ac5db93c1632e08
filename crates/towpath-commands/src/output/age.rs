//! Times as people say them: `3m ago`, `in 2h`.

use std::time::Duration;

use towpath_core::Timestamp;

/// A duration in its largest unit, rounded down: good enough for a table, and short.
pub(crate) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration in full, as it may be typed back.
pub(crate) fn exact(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

/// How far a time is from `now`.
pub(crate) fn relative(time: Timestamp, now: Timestamp) -> String {
    if time > now {
        format!("in {}", about(time.since(now)))
    } else {
        match now.since(time) {
            age if age < Duration::from_secs(1) => "now".to_owned(),
            age => format!("{} ago", about(age)),
        }
    }
}

/// A time in full, in UTC, and how far it is from `now`.
pub(crate) fn full(time: Timestamp, now: Timestamp) -> String {
    // Dates beyond the year 9999 have no such form.
    const LAST: i64 = 253_402_300_799_000;
    let relative = relative(time, now);
    if !(0..=LAST).contains(&time.as_millis()) {
        return format!("{} ms ({relative})", time.as_millis());
    }
    let date = humantime::format_rfc3339_millis(time.to_system_time());
    format!("{date} ({relative})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let check = |millis: u64, expected: &str| {
            assert_eq!(about(Duration::from_millis(millis)), expected);
        };
        check(250, "250ms");
        check(59_999, "59s");
        check(60_000, "1m");
        check(7_199_000, "1h");
        check(172_799_000, "47h");
        check(172_800_000, "2d");
    }

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp::from_millis(1_000_000);
        let check = |millis: i64, expected: &str| {
            assert_eq!(relative(Timestamp::from_millis(millis), now), expected);
        };
        check(1_000_000, "now");
        check(820_000, "3m ago");
        check(1_005_000, "in 5s");
        let full = full(Timestamp::from_millis(820_000), now);
        assert_eq!(full, "1970-01-01T00:13:40.000Z (3m ago)");
        assert!(super::full(Timestamp::from_millis(i64::MAX), now).contains("ms (in"));
    }
}
