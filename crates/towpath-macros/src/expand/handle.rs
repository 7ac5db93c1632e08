//! The handle: a unit struct with the name of the function, and its methods.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ItemFn, Signature};

use super::Task;

/// Attributes that belong to the item, not to the body.
const OF_ITEM: [&str; 2] = ["cfg", "doc"];
/// Attributes that hold for the item as well as for the body.
const OF_BOTH: [&str; 4] = ["allow", "warn", "deny", "forbid"];

pub(super) fn tokens(task: &Task) -> TokenStream {
    let handler = &task.handler;
    let (ident, visibility) = (handler.ident(), &handler.function.vis);
    let attributes = handler.attributes(&[&OF_ITEM[..], &OF_BOTH[..]].concat());
    let cfgs = handler.attributes(&["cfg"]);
    let call = call(task);
    let submit = submit(task);
    let draft = draft(task);
    quote! {
        #(#attributes)*
        #[allow(non_camel_case_types)] // tidy: the handle has the name of the function
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #visibility struct #ident;

        #(#cfgs)*
        #[allow(dead_code)] // tidy: each program uses some of these methods
        #[allow(clippy::unused_self, clippy::trivially_copy_pass_by_ref)] // tidy: a handle is a value
        #[allow(clippy::too_many_arguments)] // tidy: `&self` is one more than the user wrote
        #[allow(clippy::needless_pass_by_value)] // tidy: what comes from the store is owned
        impl #ident {
            #call
            #submit
            #draft
        }
    }
}

/// The function as it was written, as a method.
fn call(task: &Task) -> TokenStream {
    let ItemFn {
        vis, sig, block, ..
    } = &task.handler.function;
    let Signature {
        asyncness,
        fn_token,
        inputs,
        output,
        ..
    } = sig;
    let attributes = task.handler.attributes_besides(&OF_ITEM);
    // The span of the user's name, so that lints about the function point at it.
    let call = Ident::new("call", sig.ident.span());
    quote! {
        /// Runs the body here and now, without a message.
        #(#attributes)*
        #vis #asyncness #fn_token #call(&self, #inputs) #output #block
    }
}

fn submit(task: &Task) -> TokenStream {
    let (root, visibility) = (&task.options.root, &task.handler.function.vis);
    let types = task.handler.arguments().map(|argument| &argument.ty);
    let deprecated = task.handler.attributes(&["deprecated"]);
    quote! {
        /// Submits a message with these arguments: set its options, then `.await` it.
        #(#deprecated)*
        #visibility fn submit<'broker>(
            &self,
            broker: &'broker #root::Broker,
            args: (#(#types,)*),
        ) -> #root::Submit<'broker, Self> {
            #root::Submit::new(broker, self, args)
        }
    }
}

fn draft(task: &Task) -> TokenStream {
    let (root, visibility) = (&task.options.root, &task.handler.function.vis);
    let types = task.handler.arguments().map(|argument| &argument.ty);
    let deprecated = task.handler.attributes(&["deprecated"]);
    quote! {
        /// Builds a message with these arguments without submitting it.
        ///
        /// # Errors
        ///
        /// When the arguments cannot be encoded, or a setting of the task is out of its limits.
        #(#deprecated)*
        #visibility fn draft(&self, args: (#(#types,)*)) -> #root::Result<#root::Draft> {
            #root::draft_of(self, &args)
        }
    }
}
