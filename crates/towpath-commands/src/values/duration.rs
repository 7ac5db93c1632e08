//! Durations: `10s`, `1h 30m`, `500ms`.

use std::time::Duration;

/// Reads a duration. Limits are checked where it is used, which knows what it is for.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("a duration cannot be negative; write 10s, 5m or 1h 30m".to_owned());
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) && text != "0" {
        return Err(format!(
            "{text} of what? add a unit: {text}ms, {text}s, {text}m, {text}h or {text}d"
        ));
    }
    humantime::parse_duration(text).map_err(|_| {
        "write numbers with units (ms, s, m, h, d), such as 500ms, 10s or 1h 30m".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let check = |text: &str, millis: u64| {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("10s", 10_000);
        check("1h 30m", 5_400_000);
        check("1h30m", 5_400_000);
        check("500ms", 500);
        check(" 2d ", 172_800_000);
        check("0", 0);
        check("0s", 0);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_way_out() {
        let check = |text: &str, part: &str| {
            let error = duration(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("-5s", "negative");
        check("10", "10s");
        check("", "10s");
        check("soon", "units");
        check("5 fortnights", "units");
        check("99999999999999999999y", "units");
    }
}
