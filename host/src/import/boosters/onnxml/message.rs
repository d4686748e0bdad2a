//! What an ONNX file holds: its graph, and each node's attributes by name; what is left over is refused.
//!
//! Never decodes what no operator asks for, and never nests: a graph within a graph is refused as an attribute.

use crate::import::boosters::error::{BoosterError, Read};
use scry_card::strict;
use scry_protocol::protobuf::{Fields, Value, numbers};
use std::collections::BTreeMap;

/// Elements of an attribute: as many as all trees may have nodes.
const LIST_MAX: usize = 1 << 23;
/// Nodes of a graph: a model file has room for no more.
const NODES_MAX: usize = 4_096;
/// What a node reads or makes: one of each input, at most.
const OPERANDS_MAX: usize = 4_096;
/// Weights, inputs and outputs that have a name.
const NAMED_MAX: usize = 65_536;
/// Bytes of what is told of the file's producer.
const PRODUCER_MAX_BYTES: usize = 128;

/// A file, of which the nodes are not looked into.
#[derive(Default)]
pub(super) struct File<'a> {
    pub(super) inputs: Vec<&'a [u8]>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) weights: BTreeMap<&'a str, &'a [u8]>,
    pub(super) nodes: Vec<Told<'a>>,
    pub(super) producer: String,
}

/// A node, as the file tells it.
#[derive(Default)]
pub(super) struct Told<'a> {
    at: usize,
    pub(super) operator: &'a str,
    pub(super) domain: &'a str,
    pub(super) of: Vec<&'a str>,
    pub(super) makes: Vec<&'a str>,
    attributes: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> File<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Read<Self> {
        let (mut file, mut graphs) = (Self::default(), 0);
        for field in Fields::of(bytes) {
            match field.map(|field| (field.number, field.value))? {
                (2 | 3, Value::Bytes(name)) if file.producer.len() < PRODUCER_MAX_BYTES => {
                    let space = if file.producer.is_empty() { "" } else { " " };
                    let name = String::from_utf8_lossy(name.get(..PRODUCER_MAX_BYTES).unwrap_or(name));
                    file.producer += &format!("{space}{name}");
                }
                (7, Value::Bytes(graph)) => {
                    graphs += 1;
                    file.graph(graph)?;
                }
                (25, _) => {
                    let advice = "export the fitted model with scry.export instead";
                    return Err(BoosterError::refused("it has functions of its own", advice));
                }
                _ => {}
            }
        }
        if graphs == 1 { Ok(file) } else { Err(BoosterError::wrong("one graph", graphs)) }
    }

    fn graph(&mut self, graph: &'a [u8]) -> Read<()> {
        for field in Fields::of(graph) {
            match field.map(|field| (field.number, field.value))? {
                (1, Value::Bytes(node)) if self.nodes.len() < NODES_MAX => {
                    self.nodes.push(Told::read(node, self.nodes.len())?);
                }
                (1, _) => return Err(BoosterError::wrong(format!("at most {NODES_MAX} nodes"), "more")),
                (5, Value::Bytes(tensor)) => {
                    let name = named(tensor, 8)?;
                    if self.weights.len() == NAMED_MAX || self.weights.insert(name, tensor).is_some() {
                        let expected = format!("at most {NAMED_MAX} weights, each name once");
                        return Err(BoosterError::wrong(expected, format!("`{}` again, or more", strict::cut(name))));
                    }
                }
                (11, Value::Bytes(input)) => self.inputs.push(input),
                (12, Value::Bytes(output)) => self.outputs.push(named(output, 1)?),
                (15, _) => return Err(BoosterError::wrong("weights that are not sparse", "others")),
                _ => {}
            }
            if self.inputs.len().max(self.outputs.len()) > NAMED_MAX {
                return Err(BoosterError::wrong(format!("at most {NAMED_MAX} inputs and outputs"), "more"));
            }
        }
        Ok(())
    }
}

/// UTF-8 of the file.
pub(super) fn text(bytes: &[u8]) -> Read<&str> {
    std::str::from_utf8(bytes).map_err(|_| BoosterError::wrong("names and texts of UTF-8", "other bytes"))
}

/// The name in that field of a message.
pub(super) fn named(message: &[u8], number: u64) -> Read<&str> {
    let mut name = "";
    for field in Fields::of(message) {
        match field?.value_of(number) {
            Some(Value::Bytes(bytes)) => name = text(bytes)?,
            _ => continue,
        }
    }
    Ok(name)
}

impl<'a> Told<'a> {
    fn read(node: &'a [u8], at: usize) -> Read<Self> {
        let mut told = Self { at, ..Self::default() };
        for field in Fields::of(node) {
            if told.of.len().max(told.makes.len()) > OPERANDS_MAX {
                return Err(BoosterError::wrong(format!("at most {OPERANDS_MAX} operands"), "more").at(told.place()));
            }
            match field.map(|field| (field.number, field.value))? {
                (1, Value::Bytes(name)) => told.of.push(text(name)?),
                (2, Value::Bytes(name)) => told.makes.push(text(name)?),
                (4, Value::Bytes(name)) => told.operator = text(name)?,
                (5, Value::Bytes(attribute)) => {
                    let name = named(attribute, 1)?;
                    if told.attributes.insert(name, attribute).is_some() {
                        return Err(told.wrong(name, "the attribute once", "it twice"));
                    }
                }
                (7, Value::Bytes(name)) => told.domain = text(name)?,
                _ => {}
            }
        }
        Ok(told)
    }

