//! A model: the graph, checked, and its schema.

use crate::error::{FileError, Wrong, wrong};
use crate::file;
use crate::format::Graph;
use crate::ops::{self, Op};
use crate::output::Output;
use crate::spec::Spec;
use crate::value::Shape;
use scry_card::{Datatype, Field, Schema, shortened};
use serde_json::{Map, Value};

const NODES_MAX: usize = 4_096;
/// Numbers of one row, all nodes together: 32 MiB.
const ROW_MAX: usize = 1 << 22;
/// Numbers of one block of rows, all nodes together: 8 MiB, unless one row has more.
const BLOCK_MAX: usize = 1 << 20;
/// More rows at once gain nothing.
const ROWS_MAX: usize = 256;
/// Bytes of names that a description holds.
const DESCRIPTION_MAX_BYTES: usize = 8 << 10;

/// A trained model.
#[derive(Debug)]
pub struct Model {
    pub(crate) schema: Schema,
    pub(crate) nodes: Vec<Node>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) features: usize,
    pub(crate) outputs: Vec<Output>,
    /// Which nodes an answer needs, and which the features.
    pub(crate) for_outputs: Vec<bool>,
    pub(crate) for_features: Vec<bool>,
    /// Rows that are computed at once.
    pub(crate) block_rows: usize,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) step: Step,
    pub(crate) of: Vec<usize>,
    /// The input that all of it comes from, if there is one.
    pub(crate) origin: Option<usize>,
}

/// Where a value comes from.
#[derive(Debug)]
pub(crate) enum Step {
    Input(usize),
    TextFill(String),
    Numbers(Box<dyn Op>),
}

impl Model {
    /// Reads a model file, and checks all of it.
    pub fn read(bytes: &[u8]) -> Result<Self, FileError> {
        let (graph, arrays) = file::read(bytes)?;
        let Graph { inputs, nodes: specs, features, feature_names, outputs, .. } = graph;
        if !(1..=NODES_MAX).contains(&specs.len()) {
            let found = specs.len().to_string();
            return Err(FileError::Layout { expected: format!("1 to {NODES_MAX} nodes"), found });
        }
        let (mut nodes, mut shapes) = (Vec::with_capacity(specs.len()), Vec::with_capacity(specs.len()));
        let mut row = 0usize;
        for (node, mut members) in specs.into_iter().enumerate() {
            let op = match members.remove("op") {
                Some(Value::String(op)) => op,
                _ => String::new(),
            };
            let read = read_node(&op, members, &arrays, &inputs, &nodes, &shapes).and_then(|(made, shape)| {
                row = row.saturating_add(if let Shape::Matrix(width) = shape { width } else { 1 });
                if row > ROW_MAX {
                    wrong(format!("at most {ROW_MAX} numbers a row, all nodes together"), row)
                } else {
                    Ok((made, shape))
                }
            });
            let failed = |Wrong { expected, found }| FileError::Node { node, op: shortened(op, 40), expected, found };
            let (made, shape) = read.map_err(failed)?;
            nodes.push(made);
            shapes.push(shape);
        }
        let features_field = features_field(features, &shapes, &feature_names)?;
        let outputs =
            outputs.into_iter().map(|spec| Output::read(spec, &arrays, &shapes)).collect::<Result<Vec<_>, _>>()?;
        let fields = outputs.iter().map(|output| output.field.clone()).collect();
        let schema = Schema { inputs, features: vec![features_field], outputs: fields };
        schema.validate().map_err(|error| FileError::Schema(Box::new(error)))?;
        Ok(Self {
            for_outputs: needed(&nodes, outputs.iter().map(|output| output.node)),
            for_features: needed(&nodes, [features].into_iter()),
            schema,
            nodes,
            shapes,
            features,
            outputs,
            block_rows: (BLOCK_MAX / row.max(1)).clamp(1, ROWS_MAX),
        })
    }

    /// What it reads, what its pipeline makes of that, what it answers.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Bytes that computing takes beside inputs and answers.
    pub fn working_bytes(&self) -> usize {
        let width = |shape: &Shape| if let Shape::Matrix(width) = shape { *width } else { 1 };
        8 * self.block_rows * self.shapes.iter().map(width).sum::<usize>()
    }
}

