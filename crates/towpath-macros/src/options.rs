//! What stands in the brackets of `#[task(…)]`, understood and checked.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::{Expr, Path, parse_quote};

use crate::backoff::Backoff;
use crate::entry::Entry;
use crate::errors::Errors;
use crate::literal;

/// Every option, in the order of the documentation.
const KNOWN: [&str; 12] = [
    "name",
    "queue",
    "max_retries",
    "timeout",
    "backoff",
    "mechanism",
    "priority",
    "result_ttl",
    "codec",
    "named_only",
    "policy",
    "crate",
];

/// The options of a task; what is left out has the library's default.
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) max_retries: Option<Retries>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) mechanism: Option<Mechanism>,
    pub(crate) priority: Option<u32>,
    pub(crate) result_ttl: Option<Duration>,
    pub(crate) codec: Option<String>,
    pub(crate) named_only: bool,
    pub(crate) policy: Option<Expr>,
    /// Where the library is found.
    pub(crate) root: Path,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Retries {
    AtMost(u32),
    Unlimited,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mechanism {
    Async,
    Thread,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            queue: None,
            max_retries: None,
            timeout: None,
            backoff: None,
            mechanism: None,
            priority: None,
            result_ttl: None,
            codec: None,
            named_only: false,
            policy: None,
            root: parse_quote!(::towpath),
        }
    }
}

impl Options {
    /// Reads the options. A wrong one is added to `errors` and counts as left out.
    pub(crate) fn parse(attribute: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let entries = errors
            .keep(Entry::parse_all.parse2(attribute))
            .unwrap_or_default();
        let mut seen = Vec::new();
        for entry in &entries {
            let key = entry.key.to_string();
            if seen.contains(&key) {
                errors.push(&entry.key, format!("`{key}` is given twice"));
            } else {
                errors.keep(options.set(&key, entry));
            }
            seen.push(key);
        }
        options
    }

    fn set(&mut self, key: &str, entry: &Entry) -> syn::Result<()> {
        match key {
            "name" => self.name = Some(literal::name(entry.value()?, "task")?),
            "queue" => self.queue = Some(literal::name(entry.value()?, "queue")?),
            "max_retries" => self.max_retries = Some(retries(entry.value()?)?),
            "timeout" => {
                self.timeout = Some(literal::positive_duration(entry.value()?, "timeout")?);
            }
            "backoff" => self.backoff = Some(Backoff::parse(entry.value()?)?),
            "mechanism" => self.mechanism = Some(mechanism(entry.value()?)?),
            "priority" => self.priority = Some(literal::whole_number(entry.value()?)?),
            "result_ttl" => self.result_ttl = Some(literal::duration(entry.value()?)?),
            "codec" => self.codec = Some(literal::name(entry.value()?, "codec")?),
            "named_only" => {
                entry.flag()?;
                self.named_only = true;
            }
            "policy" => self.policy = Some(entry.value()?.clone()),
            "crate" => self.root = path(entry.value()?)?,
            _ => {
                let known = KNOWN.join(", ");
                let message = format!("unknown option `{key}`; known: {known}");
                return Err(syn::Error::new_spanned(&entry.key, message));
            }
        }
        Ok(())
    }
}

fn retries(expr: &Expr) -> syn::Result<Retries> {
    if literal::text(expr, "").is_ok_and(|text| text == "unlimited") {
        return Ok(Retries::Unlimited);
    }
    literal::whole_number(expr)
        .map(Retries::AtMost)
        .map_err(|error| syn::Error::new(error.span(), format!("{error}, or \"unlimited\"")))
}

fn mechanism(expr: &Expr) -> syn::Result<Mechanism> {
    match literal::text(expr, "").as_deref() {
        Ok("async") => Ok(Mechanism::Async),
        Ok("thread") => Ok(Mechanism::Thread),
        _ => Err(syn::Error::new_spanned(
            expr,
            "expected \"async\" or \"thread\"",
        )),
    }
}

fn path(expr: &Expr) -> syn::Result<Path> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
        _ => Err(syn::Error::new_spanned(
            expr,
            "expected a path such as ::towpath, without quotes",
        )),
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    fn parse(input: &str) -> (Options, Vec<String>) {
        let mut errors = Errors::default();
        let options = Options::parse(input.parse().unwrap(), &mut errors);
        (options, errors.texts())
    }

    #[test]
    fn every_option_is_read() {
        let (options, errors) = parse(
            r#"name = "a b", queue = "q", max_retries = 0, timeout = "1h 30m",
               backoff = constant("5s"), mechanism = "thread", priority = 5, result_ttl = "0s",
               codec = "msgpack", named_only, policy = Mine::new(1), crate = crate::inner,"#,
        );
        assert_eq!(errors, [""; 0]);
        assert_eq!(options.name.as_deref(), Some("a b"));
        assert_eq!(options.queue.as_deref(), Some("q"));
        assert_eq!(options.max_retries, Some(Retries::AtMost(0)));
        assert_eq!(options.timeout, Some(Duration::from_secs(5_400)));
        assert!(matches!(options.backoff, Some(Backoff::BuiltIn { .. })));
        assert_eq!(options.mechanism, Some(Mechanism::Thread));
        assert_eq!(options.priority, Some(5));
        assert_eq!(options.result_ttl, Some(Duration::ZERO));
        assert_eq!(options.codec.as_deref(), Some("msgpack"));
        assert!(options.named_only && options.policy.is_some());
        assert_eq!(options.root.to_token_stream().to_string(), "crate :: inner");
    }

    #[test]
    fn nothing_is_the_default() {
        let (options, errors) = parse("");
        assert_eq!(errors, [""; 0]);
        assert_eq!(options.max_retries, None);
        assert_eq!(options.root.to_token_stream().to_string(), ":: towpath");
    }

    #[test]
    fn unlimited_retries_are_asked_for_by_name() {
        let (options, _) = parse(r#"max_retries = "unlimited""#);
        assert_eq!(options.max_retries, Some(Retries::Unlimited));
        let (_, errors) = parse(r#"max_retries = "many""#);
        assert_eq!(
            errors,
            ["expected a whole number from 0 to 4294967295, or \"unlimited\""]
        );
    }

    #[test]
    fn what_is_no_option_is_refused_with_an_example() {
        let check = |input: &str, expected: &str| assert_eq!(parse(input).1, [expected], "{input}");
        check("\"mail\"", "expected an option such as `queue = \"mail\"`");
        check("queue: \"mail\"", "expected `queue = …`");
        check("queue(\"mail\")", "expected `queue = …`");
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let (options, errors) = parse(
            r#"retries = 3, queue = "a", queue = "b", timeout = "0s", mechanism = "process",
               named_only = true, crate = "towpath", codec"#,
        );
        assert_eq!(options.queue.as_deref(), Some("a"));
        let expected = [
            "unknown option `retries`; known: name, queue, max_retries, timeout, backoff, \
             mechanism, priority, result_ttl, codec, named_only, policy, crate",
            "`queue` is given twice",
            "the timeout is zero; no attempt could run",
            "expected \"async\" or \"thread\"",
            "`named_only` takes no value; write it alone, or leave it out",
            "expected a path such as ::towpath, without quotes",
            "`codec` needs a value: `codec = …`",
        ];
        assert_eq!(errors, expected);
    }
}
