//! The attribute `#[task]`, which makes a task of a function.
//!
//! The work goes in three steps: `options` reads the brackets, `handler` the function, and
//! `expand` writes the code. Each mistake is kept in `errors`, so that all are shown at once.
//!
//! Users name it `towpath::task`: the generated code speaks of the facade. Nothing here knows the
//! library but by the names in that code.

mod backoff;
mod entry;
mod errors;
mod expand;
mod handler;
mod literal;
mod options;
mod parameters;
mod path_type;
mod returned;
mod stored;
mod tokens;

use proc_macro::TokenStream;

#[doc = include_str!("docs/task.md")]
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(attribute.into(), item.into()).into()
}