/// One node, and the shape of its value.
fn read_node(
    op: &str,
    mut members: Map<String, Value>,
    arrays: &crate::arrays::Arrays<'_>,
    inputs: &[Field],
    nodes: &[Node],
    shapes: &[Shape],
) -> Result<(Node, Shape), Wrong> {
    let of = operands(members.remove("of"), nodes.len())?;
    let of_shapes = of.iter().filter_map(|&node| shapes.get(node).copied()).collect();
    let mut origins = of.iter().map(|&node| nodes.get(node).and_then(|node| node.origin));
    let first = origins.next().flatten();
    let origin = first.filter(|_| origins.all(|origin| origin == first));
    let mut spec = Spec { members, arrays, of: of_shapes };
    let (step, shape, origin) = match op {
        "input" => {
            if !of.is_empty() {
                return wrong("no `of`", of.len());
            }
            let input = spec.index("input")?;
            let Some(field) = inputs.get(input) else { return wrong(format!("one of {} inputs", inputs.len()), input) };
            if !field.shape.is_empty() {
                return wrong("an input of one value a row", format!("`{}`", shortened(field.name.clone(), 40)));
            }
            let shape = if field.datatype == Datatype::Bytes { Shape::Text } else { Shape::Matrix(1) };
            (Step::Input(input), shape, Some(input))
        }
        "text_fill" => {
            if spec.of != [Shape::Text] {
                return wrong("`of` with 1 node of text", spec.of.len());
            }
            (Step::TextFill(spec.text("value")?), Shape::Text, origin)
        }
        _ => match ops::read(op, &mut spec) {
            Some(made) => {
                let (op, width) = made?;
                (Step::Numbers(op), Shape::Matrix(width), origin)
            }
            None => return wrong("an operation of format 1", "another"),
        },
    };
    spec.end()?;
    Ok((Node { step, of, origin }, shape))
}

/// Indexes of earlier nodes.
fn operands(of: Option<Value>, before: usize) -> Result<Vec<usize>, Wrong> {
    let list = match of {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return wrong("`of`: a list", scry_card::strict::found(&other)),
    };
    if list.len() > NODES_MAX {
        return wrong(format!("`of` with at most {NODES_MAX} nodes"), list.len());
    }
    let earlier = |value: Value| match value.as_u64().and_then(|node| usize::try_from(node).ok()) {
        Some(node) if node < before => Ok(node),
        _ => wrong(format!("`of`: earlier nodes, below {before}"), scry_card::strict::found(&value)),
    };
    list.into_iter().map(earlier).collect()
}

/// The one field that `transform` returns.
fn features_field(features: usize, shapes: &[Shape], names: &[String]) -> Result<Field, FileError> {
    let wrong = |expected: String, found: String| FileError::Output { name: "features".into(), expected, found };
    let width = match shapes.get(features) {
        Some(&Shape::Matrix(width)) => width,
        Some(Shape::Text) => return Err(wrong("a node of numbers".into(), "text".into())),
        None => return Err(wrong(format!("one of {} nodes", shapes.len()), features.to_string())),
    };
    if !names.is_empty() && names.len() != width {
        return Err(wrong(format!("{width} names of features, or none"), names.len().to_string()));
    }
    let description = if names.is_empty() { "What the model was trained on.".into() } else { names.join(", ") };
    Ok(Field {
        name: "features".into(),
        description: shortened(description, DESCRIPTION_MAX_BYTES),
        datatype: Datatype::Fp64,
        shape: vec![width as u64],
        nullable: true,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    })
}

/// All nodes that some are made of.
fn needed(nodes: &[Node], ends: impl Iterator<Item = usize>) -> Vec<bool> {
    let mut needed = vec![false; nodes.len()];
    ends.for_each(|end| needed.get_mut(end).into_iter().for_each(|is| *is = true));
    for (at, node) in nodes.iter().enumerate().rev() {
        if needed.get(at) == Some(&true) {
            node.of.iter().for_each(|&of| needed.get_mut(of).into_iter().for_each(|is| *is = true));
        }
    }
    needed
}
