//! Measures Rust source: the lines of each function, and the lines of code of a file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item, Meta, Signature, Type};

pub(super) struct Measures {
    /// By a name such as `Queue::claim` or `<Queue as Display>::fmt`. Where two have one name, the longer.
    pub(super) functions: BTreeMap<String, usize>,
    /// Without blank lines, comments, and unit test modules.
    pub(super) code_lines: usize,
}

pub(super) fn measure(text: &str) -> Result<Measures> {
    let tokens: TokenStream = text.parse().ok().context("is not Rust that we can read")?;
    let file: syn::File = syn::parse2(tokens.clone()).context("is not Rust that we can read")?;

    let mut functions = Functions::default();
    functions.visit_file(&file);

    let mut lines = BTreeSet::new();
    collect_lines(tokens, text, &mut lines);
    for tests in file.items.iter().filter_map(test_module_lines) {
        lines.retain(|line| !tests.contains(line));
    }
    Ok(Measures {
        functions: functions.lines,
        code_lines: lines.len(),
    })
}

#[derive(Default)]
struct Functions {
    /// The modules, types and functions around the place we are at.
    scope: Vec<String>,
    lines: BTreeMap<String, usize>,
}

impl Functions {
    /// Counts from the signature to the closing brace, so that long docs do not make a function long.
    fn record(&mut self, signature: &Signature, block: &Block) {
        let start = signature.fn_token.span.start().line;
        let end = block.brace_token.span.close().end().line;
        let longest = self.lines.entry(self.scope.join("::")).or_default();
        *longest = (*longest).max(end - start + 1);
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.scope.push(name);
        visit(self);
        self.scope.pop();
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            this.record(&item.sig, &item.block);
            visit::visit_item_fn(this, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            this.record(&item.sig, &item.block);
            visit::visit_impl_item_fn(this, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            if let Some(block) = &item.default {
                this.record(&item.sig, block);
            }
            visit::visit_trait_item_fn(this, item);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let subject = type_name(&item.self_ty);
        let of_trait = item
            .trait_
            .as_ref()
            .and_then(|(path, _)| path.segments.last());
        let name = match of_trait {
            Some(segment) => format!("<{subject} as {}>", segment.ident),
            None => subject,
        };
        self.within(name, |this| visit::visit_item_impl(this, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.within(item.ident.to_string(), |this| {
            visit::visit_item_trait(this, item);
        });
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within(item.ident.to_string(), |this| {
            visit::visit_item_mod(this, item);
        });
    }
}

/// Short, and the same from day to day: the name of the type without path and arguments.
fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map_or("_".to_owned(), |last| last.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => "_".to_owned(),
    }
}

/// Every line that a token touches. Comments are no tokens; doc comments are, and are told by their text.
fn collect_lines(tokens: TokenStream, text: &str, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if is_comment(group.span(), text) => {}
            TokenTree::Group(group) => {
                lines.insert(group.span_open().start().line);
                collect_lines(group.stream(), text, lines);
                lines.insert(group.span_close().end().line);
            }
            token if is_comment(token.span(), text) => {}
            token => {
                let span = token.span();
                lines.extend(span.start().line..=span.end().line);
            }
        }
    }
}

fn is_comment(span: Span, text: &str) -> bool {
    let source = text.get(span.byte_range()).unwrap_or_default();
    source.starts_with("//") || source.starts_with("/*")
}

fn test_module_lines(item: &Item) -> Option<std::ops::RangeInclusive<usize>> {
    let Item::Mod(module) = item else { return None };
    let attribute = module
        .attrs
        .iter()
        .find(|attribute| is_cfg_test(attribute))?;
    let (brace, _) = module.content.as_ref()?;
    Some(attribute.pound_token.span.start().line..=brace.span.close().end().line)
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let text = "\
/// Long docs
/// do not count.
#[inline]
pub fn one() {}

impl std::fmt::Display for Queue<'_> {
    fn fmt(
        &self,
    ) {
        fn inner() {
        }
    }
}
mod deep {
    trait Store { fn claim(&self) { } fn settle(&self); }
    impl Queue { async fn claim() {
    } }
}
";
        let functions: Vec<_> = measure(text).unwrap().functions.into_iter().collect();
        let expected = [
            ("<Queue as Display>::fmt", 6),
            ("<Queue as Display>::fmt::inner", 2),
            ("deep::Queue::claim", 2),
            ("deep::Store::claim", 1),
            ("one", 1),
        ];
        assert_eq!(
            functions,
            expected.map(|(name, lines)| (name.to_owned(), lines))
        );
    }

    fn check_code_lines(text: &str, expected: usize) {
        assert_eq!(measure(text).unwrap().code_lines, expected, "{text}");
    }

    #[test]
    fn blank_lines_and_comments_are_no_code() {
        check_code_lines(
            "//! Head.\n\n// Why.\n/* And\nso on. */\nfn a() {\n\n    /// Doc.\n    b(); // why\n}\n",
            3,
        );
        check_code_lines("/** Old\nstyle. */\nconst A: &str = \"one\ntwo\";\n", 2);
        check_code_lines("const É: u8 = 1; // é\n/// é\nconst B: u8 = 2;\n", 2);
    }

    #[test]
    fn unit_tests_are_not_counted() {
        check_code_lines(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n",
            1,
        );
        check_code_lines("fn a() {}\n#[cfg(unix)]\nmod unix {\n    fn b() {}\n}\n", 5);
    }

    #[test]
    fn what_is_not_rust_is_an_error() {
        assert!(measure("fn {").is_err());
        assert!(measure("fn fn").is_err());
    }
}
