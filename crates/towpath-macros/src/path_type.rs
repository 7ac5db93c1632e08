//! Types recognised by the last segment of their path, as in `anyhow::Result<T>` or `Data<T>`.
//!
//! A macro sees names, not types: an alias is recognised when it keeps the name.

use syn::{GenericArgument, Ident, PathArguments, Type};

/// A type that is a path: its last name, and the types between the angle brackets behind it.
pub(crate) struct PathType<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) generics: Vec<&'a Type>,
}

impl<'a> PathType<'a> {
    pub(crate) fn of(ty: &'a Type) -> Option<Self> {
        let path = match ty {
            Type::Path(path) if path.qself.is_none() => &path.path,
            Type::Group(group) => return Self::of(&group.elem),
            Type::Paren(paren) => return Self::of(&paren.elem),
            _ => return None,
        };
        let last = path.segments.last()?;
        let generics = match &last.arguments {
            PathArguments::AngleBracketed(generics) => generics.args.iter().collect(),
            _ => Vec::new(),
        };
        let types = generics.into_iter().filter_map(|generic| match generic {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
        Some(Self {
            name: &last.ident,
            generics: types.collect(),
        })
    }
}
