//! From the arguments and the context to the end of an attempt.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Index;

use super::{Task, place_of};
use crate::options::Mechanism;
use crate::parameters::Source;
use crate::returned::Returned;

/// The function `__run`, which calls the handler, and the expression that makes the `Body` of it.
pub(super) struct Run {
    pub(super) function: TokenStream,
    pub(super) body: TokenStream,
}

impl Run {
    pub(super) fn of(task: &Task) -> Self {
        let (root, ident) = (&task.options.root, task.handler.ident());
        // An async handler is a future wherever it runs: a pool of threads blocks on it.
        let is_future = task.handler.is_async() || task.mechanism() == Mechanism::Async;
        let asyncness = is_future.then(|| quote!(async));
        let finish = finish(&task.handler.returned, &call(task), task);
        let function = quote! {
            #asyncness fn __run(
                __args: <#ident as #root::Task>::Args,
                __ctx: #root::Context,
            ) -> ::core::result::Result<
                #root::Outcome<<#ident as #root::Task>::Output>,
                #root::TaskError,
            > {
                #finish
            }
        };
        let body = if is_future {
            let future =
                quote_spanned!(place_of(ident)=> ::std::boxed::Box::pin(__run(__args, __ctx)));
            quote!(#root::Body::Async(#future))
        } else {
            quote!(#root::Body::Blocking(::std::boxed::Box::new(move || __run(__args, __ctx))))
        };
        Self { function, body }
    }
}

/// The call of the handler, with each parameter from where it comes.
fn call(task: &Task) -> TokenStream {
    let ident = task.handler.ident();
    let mut arguments = (0..).map(Index::from);
    let values = task
        .handler
        .parameters
        .iter()
        .map(|parameter| match &parameter.source {
            Source::Payload => {
                let index = arguments.next();
                quote!(__args.#index)
            }
            Source::Data(ty) => quote!(__ctx.data::<#ty>()?),
            Source::Context => quote!(::core::clone::Clone::clone(&__ctx)),
        });
    let call = quote!(#ident.call(#(#values),*));
    if task.handler.is_async() {
        quote!(#call.await)
    } else {
        call
    }
}

/// What the handler returned, as the end of the attempt.
fn finish(returned: &Returned, call: &TokenStream, task: &Task) -> TokenStream {
    let root = &task.options.root;
    let done = |output: &TokenStream| {
        if returned.outcome {
            quote!(#output)
        } else {
            quote!(#root::Outcome::Done(#output))
        }
    };
    if !returned.fallible {
        let done = done(call);
        return quote!(::core::result::Result::Ok(#done));
    }
    let done = done(&quote!(__output));
    let error = quote_spanned! {place_of(&returned.written)=>
        (&mut &mut #root::__private::Thrown::new(__error)).into_task_error()
    };
    quote! {
        // The type of the error is unknown here: the method is the one of the first trait that fits.
        #[allow(unused_imports)] // tidy: which one serves depends on the error
        use #root::__private::{FromBoxable as _, FromOther as _, FromTaskError as _};

        match #call {
            ::core::result::Result::Ok(__output) => ::core::result::Result::Ok(#done),
            ::core::result::Result::Err(__error) => ::core::result::Result::Err(#error),
        }
    }
}
