//! The parameters of a handler: which are arguments of the task, and which the worker provides.

use syn::punctuated::Punctuated;
use syn::{FnArg, Ident, Pat, PatIdent, PatType, Receiver, Token, Type};

use crate::errors::Errors;
use crate::path_type::PathType;
use crate::stored;

/// Serde writes tuples of at most that many elements.
const ARGUMENTS: usize = 16;

/// One parameter of the handler, in the order of the function.
pub(crate) struct Parameter {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) source: Source,
}

/// Where the value of a parameter comes from.
pub(crate) enum Source {
    /// From the message: it is an argument of the task.
    Payload,
    /// From the app's shared data of this type.
    Data(Box<Type>),
    /// The context of the attempt.
    Context,
}

/// Reads the parameters of the function `task`; those that no task can have are added to `errors`.
pub(crate) fn parse(
    inputs: &Punctuated<FnArg, Token![,]>,
    task: &Ident,
    errors: &mut Errors,
) -> Vec<Parameter> {
    let parameters: Vec<_> = inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Receiver(receiver) => {
                refuse_receiver(receiver, errors);
                None
            }
            FnArg::Typed(parameter) => Parameter::parse(parameter, task, errors),
        })
        .collect();
    if let Some(first_over) = arguments(&parameters).nth(ARGUMENTS) {
        let message = format!("a task has at most {ARGUMENTS} arguments; put some into a struct");
        errors.push(&first_over.name, message);
    }
    parameters
}

/// Those of `parameters` that are arguments of the task.
pub(crate) fn arguments(parameters: &[Parameter]) -> impl Iterator<Item = &Parameter> {
    parameters
        .iter()
        .filter(|parameter| matches!(parameter.source, Source::Payload))
}

fn refuse_receiver(receiver: &Receiver, errors: &mut Errors) {
    errors.push(
        receiver,
        "a task is a free function; take what a method would find in `self` as `Data<T>`",
    );
}

impl Parameter {
    fn parse(parameter: &PatType, task: &Ident, errors: &mut Errors) -> Option<Self> {
        for attribute in &parameter.attrs {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                errors.push(attribute, "the parameters of a task cannot depend on `cfg`");
            }
        }
        let source = Source::of(&parameter.ty);
        if let Source::Payload = source {
            stored::check(&parameter.ty, "an argument", errors);
        }
        let name = name(&parameter.pat, errors)?;
        if name == *task {
            let message = format!(
                "`{task}` is the name of the task, and no variable beside it can have that name"
            );
            errors.push(&name, message);
        }
        Some(Self {
            name,
            ty: (*parameter.ty).clone(),
            source,
        })
    }
}

fn name(pattern: &Pat, errors: &mut Errors) -> Option<Ident> {
    match pattern {
        Pat::Ident(PatIdent {
            by_ref: None,
            subpat: None,
            ident,
            ..
        }) => Some(ident.clone()),
        _ => {
            let message = "a parameter of a task needs a plain name: arguments are stored by it; \
                           take the value apart in the body";
            errors.push(pattern, message);
            None
        }
    }
}

impl Source {
    fn of(ty: &Type) -> Self {
        let Some(path) = PathType::of(ty) else {
            return Self::Payload;
        };
        match (path.name.to_string().as_str(), path.generics.as_slice()) {
            ("Data", [data]) => Self::Data(Box::new((*data).clone())),
            ("Context", []) => Self::Context,
            _ => Self::Payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(signature: &str) -> (Vec<Parameter>, Vec<String>) {
        let function: syn::Signature = syn::parse_str(signature).unwrap();
        let mut errors = Errors::default();
        let parameters = parse(&function.inputs, &function.ident, &mut errors);
        (parameters, errors.texts())
    }

    #[test]
    fn data_and_context_come_from_the_worker_and_the_rest_from_the_message() {
        let check = |ty: &str, expected: &str| {
            let (parameters, errors) = read(&format!("fn f(x: {ty})"));
            assert_eq!(errors, [""; 0], "{ty}");
            let source = match &parameters[0].source {
                Source::Payload => "payload",
                Source::Data(_) => "data",
                Source::Context => "context",
            };
            assert_eq!(source, expected, "{ty}");
        };
        check("i64", "payload");
        check("Vec<Data<Pool>>", "payload");
        check("Data<Pool>", "data");
        check("::towpath::Data<Vec<&'static str>>", "data");
        check("Data", "payload");
        check("Data<A, B>", "payload");
        check("Context", "context");
        check("towpath::Context", "context");
        check("Context<u8>", "payload");
        check("Cow<'static, str>", "payload");
    }

    #[test]
    fn the_name_survives_mut_and_raw() {
        let (parameters, errors) = read("fn f(mut a: u8, r#type: u8)");
        assert_eq!(errors, [""; 0]);
        assert_eq!(parameters[0].name, "a");
        assert_eq!(parameters[1].name, "r#type");
    }

    #[test]
    fn what_no_task_can_take_is_refused() {
        let check = |inputs: &str, expected: &str| {
            let (_, errors) = read(&format!("fn f({inputs})"));
            assert!(
                errors.len() == 1 && errors[0].contains(expected),
                "{inputs}: {errors:?}"
            );
        };
        check("&self", "free function");
        check("self: Box<Self>", "free function");
        check("(a, b): (u8, u8)", "plain name");
        check("_: u8", "plain name");
        check("ref a: u8", "plain name");
        check("Data(pool): Data<Pool>", "plain name");
        check("f: u8", "`f` is the name of the task");
        check("a: &str", "cannot be a reference");
        check("a: Vec<Option<&'static str>>", "cannot be a reference");
        check("a: Cow<'_, str>", "cannot borrow");
        check("a: impl Into<String>", "not `impl Trait`");
        check("#[cfg(unix)] a: u8", "cannot depend on `cfg`");
        let many: Vec<_> = (0..17).map(|n| format!("a{n}: u8")).collect();
        check(&many.join(", "), "at most 16 arguments");
    }
}
