//! The loaded network.

use crate::file::File;
use crate::memory;
use crate::port::{self, Batch, Port};
use rten::{Model, ModelOptions, NodeId, OpRegistry, Value};
use rten_onnx::onnx::{GraphProto, ValueInfoProto};
use scry_guest::card::{Field, Schema, Tensor, Values};
use scry_guest::{ColumnModel, Failure, LoadError};
use std::collections::HashSet;
use std::ops::Range;

/// Rows that are computed at once, if they are small enough.
const ROWS_MAX: usize = 64;
/// What computing them may take, in bytes; one row may take more.
const WORKING_MAX_BYTES: usize = 32 << 20;
/// Beside that: what small things take, and the gaps between them.
const SPARE_BYTES: usize = 1 << 20;

/// A network that was imported.
#[derive(Debug)]
pub(crate) struct Network {
    model: Model,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Rows of one run.
    rows: usize,
}

impl ColumnModel for Network {
    fn load() -> Result<Self, LoadError> {
        let placed = scry_placed::file().ok_or("no file is placed in this runtime: `scry import` places it")?;
        let File { graph, model: proto, weights } = File::read(placed)?;
        let mut options = ModelOptions::with_ops(OpRegistry::with_all_ops());
        for (name, bytes) in weights {
            options.external_data(&name, bytes);
        }
        let model = options.load(graph)?;
        drop(options);
        let graph = proto.graph.unwrap_or_default();
        let (inputs, batch) = inputs(&model, &graph)?;
        let mut network = Self { model, inputs, outputs: Vec::new(), rows: 1 };
        network.outputs = network.find_outputs(&graph.output, batch)?;
        drop(graph);
        let headroom_bytes = network.measure(batch).map_err(|failure| failure.to_string())?;
        memory::is_loaded(headroom_bytes);
        Ok(network)
    }

    fn schema(&self) -> Schema {
        let fields = |ports: &[Port]| -> Vec<Field> { ports.iter().map(|port| port.field.clone()).collect() };
        Schema { inputs: fields(&self.inputs), features: fields(&self.inputs), outputs: fields(&self.outputs) }
    }

    /// A network has no pipeline of features.
    fn transform(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        Ok(inputs)
    }

    fn predict(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        let rows = inputs.first().and_then(|input| input.shape.first()).copied().unwrap_or(0);
        let inputs = self.narrow(inputs)?;
        let mut outputs: Vec<Tensor> = self.outputs.iter().map(|port| empty(&port.field, rows)).collect();
        let all = usize::try_from(rows)?;
        for from in (0..all).step_by(self.rows) {
            let part = from..all.min(from + self.rows);
            let values = self.run(&inputs, part.clone())?;
            for ((port, output), value) in self.outputs.iter().zip(&mut outputs).zip(values) {
                port::append(&port.field, &mut output.values, value, part.len())?;
            }
        }
        Ok(outputs)
    }
}

impl Network {
    fn narrow(&self, inputs: Vec<Tensor>) -> Result<Vec<Values>, Failure> {
        self.inputs.iter().zip(inputs).map(|(port, input)| port::narrow(&port.field, input.values)).collect()
    }

    /// Computes some rows.
    fn run(&self, inputs: &[Values], rows: Range<usize>) -> Result<Vec<Value>, Failure> {
        let view = |(port, values): (&Port, _)| Ok((port.node, port::view(&port.field, values, rows.clone())?.into()));
        let inputs = self.inputs.iter().zip(inputs).map(view).collect::<Result<_, Failure>>()?;
        Ok(self.model.run(inputs, self.model.output_ids(), None)?)
    }

    fn zeros(&self, rows: usize) -> Vec<Tensor> {
        let zeros = |port: &Port| {
            let values = Values::neutral(port.field.datatype, rows * port.field.elements_per_row().unwrap_or(0));
            Tensor { values, ..empty(&port.field, rows as u64) }
        };
        self.inputs.iter().map(zeros).collect()
    }

    /// The outputs, as they are for zeros: files often do not say their shapes.
    fn find_outputs(&self, infos: &[ValueInfoProto], batch: Batch) -> Result<Vec<Port>, LoadError> {
        let fields = |rows: usize| -> Result<Vec<Field>, LoadError> {
            let values = self.narrow(self.zeros(rows)).and_then(|zeros| self.run(&zeros, 0..rows));
            let values = values.map_err(|failure| format!("the network does not answer {rows} rows: {failure}"))?;
            infos.iter().zip(values).map(|(info, value)| Ok(port::output(info, &value, rows)?)).collect()
        };
        let found = fields(1)?;
        if batch == Batch::Open {
            let two = fields(2)?;
            if let Some((one, two)) = found.iter().zip(&two).find(|(one, two)| one != two) {
                let (name, one, two) = (&one.name, &one.shape, &two.shape);
                return Err(format!("output `{name}`: expected rows of one shape, found {one:?} and {two:?}").into());
            }
        }
        Ok(self.model.output_ids().iter().zip(found).map(|(&node, field)| Port { node, field }).collect())
    }

    /// Finds out how many rows to compute at once, and how much memory that takes.
    fn measure(&mut self, batch: Batch) -> Result<usize, Failure> {
        let mut bytes = |rows| {
            self.rows = rows;
            let (peak, answer) = memory::peak_of(|| self.predict(self.zeros(rows)));
            answer.map(|_| peak)
        };
        let one = bytes(1)?;
        let more = if batch == Batch::Open { bytes(2)?.saturating_sub(one).max(1) } else { 0 };
        self.rows = match batch {
            Batch::Open => (WORKING_MAX_BYTES.saturating_sub(one) / more + 1).min(ROWS_MAX),
            Batch::One => 1,
        };
        let row_bytes: usize = self.inputs.iter().chain(&self.outputs).map(port::row_bytes).sum();
        let working = one + (self.rows - 1) * more;
        Ok(working + working / 4 + 2 * ROWS_MAX * row_bytes + SPARE_BYTES)
    }
}

/// The inputs that no initializer stands for, and what their first dimensions are together.
fn inputs(model: &Model, graph: &GraphProto) -> Result<(Vec<Port>, Batch), LoadError> {
    let constants: HashSet<&Option<String>> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
    let mut ports = Vec::new();
    let mut batch = Batch::Open;
    for info in graph.input.iter().filter(|info| !constants.contains(&info.name)) {
        let (field, one) = port::input(info)?;
        let node: NodeId = model.node_id(&field.name)?;
        ports.push(Port { node, field });
        if one == Batch::One {
            batch = Batch::One;
        }
    }
    Ok((ports, batch))
}

fn empty(field: &Field, rows: u64) -> Tensor {
    Tensor { shape: field.batch_shape(rows), values: Values::neutral(field.datatype, 0), validity: None }
}
