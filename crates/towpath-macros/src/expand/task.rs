//! The implementation of the library's trait `Task`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::payload::Payload;
use super::run::Run;
use super::{Task, place_of, settings};
use crate::parameters::Source;

pub(super) fn tokens(task: &Task) -> TokenStream {
    let (root, ident) = (&task.options.root, task.handler.ident());
    let cfgs = task.handler.attributes(&["cfg"]);
    let types = task.handler.arguments().map(|argument| &argument.ty);
    let args = quote_spanned!(place_of(&task.handler.parentheses())=> (#(#types,)*));
    let output = &task.handler.returned.output;
    let settings = settings::tokens(task);
    let Payload {
        items,
        encode,
        decode,
    } = Payload::of(task);
    let requires = requires(task);
    let Run { function, body } = Run::of(task);
    quote! {
        #(#cfgs)*
        #[allow(deprecated, non_snake_case, unused_qualifications)] // tidy: the names are the user's
        #[allow(clippy::all, clippy::pedantic)] // tidy: nobody reads this code
        const _: () = {
            #items
            #function

            impl #root::Task for #ident {
                type Args = #args;
                type Output = #output;

                fn settings(&self) -> &#root::TaskSettings {
                    static __SETTINGS: ::std::sync::LazyLock<#root::TaskSettings> =
                        ::std::sync::LazyLock::new(|| #settings);
                    &__SETTINGS
                }

                fn encode(
                    &self,
                    __args: &Self::Args,
                    __encoder: &#root::Encoder<'_>,
                ) -> #root::Result<#root::Payload> {
                    #encode
                }

                fn decode(
                    &self,
                    __payload: &#root::Payload,
                    __codecs: &#root::Codecs,
                ) -> #root::Result<Self::Args> {
                    #decode
                }

                fn requires(&self, __needs: &mut #root::Needs) {
                    #requires
                }

                fn body(
                    &self,
                    __args: Self::Args,
                    __ctx: #root::Context,
                ) -> #root::Body<Self::Output> {
                    #body
                }
            }
        };
    }
}

/// One statement for each parameter of shared data, with the span of its type: that is what is wrong
/// when the type cannot be shared.
fn requires(task: &Task) -> TokenStream {
    let parameters = task.handler.parameters.iter();
    parameters
        .filter_map(|parameter| match &parameter.source {
            Source::Data(ty) => Some(quote_spanned!(place_of(ty)=> __needs.data::<#ty>();)),
            _ => None,
        })
        .collect()
}
