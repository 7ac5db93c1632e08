//! The option `backoff`: `constant("5s")`, `linear(…)`, `exponential(…)`, or an expression.

use std::time::Duration;

use humantime::format_duration;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprAssign, ExprCall, Path};

use crate::literal;
use crate::tokens;

/// How long to wait before a retry.
pub(crate) enum Backoff {
    /// One of the formulas of the library.
    BuiltIn { formula: Formula, bounds: Bounds },
    /// An expression whose type is the library's `Backoff`.
    Expression(Expr),
}

#[derive(Clone, Copy)]
pub(crate) enum Formula {
    Constant(Duration),
    Linear(Duration),
    Exponential(f64, Duration),
}

/// What may be said about any formula; what is left out has the library's default.
#[derive(Default)]
pub(crate) struct Bounds {
    floor: Option<Duration>,
    ceiling: Option<Duration>,
    jitter: Option<f64>,
}

impl Backoff {
    pub(crate) fn parse(expr: &Expr) -> syn::Result<Self> {
        // Any other call is an expression, also one of a function with a path: `my::constant(1)`.
        match expr {
            Expr::Call(call) if is_built_in(&call.func) => Self::built_in(call),
            _ => Ok(Self::Expression(expr.clone())),
        }
    }

    fn built_in(call: &ExprCall) -> syn::Result<Self> {
        let (bounds, positional): (Vec<_>, Vec<_>) = call
            .args
            .iter()
            .partition(|argument| matches!(argument, Expr::Assign(_)));
        let formula = Formula::parse(call, &positional)?;
        let bounds = Bounds::parse(&bounds)?;
        Ok(Self::BuiltIn { formula, bounds })
    }

