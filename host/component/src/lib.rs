//! What a component's bytes say of themselves, read without running them.
//!
//! Never executes, never compiles: custom sections, imports and exports only.

#![forbid(unsafe_code)]

use scry_card::properties::{Properties, PropertiesError};
use scry_card::stats::{References, StatsError};
use scry_card::{Card, CardError, Checker, Golden, GoldenError, Invalid, strict};
use scry_catalog::{Freshness, FreshnessError};
use scry_names::{Digest, PREDICTOR};
use scry_sbom::{SbomError, Summary};
use serde::de::DeserializeOwned;
use wasmparser::{Encoding, Parser, Payload};

/// Custom section of the model card.
const CARD_SECTION: &str = "scry:card";
/// Custom section of the golden examples.
const GOLDEN_SECTION: &str = "scry:golden";
/// Custom section of the reference statistics; a model need not have any.
const REFERENCE_SECTION: &str = "scry:reference";
/// Custom section of what its author claims of it; a model need not claim anything.
const PROPERTIES_SECTION: &str = "scry:properties";
/// Custom section of the software bill of materials; components of before have none.
const SBOM_SECTION: &str = "scry:sbom";
/// All that a model may import: the log, and the types it is described in.
const GRANTED: [&str; 2] = ["scry:model/logging@0.1.0", "scry:model/types@0.1.0"];
/// Bytes that are shown of what is no component.
const BEGIN_SHOWN_BYTES: usize = 16;

/// A component, described.
#[derive(Debug, Clone)]
pub struct Description {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Length of the bytes.
    pub size_bytes: usize,
    /// The model card.
    pub card: Card,
    /// The golden examples.
    pub golden: Golden,
    /// What its training data looked like, where it says so.
    pub references: Option<References>,
    /// What its author claims of it, beyond the examples.
    pub properties: Option<Properties>,
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
}

