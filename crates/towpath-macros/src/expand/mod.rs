//! Writes the code of a task: the handle that users call, and the trait that workers call.
//!
//! ```text
//! #[task]                          pub struct add;
//! pub fn add(a: i64, b: i64)   →   impl add { call, submit, draft }       handle.rs
//!     -> i64 { a + b }             const _: () = {
//!                                      struct __Arguments { … }           payload.rs
//!                                      fn __run(…) { add.call(…) }        run.rs
//!                                      impl Task for add { … }            task.rs, settings.rs
//!                                  };
//! ```
//!
//! Paths are written from the root of a crate and private names begin with two underscores: what the
//! user's module calls `Result` or `args` must not change the meaning of this code.

mod handle;
mod payload;
mod run;
mod settings;
mod task;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;

use crate::errors::Errors;
use crate::handler::Handler;
use crate::options::{Mechanism, Options};

/// A task, read from its attribute and its function.
struct Task {
    options: Options,
    handler: Handler,
}

impl Task {
    /// The name under which messages ask for it.
    fn name(&self) -> String {
        self.options
            .name
            .clone()
            .unwrap_or_else(|| self.handler.name())
    }

    fn mechanism(&self) -> Mechanism {
        let of_function = if self.handler.is_async() {
            Mechanism::Async
        } else {
            Mechanism::Thread
        };
        self.options.mechanism.unwrap_or(of_function)
    }
}

/// The place of `part` with the names of the generated code: there an error about that code shows what
/// to change.
fn place_of(part: &impl Spanned) -> Span {
    part.span().resolved_at(Span::call_site())
}

/// The code that stands for `item`, a function under `#[task(attribute)]`.
pub(crate) fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::parse(attribute, &mut errors);
    let code = match Handler::parse(item.clone(), &mut errors) {
        // Written in spite of wrong options, so that each use of the task is not an error as well.
        Some(handler) => {
            let task = Task { options, handler };
            let handle = handle::tokens(&task);
            let implementation = task::tokens(&task);
            quote!(#handle #implementation)
        }
        None => item,
    };
    let errors = errors.into_tokens();
    quote!(#code #errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code for one function, as text.
    fn code(attribute: &str, item: &str) -> String {
        task(attribute.parse().unwrap(), item.parse().unwrap()).to_string()
    }

    #[test]
    fn every_path_begins_where_the_option_crate_says() {
        let item = "async fn f(a: u8, d: Data<u8>, c: Context) -> Result<Outcome<u8>, E> { a }";
        let options = r#"name = "n", queue = "q", max_retries = 1, timeout = "1s", codec = "json",
            backoff = linear("1s", floor = "1s"), mechanism = "async", priority = 1,
            result_ttl = "1s", policy = P, crate = inner::library"#;
        for flag in ["", ", named_only"] {
            let code = code(&format!("{options}{flag}"), item);
            assert!(
                code.contains("inner :: library") && !code.contains("towpath"),
                "{code}"
            );
        }
    }

    #[test]
    fn wrong_options_leave_the_handle_and_wrong_functions_stay() {
        let code_of_options = code("retries = 3", "fn f() {}");
        assert!(
            code_of_options.contains("compile_error"),
            "{code_of_options}"
        );
        assert!(code_of_options.contains("struct f"), "{code_of_options}");
        let code_of_function = code("", "fn f(&self) {}");
        assert!(
            code_of_function.contains("compile_error"),
            "{code_of_function}"
        );
        assert!(
            code_of_function.starts_with("fn f (& self) { }"),
            "{code_of_function}"
        );
    }
}
