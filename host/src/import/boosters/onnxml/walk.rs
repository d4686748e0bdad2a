//! The walk over the graph: each operator becomes nodes of ours, in the order of the file.
//!
//! Never goes back: what a node reads was made before, so that there is no cycle.

use super::message::{File, Told, named};
use super::translation::Translation;
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::booster::FEATURES_MAX;
use crate::import::boosters::error::{BoosterError, Read};
use scry_card::{Datatype, strict};
use scry_protocol::protobuf::{self, Fields};

/// As a model file has room for.
const NODES_MAX: usize = 4_096;
const ROW_MAX: usize = 1 << 22;

impl<'a> Translation<'a> {
    /// Translates all nodes.
    pub(super) fn of(file: &mut File<'a>) -> Read<Self> {
        let mut this = Self::default();
        let inputs: Vec<_> = file.inputs.iter().map(|input| Input::read(input)).collect::<Read<_>>()?;
        // Weights are inputs, too, in old files.
        let inputs: Vec<_> = inputs.into_iter().filter(|input| !file.weights.contains_key(input.name)).collect();
        let columns = inputs.iter().fold(0usize, |sum, input| sum.saturating_add(input.width));
        if !(1..=FEATURES_MAX).contains(&columns) {
            return Err(BoosterError::wrong(format!("1 to {FEATURES_MAX} columns of all inputs"), columns));
        }
        let is_alone = inputs.len() == 1;
        for input in inputs {
            let value = this.input(&input, is_alone);
            this.make(input.name, value)?;
        }
        for (&name, &tensor) in &file.weights {
            this.make(name, Value::Constant(tensor))?;
        }
        for told in &mut file.nodes {
            this.node(told).map_err(|error| match error {
                BoosterError::Refused { what, advice } => {
                    BoosterError::refused(format!("{}: {what}", told.place()), advice)
                }
                other => other.at(told.place()),
            })?;
        }
        Ok(this)
    }

    /// An input's columns; those of several in one matrix are numbered.
    fn input(&mut self, input: &Input<'a>, is_alone: bool) -> Value<'a> {
        let names = (0..input.width).map(|at| match (input.width, is_alone) {
            (1, _) => input.name.to_owned(),
            (_, true) => format!("f{at}"),
            (_, false) => format!("{}_{at}", input.name),
        });
        let names: Vec<_> = names.collect();
        // NaN is missing; whole numbers and texts have nothing that is.
        let nullable = matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64);
        let nodes: Vec<_> = names.iter().map(|name| self.graph.field(name, input.datatype, nullable, &[])).collect();
        self.inputs.extend(names);
        let kind = match input.datatype {
            Datatype::Bytes => return Value::Texts(nodes),
            Datatype::Fp32 => Kind::F32,
            Datatype::Fp64 => Kind::F64,
            _ => Kind::I64,
        };
        let node = self.graph.concat(&nodes);
        self.all_inputs = is_alone.then_some(node);
        Value::Numbers(Numbers { node, kind, form: Form::Matrix })
    }

    fn node(&mut self, told: &mut Told<'a>) -> Read<()> {
        let made = self.operator(told)?;
        told.end()?;
        if told.makes.len() > made.len() {
            return Err(BoosterError::wrong(format!("at most {} outputs", made.len()), told.makes.len()));
        }
        for (&name, value) in told.makes.iter().zip(made) {
            if !name.is_empty() {
                self.make(name, value)?;
            }
        }
        let (nodes, row) = self.graph.size();
        if nodes > NODES_MAX || row > ROW_MAX {
            return Err(BoosterError::refused(
                format!("it takes more than {NODES_MAX} steps, or {ROW_MAX} numbers a row"),
                "export the fitted model with scry.export instead",
            ));
        }
        Ok(())
    }

    fn operator(&mut self, told: &mut Told<'a>) -> Read<Vec<Value<'a>>> {
        let one = |value: Read<Value<'a>>| value.map(|value| vec![value]);
        match (told.domain, told.operator) {
            ("ai.onnx.ml", "TreeEnsembleRegressor") => one(self.tree_regressor(told)),
            ("ai.onnx.ml", "TreeEnsembleClassifier") => self.tree_classifier(told),
            ("ai.onnx.ml", "LinearRegressor") => one(self.linear_regressor(told)),
            ("ai.onnx.ml", "LinearClassifier") => self.linear_classifier(told),
            ("ai.onnx.ml", "Scaler") => one(self.scaler(told)),
            ("ai.onnx.ml", "Normalizer") => one(self.normalizer(told)),
            ("ai.onnx.ml", "Imputer") => one(self.imputer(told)),
            ("ai.onnx.ml", "Binarizer") => one(self.binarizer(told)),
            ("ai.onnx.ml", "OneHotEncoder") => one(self.one_hot_encoder(told)),
            ("ai.onnx.ml", "LabelEncoder") => one(self.label_encoder(told)),
            ("ai.onnx.ml", "ArrayFeatureExtractor") => one(self.array_feature_extractor(told)),
            ("ai.onnx.ml", "FeatureVectorizer") => one(self.feature_vectorizer(told)),
            ("ai.onnx.ml", "ZipMap") => one(self.zip_map(told)),
            ("" | "ai.onnx", _) => one(self.plain(told)),
            (domain, _) => Err(BoosterError::refused(
                format!("this operator of `{}` is not translated", strict::cut(domain)),
                "export the fitted model with scry.export instead",
            )),
        }
    }
}

/// An input, as the file tells it.
struct Input<'a> {
    name: &'a str,
    datatype: Datatype,
    width: usize,
}

impl<'a> Input<'a> {
    fn read(message: &'a [u8]) -> Read<Self> {
        let name = named(message, 1)?;
        let of = |message, number| -> Read<&'a [u8]> {
            let mut found = &[][..];
            for field in Fields::of(message) {
                if let Some(protobuf::Value::Bytes(bytes)) = field?.value_of(number) {
                    found = bytes;
                }
            }
            Ok(found)
        };
        let place = || format!("input `{}`", strict::cut(name));
        let tensor = of(of(message, 2)?, 1)?;
        let datatype = match number(tensor, 1)? {
            Some(1) => Datatype::Fp32,
            Some(6) => Datatype::Int32,
            Some(7) => Datatype::Int64,
            Some(8) => Datatype::Bytes,
            Some(9) => Datatype::Bool,
            Some(11) => Datatype::Fp64,
            _ => return Err(BoosterError::wrong("a tensor of float, int64 or string", "another type").at(place())),
        };
        let mut sizes = Vec::new();
        for field in Fields::of(of(tensor, 2)?) {
            if let Some(protobuf::Value::Bytes(size)) = field?.value_of(1) {
                sizes.push(number(size, 1)?);
            }
        }
        match *sizes.as_slice() {
            // A width that does not fit is too large anyway.
            [_, Some(width @ 1..)] => Ok(Self { name, datatype, width: usize::try_from(width).unwrap_or(usize::MAX) }),
            _ => {
                let expected = "rows and a fixed number of columns, as FloatTensorType([None, 4]) of skl2onnx has";
                Err(BoosterError::wrong(expected, "another shape").at(place()))
            }
        }
    }
}

/// A number that a field holds.
fn number(message: &[u8], number: u64) -> Read<Option<u64>> {
    let mut found = None;
    for field in Fields::of(message) {
        if let Some(protobuf::Value::Number(value)) = field?.value_of(number) {
            found = Some(value);
        }
    }
    Ok(found)
}