    /// The node's number and operator, for errors.
    pub(super) fn place(&self) -> String {
        format!("node {}, `{}`", self.at, strict::cut(self.operator))
    }

    pub(super) fn wrong(&self, attribute: &str, expected: impl Into<String>, found: impl ToString) -> BoosterError {
        BoosterError::wrong(expected, found).at(format!("{}, `{}`", self.place(), strict::cut(attribute)))
    }

    /// An attribute's fields of that kind, if it is there. Any other kind is refused.
    fn take(&mut self, name: &str, kind: u64, kinds: &str) -> Read<Option<Vec<Value<'a>>>> {
        let Some(attribute) = self.attributes.remove(name) else { return Ok(None) };
        let mut values = Vec::new();
        for field in Fields::of(attribute) {
            let field = field?;
            match field.number {
                number if number == kind && values.len() < LIST_MAX => values.push(field.value),
                number if number == kind => {
                    return Err(self.wrong(name, format!("at most {LIST_MAX} values"), "more"));
                }
                // The name, the comment, and what kind it is.
                1 | 13 | 20 => {}
                _ => return Err(self.wrong(name, kinds, "another kind")),
            }
        }
        Ok(Some(values))
    }

    /// Numbers of 32 bits; none if they are not there.
    pub(super) fn floats(&mut self, name: &str) -> Read<Vec<f64>> {
        let wrong = |told: &Self| told.wrong(name, format!("at most {LIST_MAX} numbers of 32 bits"), "others");
        let mut list = Vec::new();
        for value in self.take(name, 7, "a list of numbers of 32 bits")?.unwrap_or_default() {
            let (Value::Fixed(bytes) | Value::Bytes(bytes)) = value else { return Err(wrong(self)) };
            let (numbers, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() || numbers.len() > LIST_MAX - list.len() {
                return Err(wrong(self));
            }
            list.extend(numbers.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))));
        }
        Ok(list)
    }

    /// Whole numbers; none if they are not there.
    pub(super) fn ints(&mut self, name: &str) -> Read<Vec<i64>> {
        let mut list = Vec::new();
        for value in self.take(name, 8, "a list of whole numbers")?.unwrap_or_default() {
            match value {
                Value::Number(number) => list.push(number.cast_signed()),
                Value::Bytes(packed) => {
                    for number in numbers(packed) {
                        list.push(number?.cast_signed());
                        if list.len() > LIST_MAX {
                            return Err(self.wrong(name, format!("at most {LIST_MAX} numbers"), "more"));
                        }
                    }
                }
                Value::Fixed(_) => return Err(self.wrong(name, "whole numbers", "others")),
            }
        }
        Ok(list)
    }

    /// Texts; none if they are not there.
    pub(super) fn texts(&mut self, name: &str) -> Read<Vec<&'a str>> {
        let values = self.take(name, 9, "a list of texts")?.unwrap_or_default();
        let of = |value| match value {
            Value::Bytes(bytes) => text(bytes),
            _ => Err(BoosterError::wrong("texts", "others")),
        };
        values.into_iter().map(of).collect::<Read<_>>().map_err(|error| error.at(format!("{}, `{name}`", self.place())))
    }

    fn one(&mut self, name: &str, kind: u64, kinds: &str) -> Read<Option<Value<'a>>> {
        Ok(self.take(name, kind, kinds)?.and_then(|values| values.last().copied()))
    }

    /// A number that is no NaN, if there.
    pub(super) fn float(&mut self, name: &str) -> Read<Option<f64>> {
        match self.one(name, 2, "a number")? {
            None => Ok(None),
            Some(Value::Fixed(&[a, b, c, d])) => Ok(Some(f64::from(f32::from_le_bytes([a, b, c, d])))),
            Some(_) => Err(self.wrong(name, "a number of 32 bits", "another")),
        }
    }

    /// A whole number, if there.
    pub(super) fn int(&mut self, name: &str) -> Read<Option<i64>> {
        match self.one(name, 3, "a whole number")? {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.cast_signed())),
            Some(_) => Err(self.wrong(name, "a whole number", "another value")),
        }
    }

    /// A text, or what stands for none.
    pub(super) fn text_or(&mut self, name: &str, default: &'a str) -> Read<&'a str> {
        match self.one(name, 4, "a text")? {
            None => Ok(default),
            Some(Value::Bytes(bytes)) => text(bytes),
            Some(_) => Err(self.wrong(name, "a text", "another value")),
        }
    }

    /// A tensor, if there.
    pub(super) fn tensor(&mut self, name: &str) -> Read<Option<&'a [u8]>> {
        match self.one(name, 5, "a tensor")? {
            None => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(self.wrong(name, "a tensor", "another value")),
        }
    }

    /// A number that must be this one where it is there.
    pub(super) fn only(&mut self, name: &str, known: i64) -> Read<()> {
        match self.int(name)? {
            Some(other) if other != known => Err(self.wrong(name, known.to_string(), other)),
            _ => Ok(()),
        }
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Read<()> {
        match self.attributes.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.wrong(name, "no such attribute", "one")),
        }
    }
}