    /// The expression that makes it.
    pub(crate) fn tokens(&self, root: &Path) -> TokenStream {
        match self {
            Self::Expression(expr) => quote!(#expr),
            Self::BuiltIn { formula, bounds } => {
                let formula = formula.tokens();
                let bounds = bounds.tokens();
                quote!(#root::Backoff::#formula #bounds)
            }
        }
    }
}

fn is_built_in(function: &Expr) -> bool {
    let Expr::Path(function) = function else {
        return false;
    };
    let names = ["constant", "linear", "exponential"];
    names.iter().any(|name| function.path.is_ident(name))
}

impl Formula {
    fn parse(call: &ExprCall, arguments: &[&Expr]) -> syn::Result<Self> {
        let Expr::Path(function) = &*call.func else {
            unreachable!("only a plain name is a built-in formula");
        };
        let usage = if function.path.is_ident("exponential") {
            if let [base, factor] = arguments {
                return Ok(Self::Exponential(
                    literal::number(base)?,
                    literal::duration(factor)?,
                ));
            }
            "`exponential` takes a base and a duration: `exponential(4, \"10s\")`"
        } else if function.path.is_ident("linear") {
            if let [factor] = arguments {
                return Ok(Self::Linear(literal::duration(factor)?));
            }
            "`linear` takes one duration: `linear(\"30s\")`"
        } else {
            if let [constant] = arguments {
                return Ok(Self::Constant(literal::duration(constant)?));
            }
            "`constant` takes one duration: `constant(\"5s\")`"
        };
        Err(syn::Error::new_spanned(call, usage))
    }

    fn tokens(self) -> TokenStream {
        match self {
            Self::Constant(constant) => {
                let constant = tokens::duration(constant);
                quote!(constant(#constant))
            }
            Self::Linear(factor) => {
                let factor = tokens::duration(factor);
                quote!(linear(#factor))
            }
            Self::Exponential(base, factor) => {
                let factor = tokens::duration(factor);
                quote!(exponential(#base, #factor))
            }
        }
    }
}

impl Bounds {
    fn parse(arguments: &[&Expr]) -> syn::Result<Self> {
        let mut bounds = Self::default();
        for argument in arguments {
            let Expr::Assign(bound) = argument else {
                unreachable!("bounds are assignments");
            };
            bounds.set(bound)?;
        }
        if let (Some(floor), Some(ceiling)) = (bounds.floor, bounds.ceiling)
            && floor > ceiling
        {
            let (floor, ceiling) = (format_duration(floor), format_duration(ceiling));
            let message = format!("the floor {floor} is above the ceiling {ceiling}");
            return Err(syn::Error::new_spanned(arguments[0], message));
        }
        Ok(bounds)
    }

    fn set(&mut self, bound: &ExprAssign) -> syn::Result<()> {
        let ExprAssign { left, right, .. } = bound;
        let refuse = |message: String| Err(syn::Error::new_spanned(left, message));
        let Some(name) = identifier(left) else {
            return refuse("expected `floor`, `ceiling` or `jitter`".to_owned());
        };
        let is_new = match name.as_str() {
            "floor" => self.floor.replace(literal::duration(right)?).is_none(),
            "ceiling" => self.ceiling.replace(literal::duration(right)?).is_none(),
            "jitter" => self.jitter.replace(jitter(right)?).is_none(),
            _ => {
                return refuse(format!(
                    "unknown part `{name}` of a backoff; known: floor, ceiling, jitter"
                ));
            }
        };
        if is_new {
            return Ok(());
        }
        refuse(format!("`{name}` is given twice"))
    }

    fn tokens(&self) -> TokenStream {
        let floor = self.floor.map(tokens::duration);
        let floor = floor.map(|floor| quote!(.floor(#floor)));
        let ceiling = self.ceiling.map(tokens::duration);
        let ceiling = ceiling.map(|ceiling| quote!(.ceiling(#ceiling)));
        let jitter = self.jitter.map(|jitter| quote!(.jitter(#jitter)));
        // The ceiling stands last: setting a floor may lift the default ceiling.
        quote!(#jitter #floor #ceiling)
    }
}

fn identifier(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

fn jitter(expr: &Expr) -> syn::Result<f64> {
    let jitter = literal::number(expr)?;
    if jitter > 1.0 {
        let message = format!("the jitter {jitter} is a part of the wait, from 0 to 1");
        return Err(syn::Error::new_spanned(expr, message));
    }
    Ok(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: &str) -> syn::Result<String> {
        let backoff = Backoff::parse(&syn::parse_str(input).unwrap())?;
        let tokens = backoff.tokens(&syn::parse_quote!(t));
        Ok(tokens.to_string().replace(' ', ""))
    }

    #[test]
    fn built_in_formulas_become_calls_of_the_library() {
        let check = |input: &str, expected: &str| {
            let expected = expected.replace("s(", "::core::time::Duration::new(");
            assert_eq!(tokens(input).unwrap(), expected, "{input}");
        };
        check(r#"constant("5s")"#, "t::Backoff::constant(s(5u64,0u32))");
        check(
            r#"linear("30s", ceiling = "5m", floor = "10s", jitter = 0.1)"#,
            "t::Backoff::linear(s(30u64,0u32)).jitter(0.1f64).floor(s(10u64,0u32)).ceiling(s(300u64,0u32))",
        );
        check(
            r#"exponential(4, "10ms")"#,
            "t::Backoff::exponential(4f64,s(0u64,10000000u32))",
        );
        check("my::constant(1)", "my::constant(1)");
        check("Backoff::none()", "Backoff::none()");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |input: &str, expected: &str| {
            let text = tokens(input).unwrap_err().to_string();
            assert!(text.contains(expected), "{input}: {text}");
        };
        check("constant()", "`constant` takes one duration");
        check(r#"linear("1s", "2s")"#, "`linear` takes one duration");
        check(r#"exponential("1s")"#, "a base and a duration");
        check(r#"exponential(-2, "1s")"#, "a number of at least 0");
        check("constant(5)", "expected a text such as \"10s\"");
        check(
            r#"constant("5s", celling = "1s")"#,
            "unknown part `celling`",
        );
        check(
            r#"constant("5s", floor = "1s", floor = "1s")"#,
            "`floor` is given twice",
        );
        check(r#"constant("5s", jitter = 1.5)"#, "from 0 to 1");
        check(
            r#"constant("5s", floor = "2s", ceiling = "1s")"#,
            "the floor 2s is above the ceiling 1s",
        );
    }
}
