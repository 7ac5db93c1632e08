//! The options as they were written: `key = value` or `flag`, separated by commas.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token};

/// One option, not yet understood.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    value: Option<Expr>,
}

impl Entry {
    /// Reads all options of one attribute.
    pub(crate) fn parse_all(input: ParseStream<'_>) -> syn::Result<Vec<Self>> {
        let entries = Punctuated::<Self, Token![,]>::parse_terminated(input)?;
        Ok(entries.into_iter().collect())
    }

    /// The value of an option that needs one.
    pub(crate) fn value(&self) -> syn::Result<&Expr> {
        self.value.as_ref().ok_or_else(|| {
            let key = &self.key;
            syn::Error::new_spanned(key, format!("`{key}` needs a value: `{key} = …`"))
        })
    }

    /// Checks that a flag stands by itself.
    pub(crate) fn flag(&self) -> syn::Result<()> {
        self.value.as_ref().map_or(Ok(()), |value| {
            let key = &self.key;
            let message = format!("`{key}` takes no value; write it alone, or leave it out");
            Err(syn::Error::new_spanned(value, message))
        })
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `crate` is a keyword, so an identifier of any kind.
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected an option such as `queue = \"mail\"`"));
        }
        let key = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None if input.is_empty() || input.peek(Token![,]) => None,
            None => return Err(input.error(format!("expected `{key} = …`"))),
        };
        Ok(Self { key, value })
    }
}
