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