/// Why some bytes are not a model.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Not WebAssembly, or cut short.
    #[error("not a WebAssembly component: {0}")]
    Malformed(String),
    /// A component, but not made by `scry build`.
    #[error("the component has no `{0}` section: build it with `scry build`")]
    MissingSection(&'static str),
    /// The card does not read.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A date that is none.
    #[error("the model card: {key}: expected a date such as 2026-11-23 or 2026-11-23T10:00:00Z, found `{found}`")]
    Date {
        /// Which member.
        key: &'static str,
        /// What it holds.
        found: String,
    },
    /// No age of its data follows from it.
    #[error("the model card: {0}")]
    Freshness(#[from] FreshnessError),
    /// The examples do not read.
    #[error("the golden examples are not readable: {0}")]
    Golden(#[from] GoldenError),
    /// The reference statistics do not read.
    #[error("the reference statistics are not readable: {0}")]
    References(#[from] StatsError),
    /// The reference statistics are of another model.
    #[error("the reference statistics do not fit the schema: {0}")]
    OtherReferences(Invalid),
    /// The properties do not read.
    #[error("the properties are not readable: {0}")]
    Properties(#[from] PropertiesError),
    /// The properties are of another model.
    #[error("the properties do not fit the schema: {0}")]
    OtherProperties(Invalid),
    /// The software bill of materials is none, or too large.
    #[error(transparent)]
    Sbom(#[from] SbomError),
    /// A part of a new component is there more than once.
    #[error("the component has more than one `{0}` section")]
    SectionTwice(&'static str),
    /// A part of a new component is not strictly what it should be.
    #[error("the component's `{0}`: {1}")]
    Section(&'static str, strict::Error),
    /// It wants what no model gets.
    #[error("the component imports `{0}`, which is not granted: a model may import only scry:model/logging")]
    Import(String),
    /// It does not do what a model does.
    #[error("the component does not export `{PREDICTOR}`")]
    NotAModel,
    /// It was not loaded when it was built.
    #[error("the component still exports `load`: it has no snapshot; build it with `scry build`")]
    NotSealed,
}

impl Description {
    /// Checks what was not demanded of components that hosts hold already: that
    /// dates are dates, that rules cost a row no more than they may, and that
    /// properties are the model's. Before any of it is compiled.
    pub fn check_new(&self) -> Result<(), ComponentError> {
        if let Some((key, found)) = wrong_date(&self.card) {
            return Err(ComponentError::Date { key, found: found.to_owned() });
        }
        Checker::bounded(&self.card.schema.inputs, &self.card.checks).map_err(CardError::Checks)?;
        let properties = self.properties.as_ref().map_or(Ok(()), |properties| properties.validate(&self.card.schema));
        properties.map_err(ComponentError::OtherProperties)
    }

    /// Reads a component that is to be published: the same as [`Self::read`],
    /// and what it says of itself must be strictly so and keep to the limits of today.
    pub fn read_new(bytes: &[u8]) -> Result<Self, ComponentError> {
        type Check = fn(&[u8]) -> Result<(), strict::Error>;
        fn typed<T: DeserializeOwned>(json: &[u8]) -> Result<(), strict::Error> {
            strict::from_slice::<T>(json).map(drop)
        }
        let outline = Outline::read(bytes)?;
        if let Some(name) = outline.twice {
            return Err(ComponentError::SectionTwice(name));
        }
        let sections: [(_, _, Check); 4] = [
            (CARD_SECTION, outline.card, typed::<Card>),
            (GOLDEN_SECTION, outline.golden, typed::<Golden>),
            (REFERENCE_SECTION, outline.references, typed::<References>),
            (PROPERTIES_SECTION, outline.properties, typed::<Properties>),
        ];
        let strictly = |check: Option<Check>| {
            sections.iter().try_for_each(|&(name, json, typed)| {
                let read = json.map_or(Ok(()), check.unwrap_or(typed));
                read.map_err(|error| ComponentError::Section(name, error))
            })
        };
        if let Some(json) = outline.sbom {
            Summary::of(json)?;
            strict::check(json).map_err(|error| ComponentError::Section(SBOM_SECTION, error))?;
        }
        strictly(Some(strict::check))?;
        // Within their limits, before anything is made of them.
        let readers =
            Readers { card: Card::from_new_json, golden: Golden::from_new_json, properties: Properties::from_new_json };
        let description = Self::of(bytes, outline, &readers).or_else(|error| match error {
            // The strict reader says what is wrong without names of Rust types.
            ComponentError::Card(CardError::Unreadable(_))
            | ComponentError::Golden(GoldenError::Unreadable(_))
            | ComponentError::References(StatsError::Unreadable(_))
            | ComponentError::Properties(PropertiesError::Unreadable(_)) => strictly(None).and(Err(error)),
            other => Err(other),
        })?;
        strictly(None)?;
        Ok(description)
    }

    /// Reads a component and checks that it is a sealed model that imports
    /// nothing beyond what is granted. One that was published before is served as it was.
    pub fn read(bytes: &[u8]) -> Result<Self, ComponentError> {
        let readers = Readers { card: Card::from_json, golden: Golden::from_json, properties: Properties::from_json };
        Self::of(bytes, Outline::read(bytes)?, &readers)
    }

    fn of(bytes: &[u8], outline: Outline<'_>, readers: &Readers) -> Result<Self, ComponentError> {
        if let Some(import) = outline.imports.iter().find(|import| !GRANTED.contains(&import.as_str())) {
            return Err(ComponentError::Import(import.clone()));
        }
        if !outline.exports.iter().any(|export| export == PREDICTOR) {
            return Err(ComponentError::NotAModel);
        }
        if outline.exports.iter().any(|export| export == "load") {
            return Err(ComponentError::NotSealed);
        }
        let card = (readers.card)(outline.card.ok_or(ComponentError::MissingSection(CARD_SECTION))?)?;
        Freshness::of(&card)?;
        let golden = outline.golden.ok_or(ComponentError::MissingSection(GOLDEN_SECTION))?;
        let references = outline.references.map(References::from_json).transpose()?;
        if let Some(references) = &references {
            references.fit(&card.schema).map_err(ComponentError::OtherReferences)?;
        }
        Ok(Self {
            digest: Digest::of(bytes),
            size_bytes: bytes.len(),
            card,
            golden: (readers.golden)(golden)?,
            references,
            properties: outline.properties.map(readers.properties).transpose()?,
            imports: outline.imports,
            exports: outline.exports,
        })
    }
}

/// How the sections are read: those of a new component have limits.
struct Readers {
    card: fn(&[u8]) -> Result<Card, CardError>,
    golden: fn(&[u8]) -> Result<Golden, GoldenError>,
    properties: fn(&[u8]) -> Result<Properties, PropertiesError>,
}

/// The first member of a card that is to be a date and is none.
pub fn wrong_date(card: &Card) -> Option<(&'static str, &str)> {
    let dates = [("data_from", &card.data_from), ("data_until", &card.data_until), ("trained_at", &card.trained_at)];
    dates.into_iter().filter_map(|(key, date)| Some((key, date.as_deref()?))).find(|(_, date)| !is_date(date))
}

/// RFC 3339: a date, or a date and time with an offset.
pub fn is_date(text: &str) -> bool {
    let parsed: Result<toml::value::Datetime, _> = text.parse();
    parsed.is_ok_and(|date| date.date.is_some() && date.time.is_some() == date.offset.is_some())
}

#[derive(Default)]
struct Outline<'a> {
    card: Option<&'a [u8]>,
    golden: Option<&'a [u8]>,
    references: Option<&'a [u8]>,
    properties: Option<&'a [u8]>,
    sbom: Option<&'a [u8]>,
    /// A section that came before; the last one counts.
    twice: Option<&'static str>,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl<'a> Outline<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ComponentError> {
        /// What each WebAssembly file begins with.
        const MAGIC: &[u8] = b"\0asm";
        if !bytes.starts_with(MAGIC) {
            let found = match bytes {
                [] => "an empty file".to_owned(),
                _ => format!("`{}`", bytes.get(..BEGIN_SHOWN_BYTES).unwrap_or(bytes).escape_ascii()),
            };
            return Err(ComponentError::Malformed(format!("expected a file that begins with `\\0asm`, found {found}")));
        }
        let malformed = |e: wasmparser::BinaryReaderError| {
            ComponentError::Malformed(format!(
                "{} (byte {})",
                e.message().lines().next().unwrap_or_default(),
                e.offset()
            ))
        };
        let mut outline = Self::default();
        // Only the outermost level speaks for the component.
        let mut depth = 0usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(malformed)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(ComponentError::Malformed("this is a core module".into()));
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if depth == 0 => {
                    let (name, place) = match section.name() {
                        CARD_SECTION => (CARD_SECTION, &mut outline.card),
                        GOLDEN_SECTION => (GOLDEN_SECTION, &mut outline.golden),
                        REFERENCE_SECTION => (REFERENCE_SECTION, &mut outline.references),
                        PROPERTIES_SECTION => (PROPERTIES_SECTION, &mut outline.properties),
                        SBOM_SECTION => (SBOM_SECTION, &mut outline.sbom),
                        _ => continue,
                    };
                    if place.replace(section.data()).is_some() {
                        outline.twice = Some(name);
                    }
                }
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        outline.imports.push(import.map_err(malformed)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        outline.exports.push(export.map_err(malformed)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }
}

/// Adds to a component all that it says of itself.
pub fn embed(
    component: &mut Vec<u8>,
    card: &Card,
    golden: &Golden,
    references: Option<&References>,
    properties: Option<&Properties>,
) -> Result<(), serde_json::Error> {
    let mut sections = vec![(CARD_SECTION, serde_json::to_vec(card)?), (GOLDEN_SECTION, serde_json::to_vec(golden)?)];
    if let Some(references) = references {
        sections.push((REFERENCE_SECTION, serde_json::to_vec(references)?));
    }
    if let Some(properties) = properties {
        sections.push((PROPERTIES_SECTION, serde_json::to_vec(properties)?));
    }
    sections.into_iter().for_each(|(name, json)| append(component, name, &json));
    Ok(())
}

/// Adds to a component without reference statistics what its training data looked like.
pub fn embed_references(component: &mut Vec<u8>, references: &References) -> Result<(), serde_json::Error> {
    append(component, REFERENCE_SECTION, &serde_json::to_vec(references)?);
    Ok(())
}

/// Adds to a component without one its software bill of materials.
pub fn embed_sbom(component: &mut Vec<u8>, json: &[u8]) {
    append(component, SBOM_SECTION, json);
}

/// A component's software bill of materials as it is embedded, with its summary; none where it has none.
pub fn sbom(component: &[u8]) -> Result<Option<(&str, Summary)>, ComponentError> {
    let Some(json) = Outline::read(component)?.sbom else { return Ok(None) };
    Ok(Some(Summary::of(json)?))
}

fn append(component: &mut Vec<u8>, name: &str, json: &[u8]) {
    use wasm_encoder::ComponentSection;
    wasm_encoder::CustomSection { name: name.into(), data: json.into() }.append_to_component(component);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A component with a card and nothing else.
    fn bare(card: &[u8]) -> Vec<u8> {
        use wasm_encoder::ComponentSection;
        let mut bytes = wasm_encoder::Component::new().finish();
        wasm_encoder::CustomSection { name: CARD_SECTION.into(), data: card.into() }.append_to_component(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_no_model_is_refused_by_name() {
        assert!(matches!(Description::read(b""), Err(ComponentError::Malformed(_))));
        assert!(matches!(Description::read(b"\0asm\x01\0\0\0"), Err(ComponentError::Malformed(_))));
        assert!(matches!(Description::read(&bare(b"{}")), Err(ComponentError::NotAModel)));
    }

    #[test]
    fn what_a_new_component_says_of_itself_is_read_strictly() {
        let read = Description::read_new(&bare(br#"{"name":"a","name":"b"}"#)).map_err(|error| error.to_string());
        assert_eq!(read.unwrap_err(), "the component's `scry:card`: `name`: expected the member once, found it twice");
        let mut twice = bare(b"{}");
        use wasm_encoder::ComponentSection;
        wasm_encoder::CustomSection { name: CARD_SECTION.into(), data: b"{}".into() }.append_to_component(&mut twice);
        let read = Description::read_new(&twice).map_err(|error| error.to_string());
        assert_eq!(read.unwrap_err(), "the component has more than one `scry:card` section");
        let text = Description::read(b"name = 'a'\n").unwrap_err().to_string();
        let says = "not a WebAssembly component: expected a file that begins with `\\0asm`, found `name = \\'a\\'\\n`";
        assert_eq!(text, says);
        let cut = Description::read(b"\0asm\x0d\0\x01\0\x07\x7f").unwrap_err().to_string();
        assert!(cut.starts_with("not a WebAssembly component: ") && !cut.contains('\n'), "{cut}");
    }

    proptest! {
        /// Any bytes at all, and a component with any of its bytes changed: an error, never a panic.
        #[test]
        fn any_bytes_are_refused(noise in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            prop_assert!(Description::read(&noise).is_err());
            let mut bytes = bare(&noise);
            let at = at.index(bytes.len());
            bytes[at] = to;
            prop_assert!(Description::read(&bytes).is_err());
        }
    }
}
