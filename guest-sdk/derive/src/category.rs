//! `#[derive(Category)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "#[derive(Category)] needs an enum, one variant a category: `enum Weather { Clear, Rain }`",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a category needs at least one variant"));
    }
    let mut names = Vec::new();
    let mut idents = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) || variant.discriminant.is_some() {
            return Err(Error::new_spanned(
                variant,
                format!("a category is a plain variant: write `{}`, without fields or a number", variant.ident),
            ));
        }
        let mut name = snake_case(&variant.ident.to_string());
        for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("category")) {
            name = attribute
                .parse_args::<LitStr>()
                .map_err(|_| Error::new_spanned(attribute, "write `#[category(\"the category's text\")]`"))?
                .value();
        }
        if names.contains(&name) {
            return Err(Error::new_spanned(variant, format!("two variants are the category {name:?}")));
        }
        names.push(name);
        idents.push(&variant.ident);
    }
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::scry_guest::Category for #ident {
            const NAMES: &'static [&'static str] = &[#(#names),*];
            const ALL: &'static [Self] = &[#(Self::#idents),*];
            fn index(&self) -> usize {
                // A plain enum's discriminants count from 0.
                match self { #(Self::#idents => Self::#idents as usize),* }
            }
        }
        ::scry_guest::category_column!(#ident);
    })
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
