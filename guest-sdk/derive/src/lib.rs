//! Derives that turn a struct into the columns of a model, and an enum into
//! the categories of a column.
//!
//! They only describe: all behaviour is in `scry_guest`'s traits. A mistake is
//! a compile error at the place, saying what to write instead.

mod category;
mod record;

use proc_macro::TokenStream;

/// Makes a struct one row of a model's inputs, features or outputs.
///
/// Each named field is a column. Its type may be a number, `bool`, `String`,
/// an enum with `#[derive(Category)]`, an array of numbers (`[f32; 4]`,
/// `[[f32; 8]; 8]`), or `Option` of any of these where values may be missing.
/// A doc comment is the description. `#[field(…)]` takes `unit = "km/h"`,
/// `min = 0`, `max = 100`, `name = "as clients see it"`.
#[proc_macro_derive(Record, attributes(field))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    record::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes an enum the categories of a text column, one a variant.
///
/// A category is the variant's name in snake_case, or what
/// `#[category("as clients write it")]` says.
#[proc_macro_derive(Category, attributes(category))]
pub fn derive_category(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    category::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
