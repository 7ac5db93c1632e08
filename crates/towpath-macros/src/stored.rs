//! Types that can be stored and read back by another process: owned, and written out.

use syn::visit::Visit;
use syn::{Lifetime, Type, TypeImplTrait, TypeInfer, TypeNever, TypeReference};

use crate::errors::Errors;

/// Adds an error for each part of `ty` that cannot be stored. `what` is the argument or the output.
pub(crate) fn check(ty: &Type, what: &str, errors: &mut Errors) {
    Search { what, errors }.visit_type(ty);
}

struct Search<'a> {
    what: &'a str,
    errors: &'a mut Errors,
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let what = self.what;
        let message = format!(
            "{what} travels through the store, so it cannot be a reference; use an owned type \
             such as `String` or `Vec<T>`"
        );
        self.errors.push(reference, message);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let what = self.what;
            let message = format!("{what} travels through the store, so it cannot borrow");
            self.errors.push(lifetime, message);
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let what = self.what;
        let message = format!("{what} needs a type with a name, not `impl Trait`");
        self.errors.push(ty, message);
    }

    fn visit_type_infer(&mut self, ty: &'ast TypeInfer) {
        let what = self.what;
        self.errors
            .push(ty, format!("{what} needs its type written out"));
    }

    fn visit_type_never(&mut self, ty: &'ast TypeNever) {
        let what = self.what;
        self.errors
            .push(ty, format!("{what} is a value; write `()` for none"));
    }
}
