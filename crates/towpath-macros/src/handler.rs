//! The function under `#[task]`, taken apart and checked.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{AttrStyle, Attribute, Item, ItemFn, Safety, Signature};

use crate::errors::Errors;
use crate::parameters::{self, Parameter};
use crate::returned::Returned;

/// A function that can be a task.
pub(crate) struct Handler {
    pub(crate) function: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returned: Returned,
}

impl Handler {
    /// Reads the function. What speaks against it is added to `errors`; then there is no handler.
    pub(crate) fn parse(item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let mut function = match errors.keep(syn::parse2(item))? {
            Item::Fn(function) => function,
            other => {
                errors.push(other, "`#[task]` stands on a function");
                return None;
            }
        };
        for attribute in &mut function.attrs {
            // Written inside of the body (`#![…]`), but copied to where only `#[…]` can stand.
            attribute.style = AttrStyle::Outer;
        }
        let mut own = Errors::default();
        check_name(&function.sig.ident, &mut own);
        check_qualifiers(&function.sig, &mut own);
        let parameters = parameters::parse(&function.sig.inputs, &function.sig.ident, &mut own);
        let returned = Returned::parse(&function.sig.output, &mut own);
        let is_sound = own.is_empty();
        errors.append(own);
        is_sound.then_some(Self {
            function,
            parameters,
            returned,
        })
    }

    pub(crate) fn ident(&self) -> &Ident {
        &self.function.sig.ident
    }

    /// The name of the function, which is that of the task when no other is given.
    pub(crate) fn name(&self) -> String {
        self.ident().unraw().to_string()
    }

    /// What the parameters stand in.
    pub(crate) fn parentheses(&self) -> TokenStream {
        let Signature {
            paren_token,
            inputs,
            ..
        } = &self.function.sig;
        let mut tokens = TokenStream::new();
        paren_token.surround(&mut tokens, |tokens| inputs.to_tokens(tokens));
        tokens
    }

    pub(crate) fn is_async(&self) -> bool {
        self.function.sig.asyncness.is_some()
    }

    /// The parameters that come from the message.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Parameter> {
        parameters::arguments(&self.parameters)
    }

    /// The attributes of the function whose name is among `names`.
    pub(crate) fn attributes(&self, names: &[&str]) -> Vec<&Attribute> {
        let is_named = |attribute: &&Attribute| is_named(attribute, names);
        self.function.attrs.iter().filter(is_named).collect()
    }

    /// The attributes of the function whose name is not among `names`.
    pub(crate) fn attributes_besides(&self, names: &[&str]) -> Vec<&Attribute> {
        let is_other = |attribute: &&Attribute| !is_named(attribute, names);
        self.function.attrs.iter().filter(is_other).collect()
    }
}

fn is_named(attribute: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attribute.path().is_ident(name))
}

/// The names of parameters in the generated code that users see.
const TAKEN: [&str; 2] = ["args", "broker"];

fn check_name(name: &Ident, errors: &mut Errors) {
    if TAKEN.iter().any(|taken| name == taken) {
        let message = format!(
            "a function called `{name}` cannot be a task: the methods of the tasks beside it have a \
             parameter of that name; call it otherwise and say `name = {:?}`",
            name.to_string()
        );
        errors.push(name, message);
    }
}

fn check_qualifiers(signature: &Signature, errors: &mut Errors) {
    if let Some(constness) = &signature.constness {
        errors.push(constness, "a task cannot be `const`");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.push(
            token,
            "a task cannot be `unsafe`: a worker calls it with any stored arguments",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi, "a task cannot be `extern`");
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(variadic, "a task has a fixed number of arguments");
    }
    let generics = &signature.generics;
    if !generics.params.is_empty() {
        let message = "a task cannot be generic: a worker finds it by its name alone; write one \
                       task per type, each calling the generic function";
        errors.push(&generics.params, message);
    } else if let Some(clause) = &generics.where_clause {
        errors.push(clause, "a task cannot have a `where` clause");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(item: &str) -> (Option<Handler>, Vec<String>) {
        let mut errors = Errors::default();
        let handler = Handler::parse(item.parse().unwrap(), &mut errors);
        (handler, errors.texts())
    }

    #[test]
    fn a_plain_function_is_a_handler() {
        let (handler, errors) = parse("async fn r#type(a: u8, ctx: Context) -> u8 { a }");
        let handler = handler.unwrap();
        assert_eq!(errors, [""; 0]);
        assert_eq!(handler.name(), "type");
        assert!(handler.is_async());
        assert_eq!(handler.arguments().count(), 1);
    }

    #[test]
    fn what_cannot_be_a_task_is_refused() {
        let check = |item: &str, expected: &str| {
            let (handler, errors) = parse(item);
            assert!(handler.is_none(), "{item}");
            assert!(
                errors.len() == 1 && errors[0].contains(expected),
                "{item}: {errors:?}"
            );
        };
        check("struct A;", "stands on a function");
        check("const fn f() {}", "`const`");
        check("unsafe fn f() {}", "`unsafe`");
        check("extern \"C\" fn f() {}", "`extern`");
        check("fn f<T>(a: T) {}", "cannot be generic");
        check("fn f<'a>(a: Cow<'static, str>) {}", "cannot be generic");
        check("fn args() {}", "`name = \"args\"`");
        check("fn f() where u8: Copy {}", "`where` clause");
    }

    #[test]
    fn every_mistake_of_a_signature_is_found_at_once() {
        let (_, errors) = parse("unsafe fn f(_: u8, a: &str) -> impl Send {}");
        assert_eq!(errors.len(), 4, "{errors:?}");
    }
}
