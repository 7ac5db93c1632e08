//! Points of time as Python's `datetime.isoformat` writes them: in UTC, without saying so.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use towpath_core::Timestamp;

/// `2016-09-12T17:16:20.337000`: always with microseconds. Beyond the years 0 to 9999 the nearest of them.
pub(crate) fn format(time: Timestamp) -> String {
    let (first, last) = (
        DateTime::constant(0, 1, 1, 0, 0, 0, 0),
        DateTime::constant(9999, 12, 31, 23, 59, 59, 999_000_000),
    );
    let at = jiff::Timestamp::from_millisecond(time.as_millis());
    let at = match at {
        Ok(at) => Offset::UTC.to_datetime(at).clamp(first, last),
        Err(_) if time.as_millis() < 0 => first,
        Err(_) => last,
    };
    format!("{at:.6}")
}

/// Reads a date and time with or without a fraction; without a zone, with `Z`, or with an offset (`+02:00`, `+0200`,
/// `+02`). What is finer than a millisecond is dropped.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    // A date alone, a time without seconds, and years of more than four digits are read by the parser, and written by nobody.
    let has_seconds = text.as_bytes().get(16) == Some(&b':') && text.as_bytes()[0].is_ascii_digit();
    let with_zone = || text.parse::<jiff::Timestamp>().ok();
    let in_utc = || Offset::UTC.to_timestamp(text.parse().ok()?).ok();
    let at = with_zone().or_else(in_utc).filter(|_| has_seconds)?;
    let millis = at.as_nanosecond().div_euclid(1_000_000);
    Some(Timestamp::from_millis(millis.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text).map(Timestamp::as_millis), expected, "{text:?}");
    }

    #[test]
    fn dates_of_every_shape_are_read() {
        const T: i64 = 1_473_700_580_000;
        check("2016-09-12T17:16:20.337867", Some(T + 337));
        check("2016-09-12T17:16:20", Some(T));
        check("2016-09-12 17:16:20", Some(T));
        check("2016-09-12T17:16:20Z", Some(T));
        check("2016-09-12T17:16:20.5z", Some(T + 500));
        check("2016-09-12T17:16:20.123456789+00:00", Some(T + 123));
        check("2016-09-12T19:16:20+02:00", Some(T));
        check("2016-09-12T11:46:20-0530", Some(T));
        check("2016-09-12T16:16:20-01", Some(T));
        check("1970-01-01T00:00:00", Some(0));
        check("1969-12-31T23:59:59.999", Some(-1));
        check("2000-02-29T00:00:00", Some(951_782_400_000));
        // A leap second counts as the one before it.
        check("2016-12-31T23:59:60", Some(1_483_228_799_000));
        for text in [
            "",
            "2016",
            "2016-09-12",
            "2016-09-12T17:16",
            "2016-13-12T17:16:20",
            "2016-00-12T17:16:20",
            "2015-02-29T00:00:00",
            "1900-02-29T00:00:00",
            "2016-09-00T00:00:00",
            "2016-09-12T24:16:20",
            "2016-09-12T17:60:20",
            "2016-09-12T17:16:61",
            "2016-09-12T17:16:20.",
            "2016-09-12T17:16:20.x",
            "2016-09-12T17:16:20+",
            "2016-09-12T17:16:20+1",
            "2016-09-12T17:16:20+2:000",
            "2016-09-12T17:16:20+26:00",
            "2016-09-12T17:16:20 UTC",
            "2016/09/12T17:16:20",
            "+016-09-12T17:16:20",
            "2016-09-12T17:16:20+-1:00",
            "2016-09-12T17:16:2é",
            "é016-09-12T17:16:20",
            "２016-09-12T17:16:20",
            "2016-09-12T17:16:20+é0",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(
            format(Timestamp::from_millis(0)),
            "1970-01-01T00:00:00.000000"
        );
        assert_eq!(
            format(Timestamp::from_millis(1_473_700_580_337)),
            "2016-09-12T17:16:20.337000"
        );
        assert_eq!(
            format(Timestamp::from_millis(i64::MAX)),
            "9999-12-31T23:59:59.999000"
        );
        assert_eq!(
            format(Timestamp::from_millis(i64::MIN)),
            "0000-01-01T00:00:00.000000"
        );
        // Every day of more than a whole cycle of 400 years, at another time of day each.
        for day in -146_200..146_200 {
            let time = Timestamp::from_millis(day * DAY_MS + (day * 7_919_123).rem_euclid(DAY_MS));
            assert_eq!(parse(&format(time)), Some(time), "{}", format(time));
        }
    }
}
