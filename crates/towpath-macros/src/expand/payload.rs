//! How the arguments become a payload and come back.
//!
//! Written is a tuple, as an array; where names are asked for, a map, as an object.
//! Read is a struct with the names of the arguments, behind a door that says what may come in.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Index, Type};

use super::{Task, place_of};

/// The code about payloads, in the pieces that the trait needs.
pub(super) struct Payload {
    /// Hidden types.
    pub(super) items: TokenStream,
    /// The expression that encodes `__args` by `__encoder`.
    pub(super) encode: TokenStream,
    /// The statements that decode `__payload` by `__codecs`.
    pub(super) decode: TokenStream,
}

impl Payload {
    pub(super) fn of(task: &Task) -> Self {
        let arguments = Arguments::of(task);
        let fields = arguments.fields();
        let door = arguments.door();
        let encode = if arguments.named_only {
            arguments.encode_named()
        } else {
            arguments.encode_positional()
        };
        Self {
            items: quote!(#fields #door),
            encode,
            decode: arguments.decode(),
        }
    }
}

/// The arguments of a task, by name, type and place.
struct Arguments<'a> {
    /// The name of the task, as errors show it.
    task: String,
    names: Vec<&'a Ident>,
    types: Vec<&'a Type>,
    indices: Vec<Index>,
    /// Stand for the types in what is generic.
    generics: Vec<Ident>,
    named_only: bool,
    /// The place of all of them.
    place: Span,
    /// The path of the crate `serde`.
    serde: TokenStream,
}

impl<'a> Arguments<'a> {
    fn of(task: &'a Task) -> Self {
        let root = &task.options.root;
        let (names, types): (Vec<_>, Vec<_>) = task
            .handler
            .arguments()
            .map(|argument| (&argument.name, &argument.ty))
            .unzip();
        Self {
            task: task.name(),
            indices: (0..names.len()).map(Index::from).collect(),
            generics: (0..names.len()).map(|n| format_ident!("__T{n}")).collect(),
            names,
            types,
            place: place_of(&task.handler.parentheses()),
            named_only: task.options.named_only,
            serde: quote!(#root::__private::serde),
        }
    }

    fn encode_positional(&self) -> TokenStream {
        if self.names.is_empty() {
            // The unit value would be written as null.
            return quote!(__encoder.encode(&[(); 0]));
        }
        quote_spanned!(self.place=> __encoder.encode(__args))
    }

    /// Writes a map by hand: some formats write a derived struct without its names.
    fn encode_named(&self) -> TokenStream {
        let Self {
            types,
            indices,
            serde,
            ..
        } = self;
        let count = indices.len();
        let names = self.names.iter().map(|name| name.unraw().to_string());
        quote! {
            struct __Named<'args>(&'args (#(#types,)*));

            impl #serde::Serialize for __Named<'_> {
                fn serialize<S: #serde::Serializer>(
                    &self,
                    __output: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    let mut __map =
                        __output.serialize_map(::core::option::Option::Some(#count))?;
                    #(#serde::ser::SerializeMap::serialize_entry(
                        &mut __map,
                        #names,
                        &self.0.#indices,
                    )?;)*
                    #serde::ser::SerializeMap::end(__map)
                }
            }

            __encoder.encode(&__Named(__args))
        }
    }

    fn decode(&self) -> TokenStream {
        let Self {
            names,
            types,
            place,
            ..
        } = self;
        let decode = quote_spanned! {*place=>
            __codecs.decode::<__Arguments<#(#types,)*>>(__payload)?
        };
        quote! {
            let __Arguments(__fields) = #decode;
            ::core::result::Result::Ok((#(__fields.#names,)*))
        }
    }

    /// The struct that is read, from an object by the names, from an array in order.
    ///
    /// Its fields have any types, and those of the arguments come in where it is used: a type that
    /// cannot be read is then one error, and not one for each line that serde writes about it.
    fn fields(&self) -> TokenStream {
        let Self {
            names,
            generics,
            serde,
            ..
        } = self;
        let serde_path = serde.to_string();
        let expecting = self.expecting();
        quote! {
            #[derive(#serde::Deserialize)]
            #[serde(crate = #serde_path, deny_unknown_fields, expecting = #expecting)]
            struct __Fields<#(#generics,)*> { #(#names: #generics,)* }
        }
    }

    /// What a payload must be, to follow "invalid type: null, expected …".
    fn expecting(&self) -> String {
        let task = &self.task;
        let names: Vec<_> = self
            .names
            .iter()
            .map(|name| format!("`{}`", name.unraw()))
            .collect();
        let shape = if self.named_only {
            "object"
        } else {
            "array or object"
        };
        let shape = match names.as_slice() {
            [] => format!("an empty {shape}"),
            names => format!("an {shape} of {}", names.join(", ")),
        };
        let why = if self.named_only {
            ", which takes arguments by name only"
        } else {
            ""
        };
        format!("{shape} for task {task:?}{why}")
    }

    /// The reader of a payload: the fields, and errors that name the task.
    fn door(&self) -> TokenStream {
        let Self {
            task,
            generics,
            serde,
            ..
        } = self;
        let expecting = self.expecting();
        let names = self.names.iter().map(|name| name.unraw().to_string());
        let visit_map = self.visit_map();
        let visit_seq = (!self.named_only).then(|| self.visit_seq());
        quote! {
            struct __Arguments<#(#generics,)*>(__Fields<#(#generics,)*>);

            impl<'de, #(#generics: #serde::Deserialize<'de>,)*> #serde::Deserialize<'de>
                for __Arguments<#(#generics,)*>
            {
                fn deserialize<D: #serde::Deserializer<'de>>(
                    __input: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    let __door = __Door(::core::marker::PhantomData);
                    __input.deserialize_struct(#task, &[#(#names),*], __door)
                }
            }

            struct __Door<#(#generics,)*>(::core::marker::PhantomData<fn() -> (#(#generics,)*)>);

            impl<'de, #(#generics: #serde::Deserialize<'de>,)*> #serde::de::Visitor<'de>
                for __Door<#(#generics,)*>
            {
                type Value = __Arguments<#(#generics,)*>;

                fn expecting(
                    &self,
                    __f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    __f.write_str(#expecting)
                }

                #visit_map
                #visit_seq
            }
        }
    }

    /// Reads an object.
    fn visit_map(&self) -> TokenStream {
        let serde = &self.serde;
        quote! {
            fn visit_map<A: #serde::de::MapAccess<'de>>(
                self,
                __map: A,
            ) -> ::core::result::Result<Self::Value, A::Error> {
                let __map = #serde::de::value::MapAccessDeserializer::new(__map);
                #serde::Deserialize::deserialize(__map).map(__Arguments)
            }
        }
    }

    /// Reads an array. Some formats would only say that something follows the last argument.
    fn visit_seq(&self) -> TokenStream {
        let serde = &self.serde;
        let count = self.names.len();
        quote! {
            fn visit_seq<A: #serde::de::SeqAccess<'de>>(
                self,
                mut __seq: A,
            ) -> ::core::result::Result<Self::Value, A::Error> {
                let __elements = #serde::de::value::SeqAccessDeserializer::new(&mut __seq);
                let __fields = #serde::Deserialize::deserialize(__elements)?;
                match __seq.next_element::<#serde::de::IgnoredAny>()? {
                    ::core::option::Option::None => {
                        ::core::result::Result::Ok(__Arguments(__fields))
                    }
                    ::core::option::Option::Some(_) => ::core::result::Result::Err(
                        #serde::de::Error::invalid_length(#count + 1, &self),
                    ),
                }
            }
        }
    }
}
