//! The settings of a task: its name, and what its options say.

use proc_macro2::TokenStream;
use quote::quote;

use super::Task;
use crate::options::{Mechanism, Retries};
use crate::tokens;

/// The expression that makes the settings.
pub(super) fn tokens(task: &Task) -> TokenStream {
    let options = &task.options;
    let (root, name) = (&options.root, task.name());
    let mechanism = match task.mechanism() {
        Mechanism::Async => quote!(Async),
        Mechanism::Thread => quote!(Thread),
    };
    let queue = options.queue.as_ref().map(|queue| quote!(.queue(#queue)));
    let max_retries = options.max_retries.map(|retries| {
        let retries = match retries {
            Retries::AtMost(retries) => quote!(AtMost(#retries)),
            Retries::Unlimited => quote!(Unlimited),
        };
        quote!(.max_retries(#root::Retries::#retries))
    });
    let timeout = options
        .timeout
        .map(tokens::duration)
        .map(|timeout| quote!(.timeout(#timeout)));
    let backoff = options.backoff.as_ref().map(|backoff| {
        let backoff = backoff.tokens(root);
        quote!(.backoff(#backoff))
    });
    let priority = options
        .priority
        .map(|priority| quote!(.priority(#priority)));
    let result_ttl = options
        .result_ttl
        .map(tokens::duration)
        .map(|ttl| quote!(.result_ttl(#ttl)));
    let codec = options.codec.as_ref().map(|codec| quote!(.codec(#codec)));
    let named_only = options.named_only.then(|| quote!(.named_only()));
    let policy = options
        .policy
        .as_ref()
        .map(|policy| quote!(.policy(#policy)));
    quote! {
        #root::TaskSettings::new(#name)
            .mechanism(#root::Mechanism::#mechanism)
            #queue #max_retries #timeout #backoff #priority #result_ttl #codec #named_only #policy
    }
}
