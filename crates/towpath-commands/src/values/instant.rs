//! Points of time: RFC 3339, or milliseconds since 1970.

use towpath_core::Timestamp;

const EXPECTED: &str = "write a time such as 2026-03-01T09:00:00Z or 2026-03-01T10:00:00+01:00, or \
                        milliseconds since 1970-01-01 UTC";

/// Reads a point of time.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<u64>() {
        return i64::try_from(millis)
            .map(Timestamp::from_millis)
            .map_err(|_| EXPECTED.to_owned());
    }
    if !text.is_ascii() {
        return Err(EXPECTED.to_owned());
    }
    let (utc, offset_minutes) = split_offset(text).ok_or_else(|| EXPECTED.to_owned())?;
    let time = humantime::parse_rfc3339(&utc).map_err(|_| EXPECTED.to_owned())?;
    let millis = Timestamp::from(time).as_millis() - offset_minutes * 60_000;
    Ok(Timestamp::from_millis(millis))
}

/// The time as if it were UTC, and how far it is ahead of UTC.
fn split_offset(text: &str) -> Option<(String, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((format!("{time}Z"), 0));
    }
    let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, clock) = match offset.split_at(1) {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let two_digits = |text: &str, max: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|n| is_number && *n <= max)
    };
    let ahead = two_digits(hours, 23)? * 60 + two_digits(minutes, 59)?;
    Some((format!("{time}Z"), sign * ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_milliseconds() {
        let check = |text: &str, millis: i64| {
            assert_eq!(instant(text).unwrap().as_millis(), millis, "{text}");
        };
        check("1970-01-01T00:00:01Z", 1_000);
        check("1970-01-01T01:00:01+01:00", 1_000);
        check("1970-01-01T00:00:01-01:00", 3_601_000);
        check("1970-01-01T00:00:00.250z", 250);
        check("1772355600000", 1_772_355_600_000);
        check("0", 0);
    }

    #[test]
    fn everything_else_is_refused_with_examples() {
        for bad in [
            "",
            "tomorrow",
            "2026-03-01",
            "2026-03-01T09:00:00",
            "2026-13-01T09:00:00Z",
            "-5",
            "2026-03-01T09:00:00+1:00",
            "2026-03-01T09:00:00+25:00",
            "99999999999999999999",
            "２０２６-03-01T09:00:00Z",
            "+01:00",
        ] {
            let error = instant(bad).unwrap_err();
            assert!(error.contains("2026-03-01T09:00:00Z"), "{bad}: {error}");
        }
    }
}
