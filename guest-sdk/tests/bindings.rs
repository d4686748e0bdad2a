//! The bindings of `wit/` are a file of this crate, so that no model's build compiles their generator.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::Opts;

/// `SCRY_ACCEPT=1` writes the file.
#[test]
fn the_bindings_are_those_of_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bindings.rs");
    let generated = generated();
    if std::env::var_os("SCRY_ACCEPT").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == generated,
        "src/bindings.rs is not what wit/ gives: `SCRY_ACCEPT=1 cargo test -p scry-guest --test bindings` writes it"
    );
}

fn generated() -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("unloaded-model")).unwrap();
    let options = Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("export_component".into()),
        default_bindings_module: Some("scry_guest::bindings".into()),
        runtime_path: Some("::scry_guest::runtime::wit_bindgen".into()),
        generate_all: true,
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    let (_, source) = files.iter().next().unwrap();
    std::str::from_utf8(source).unwrap().to_owned()
}
