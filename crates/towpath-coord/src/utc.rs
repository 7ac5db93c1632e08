//! Points of time as Python's `datetime.isoformat` writes them: in UTC, without saying so.

use towpath_core::Timestamp;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// `2016-09-12T17:16:20.337000`: always with microseconds. Beyond the years 0 to 9999 the nearest of them.
pub(crate) fn format(time: Timestamp) -> String {
    let (first, last) = (days(0, 1, 1) * DAY_MS, days(10_000, 1, 1) * DAY_MS - 1);
    let millis = time.as_millis().clamp(first, last);
    let (year, month, day) = date(millis.div_euclid(DAY_MS));
    let of_day = millis.rem_euclid(DAY_MS);
    let (second, milli) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}000")
}

/// Reads a date and time with or without a fraction; without a zone, with `Z`, or with an offset (`+02:00`, `+0200`,
/// `+02`). What is finer than a millisecond is dropped.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let sign = |at: usize, signs: &str| text.get(at..=at).filter(|found| signs.contains(found));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    for (at, signs) in [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")] {
        sign(at, signs)?;
    }
    let in_range = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    // A leap second is written as the sixtieth.
    if !in_range || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, zone) = fraction(text.get(19..)?)?;
    let seconds = (hour * 60 + minute) * 60 + second - offset(zone)? * 60;
    Some(Timestamp::from_millis(
        days(year, month, day) * DAY_MS + seconds * 1_000 + millis,
    ))
}

fn digits(text: &str) -> Option<i64> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// The milliseconds at the start of a text, and the rest of it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(fraction) = text.strip_prefix(['.', ',']) else {
        return Some((0, text));
    };
    let end = fraction.find(|found: char| !found.is_ascii_digit());
    let (fraction, rest) = fraction.split_at(end.unwrap_or(fraction.len()));
    let scale = [100, 10, 1];
    let millis = fraction
        .bytes()
        .zip(scale)
        .map(|(digit, scale)| i64::from(digit - b'0') * scale);
    (!fraction.is_empty()).then(|| (millis.sum(), rest))
}

/// The minutes that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let ahead = zone.strip_prefix('+');
    let told = ahead.or_else(|| zone.strip_prefix('-'))?;
    let (hours, minutes) = match told.len() {
        2 => (told, "00"),
        4 => (told.get(..2)?, told.get(2..)?),
        5 => told.split_once(':').filter(|(hours, _)| hours.len() == 2)?,
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let minutes = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
    Some(if ahead.is_some() { minutes } else { -minutes })
}

fn month_days(year: i64, month: i64) -> i64 {
    let next = if month == 12 {
        days(year + 1, 1, 1)
    } else {
        days(year, month + 1, 1)
    };
    next - days(year, month, 1)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March, so that the leap day is
/// their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that lies so many days after 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check("2016-12-31T23:59:60", Some(1_483_228_800_000));
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
            "2016-09-12T17:16:20+24:00",
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
