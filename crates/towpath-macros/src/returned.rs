//! What a handler returns: whether it may fail, whether it decides the outcome, and its output.

use syn::{ReturnType, Type, parse_quote};

use crate::errors::Errors;
use crate::path_type::PathType;
use crate::stored;

/// The return type of a handler, taken apart.
pub(crate) struct Returned {
    /// The type as it was written.
    pub(crate) written: Type,
    /// It is `Result<_, E>` for some `E`.
    pub(crate) fallible: bool,
    /// It is `Outcome<_>`, inside of the `Result` if there is one.
    pub(crate) outcome: bool,
    /// What is stored as the result of the task.
    pub(crate) output: Type,
}

impl Returned {
    /// Reads a return type; what no task can return is added to `errors`.
    pub(crate) fn parse(returned: &ReturnType, errors: &mut Errors) -> Self {
        let written: Type = match returned {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        let mut output = written.clone();
        let mut fallible = false;
        if let Some(result) = PathType::of(&output).filter(|path| path.name == "Result") {
            fallible = true;
            match result.generics.first() {
                Some(&ok) => output = ok.clone(),
                None => errors.push(
                    &output,
                    "this `Result` does not show the output of the task; write `Result<T, E>`",
                ),
            }
        }
        let outcome = outcome(&output);
        let is_outcome = outcome.is_some();
        let output = outcome.unwrap_or(output);
        stored::check(&output, "the output", errors);
        Self {
            written,
            fallible,
            outcome: is_outcome,
            output,
        }
    }
}

/// The `T` of `Outcome<T>`.
fn outcome(ty: &Type) -> Option<Type> {
    let path = PathType::of(ty).filter(|path| path.name == "Outcome")?;
    match path.generics.as_slice() {
        [output] => Some((*output).clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    fn parse(returned: &str) -> (Returned, Vec<String>) {
        let mut errors = Errors::default();
        let returned = Returned::parse(&syn::parse_str(returned).unwrap(), &mut errors);
        (returned, errors.texts())
    }

    #[test]
    fn the_output_is_found_inside_of_result_and_outcome() {
        let check = |input: &str, fallible: bool, outcome: bool, output: &str| {
            let (returned, errors) = parse(input);
            assert_eq!(errors, [""; 0], "{input}");
            let tokens = returned
                .output
                .to_token_stream()
                .to_string()
                .replace(' ', "");
            assert_eq!(
                (returned.fallible, returned.outcome),
                (fallible, outcome),
                "{input}"
            );
            assert_eq!(tokens, output, "{input}");
        };
        check("", false, false, "()");
        check("-> u8", false, false, "u8");
        check("-> Vec<Result<u8, E>>", false, false, "Vec<Result<u8,E>>");
        check("-> Result<u8, E>", true, false, "u8");
        check("-> (std::io::Result<()>)", true, false, "()");
        check("-> anyhow::Result<Vec<u8>>", true, false, "Vec<u8>");
        check("-> Outcome<u8>", false, true, "u8");
        check("-> Result<towpath::Outcome<()>, E>", true, true, "()");
        check("-> Outcome", false, false, "Outcome");
    }

    #[test]
    fn what_no_task_can_return_is_refused() {
        let check = |input: &str, expected: &str| {
            let (_, errors) = parse(input);
            assert!(
                errors.len() == 1 && errors[0].contains(expected),
                "{input}: {errors:?}"
            );
        };
        check("-> std::fmt::Result", "does not show the output");
        check("-> impl Future<Output = u8>", "not `impl Trait`");
        check("-> &'static str", "cannot be a reference");
        check(
            "-> Result<Outcome<&'static str>, E>",
            "cannot be a reference",
        );
        check("-> !", "write `()` for none");
    }
}
