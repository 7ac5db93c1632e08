//! Reads literals and holds them against their limits.
//!
//! The limits are those of the library, which checks them again: settings may also be made without
//! the macro. Here they are found before the program exists.

use std::time::Duration;

use syn::{Expr, ExprLit, Lit};

/// Longest name in bytes, as everywhere in Towpath.
const NAME_BYTES: usize = 255;
/// Longest duration, as everywhere in Towpath: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

fn refuse<T>(expr: &Expr, message: impl std::fmt::Display) -> syn::Result<T> {
    Err(syn::Error::new_spanned(expr, message))
}

/// The literal that `expr` is, also when a `macro_rules!` passed it on in an invisible group.
fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// A text; `example` shows one.
pub(crate) fn text(expr: &Expr, example: &str) -> syn::Result<String> {
    match literal(expr) {
        Some(Lit::Str(text)) => Ok(text.value()),
        _ => refuse(expr, format!("expected a text such as {example}")),
    }
}

/// The name of a task, queue or codec.
pub(crate) fn name(expr: &Expr, what: &str) -> syn::Result<String> {
    let name = text(expr, "\"thumbnails\"")?;
    if name.is_empty() {
        return refuse(
            expr,
            format!("the {what} name is empty; give it 1 to {NAME_BYTES} bytes"),
        );
    }
    if name.len() > NAME_BYTES {
        let len = name.len();
        return refuse(
            expr,
            format!("the {what} name has {len} bytes, the limit is {NAME_BYTES}"),
        );
    }
    if let Some(bad) = name.chars().find(|c| c.is_control()) {
        return refuse(
            expr,
            format!("the {what} name contains the control character {bad:?}"),
        );
    }
    Ok(name)
}

/// A duration such as `"1h 30m"`, of at most ten years.
pub(crate) fn duration(expr: &Expr) -> syn::Result<Duration> {
    let text = text(expr, "\"10s\" or \"1h 30m\"")?;
    match humantime::parse_duration(&text) {
        Err(error) => refuse(
            expr,
            format!("{text:?} is no duration ({error}); write one such as \"10s\" or \"1h 30m\""),
        ),
        Ok(duration) if duration > LONGEST => {
            refuse(expr, format!("{text:?} is over the limit of ten years"))
        }
        Ok(duration) => Ok(duration),
    }
}

/// A duration that is not zero.
pub(crate) fn positive_duration(expr: &Expr, what: &str) -> syn::Result<Duration> {
    let duration = duration(expr)?;
    if duration.is_zero() {
        return refuse(expr, format!("the {what} is zero; no attempt could run"));
    }
    Ok(duration)
}

/// A whole number that a `u32` can hold.
pub(crate) fn whole_number(expr: &Expr) -> syn::Result<u32> {
    let number = match literal(expr) {
        Some(Lit::Int(number)) => number.base10_parse().ok(),
        _ => None,
    };
    match number {
        Some(number) => Ok(number),
        None => refuse(
            expr,
            format!("expected a whole number from 0 to {}", u32::MAX),
        ),
    }
}

/// A number of at least 0, with or without decimals.
pub(crate) fn number(expr: &Expr) -> syn::Result<f64> {
    let number: Option<f64> = match literal(expr) {
        Some(Lit::Int(number)) => number.base10_parse().ok(),
        Some(Lit::Float(number)) => number.base10_parse().ok(),
        _ => None,
    };
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(number),
        None => refuse(expr, "expected a number of at least 0, such as 4 or 0.5"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug + PartialEq>(
        read: impl Fn(&Expr) -> syn::Result<T>,
        input: &str,
        expected: Result<T, &str>,
    ) {
        let expr: Expr = syn::parse_str(input).unwrap();
        let got = read(&expr).map_err(|error| error.to_string());
        match (got, expected) {
            (Err(got), Err(expected)) => assert!(got.contains(expected), "{input}: {got}"),
            (got, expected) => assert_eq!(got, expected.map_err(str::to_owned), "{input}"),
        }
    }

    #[test]
    fn durations_have_units_and_a_limit() {
        check(duration, r#""1h 30m""#, Ok(Duration::from_secs(5_400)));
        check(duration, r#""200ms""#, Ok(Duration::from_millis(200)));
        check(duration, r#""0s""#, Ok(Duration::ZERO));
        check(duration, r#""5""#, Err("is no duration"));
        check(duration, r#""soon""#, Err("is no duration"));
        check(duration, r#""11years""#, Err("ten years"));
        check(duration, "5", Err("expected a text such as \"10s\""));
        check(
            |e| positive_duration(e, "timeout"),
            r#""0s""#,
            Err("the timeout is zero"),
        );
    }

    #[test]
    fn names_have_1_to_255_bytes_without_control_characters() {
        let task = |expr: &Expr| name(expr, "task");
        check(task, r#""résumé: parse""#, Ok("résumé: parse".to_owned()));
        check(task, r#""""#, Err("the task name is empty"));
        check(task, r#""a\nb""#, Err("control character '\\n'"));
        let long = format!("{:?}", "x".repeat(256));
        check(
            task,
            &long,
            Err("the task name has 256 bytes, the limit is 255"),
        );
        check(task, "QUEUE", Err("expected a text"));
    }

    #[test]
    fn numbers_are_not_negative_and_fit() {
        check(whole_number, "7", Ok(7));
        check(whole_number, "4_294_967_295", Ok(u32::MAX));
        check(whole_number, "4294967296", Err("from 0 to 4294967295"));
        check(whole_number, "-1", Err("from 0 to 4294967295"));
        check(whole_number, "\"3\"", Err("from 0 to 4294967295"));
        check(number, "4", Ok(4.0));
        check(number, "0.5", Ok(0.5));
        check(number, "-0.5", Err("at least 0"));
        check(number, "1e999", Err("at least 0"));
    }
}
