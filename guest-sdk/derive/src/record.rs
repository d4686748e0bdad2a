//! `#[derive(Record)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, ExprLit, Fields, Lit, LitStr, Meta, Result};

#[derive(Default)]
struct Attributes {
    name: Option<String>,
    description: String,
    unit: Option<String>,
    minimum: Option<Expr>,
    maximum: Option<Expr>,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "#[derive(Record)] needs a struct, one field a column"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "a record's columns need names: `struct Row { age: f64 }`"));
    };
    if fields.named.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a record needs at least one field"));
    }
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a record is one plain struct, without generics"));
    }

    let record = &input.ident;
    let columns = format_ident!("{record}Columns");
    let visibility = &input.vis;
    let docs = format!("The columns of a batch of [`{record}`].");
    let (mut idents, mut names, mut types, mut descriptions, mut checks) = (vec![], vec![], vec![], vec![], vec![]);
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let attributes = Attributes::parse(&field.attrs)?;
        let ty = &field.ty;
        if attributes.minimum.is_some() || attributes.maximum.is_some() {
            let message =
                format!("`{ident}` has no order: `min` and `max` go with numbers, or arrays and options of them");
            checks.push(quote_spanned! {ty.span()=>
                const _: () = ::core::assert!(<#ty as ::scry_guest::FieldType>::NUMERIC, #message);
            });
        }
        let name = attributes.name.clone().unwrap_or_else(|| ident.to_string());
        descriptions.push(attributes.describe(&name, ty));
        names.push(name);
        idents.push(ident);
        types.push(ty);
    }
    let first = idents.first();
    Ok(quote! {
        #(#checks)*

        #[doc = #docs]
        #[derive(Default)]
        #visibility struct #columns {
            #(
                #[allow(missing_docs)]
                #visibility #idents: <#types as ::scry_guest::FieldType>::Column,
            )*
        }

        #[automatically_derived]
        impl ::scry_guest::Record for #record {
            type Columns = #columns;

            fn fields() -> ::std::vec::Vec<::scry_guest::card::Field> {
                ::std::vec![#(#descriptions),*]
            }

            fn read(
                tensors: ::std::vec::Vec<::scry_guest::card::Tensor>,
            ) -> ::core::result::Result<Self::Columns, ::scry_guest::Failure> {
                let mut tensors = tensors.into_iter();
                ::core::result::Result::Ok(#columns {
                    #(#idents: ::scry_guest::read_column::<#types>(tensors.next(), #names)?,)*
                })
            }

            fn write(columns: Self::Columns) -> ::std::vec::Vec<::scry_guest::card::Tensor> {
                ::std::vec![#(<#types as ::scry_guest::FieldType>::write(columns.#idents)),*]
            }

            fn rows(columns: &Self::Columns) -> ::core::option::Option<usize> {
                let rows = <_ as ::scry_guest::Column>::len(&columns.#first);
                let equal = true #(&& <_ as ::scry_guest::Column>::len(&columns.#idents) == rows)*;
                equal.then_some(rows)
            }

            fn row(columns: &Self::Columns, row: usize) -> Self {
                Self { #(#idents: <#types as ::scry_guest::FieldType>::get(&columns.#idents, row),)* }
            }

            fn push(self, columns: &mut Self::Columns) {
                #(<#types as ::scry_guest::FieldType>::push(self.#idents, &mut columns.#idents);)*
            }
        }
    })
}

impl Attributes {
    fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self::default();
        for attribute in attributes {
            if let Meta::NameValue(doc) = &attribute.meta
                && doc.path.is_ident("doc")
                && let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &doc.value
            {
                let line = line.value();
                if !parsed.description.is_empty() {
                    parsed.description.push(' ');
                }
                parsed.description.push_str(line.trim());
            }
            if attribute.path().is_ident("field") {
                parsed.parse_field(attribute)?;
            }
        }
        Ok(parsed)
    }

    fn parse_field(&mut self, attribute: &Attribute) -> Result<()> {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("unit") {
                self.unit = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("name") {
                self.name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("min") {
                self.minimum = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("max") {
                self.maximum = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("categories") {
                return Err(meta.error(
                    "categories are an enum: write `#[derive(Category, Clone, Copy)] enum Weather { Clear, Rain }` and give the field that type",
                ));
            } else if meta.path.is_ident("nullable") || meta.path.is_ident("optional") {
                return Err(meta.error("a value that may be missing is an `Option`: write `age: Option<f64>`"));
            } else {
                return Err(meta.error("unknown key: use `unit = \"km/h\"`, `min = 0`, `max = 100` or `name = \"…\"`"));
            }
            Ok(())
        })
    }

    fn describe(&self, name: &str, ty: &syn::Type) -> TokenStream {
        let description = &self.description;
        let unit = optional(self.unit.as_ref().map(|unit| quote!(::std::string::String::from(#unit))));
        let minimum = optional(self.minimum.as_ref().map(|value| quote!((#value) as f64)));
        let maximum = optional(self.maximum.as_ref().map(|value| quote!((#value) as f64)));
        quote! {
            ::scry_guest::describe::<#ty>(#name, #description, #unit, #minimum, #maximum)
        }
    }
}

fn optional(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
