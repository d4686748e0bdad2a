//! The smallest model there is, by hand: it answers one number, whatever it is asked.

use scry_card::{Card, Golden};
use scry_component::embed;
use scry_names::PREDICTOR;
use serde_json::json;
use wasm_encoder::{
    CodeSection, ComponentBuilder, ComponentExportKind, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, Instruction as I, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// Where the answer, one number as one FP64 column of one row, has its parts.
const RECORD: u32 = 64;
const SHAPE: u32 = 128;
const NUMBER: u32 = 136;

/// A component that answers `y`; it wants more inputs where it is wide.
pub(super) fn component(y: f64, is_wide: bool) -> Vec<u8> {
    let mut built = ComponentBuilder::default();
    built.core_module(None, &module(y));
    let empty = built.component(None, ComponentBuilder::default());
    let instance = built.instantiate(None, empty, Vec::<(&str, ComponentExportKind, u32)>::new());
    built.export(PREDICTOR, ComponentExportKind::Instance, instance, None);
    let mut bytes = built.finish();
    let field = |name: &str| json!({ "name": name, "datatype": "FP64" });
    let inputs = if is_wide { vec![field("x"), field("w")] } else { vec![field("x")] };
    let schema = json!({ "inputs": inputs, "features": [field("x")], "outputs": [field("y")] });
    let card = json!({ "card_version": 1, "name": "m", "description": "one number", "schema": schema });
    let row = if is_wide { json!({ "x": 0, "w": 0 }) } else { json!({ "x": 0 }) };
    let golden = json!({ "examples": [{ "name": "one", "inputs": [row], "outputs": [{ "y": y }] }] });
    let card = Card::from_json(card.to_string().as_bytes()).unwrap();
    let golden: Golden = serde_json::from_value(golden).unwrap();
    embed(&mut bytes, &card, &golden, None, None).unwrap();
    bytes
}

fn module(y: f64) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("cabi_realloc", ExportKind::Func, 0);
    for name in ["predict", "transform"] {
        exports.export(&format!("{PREDICTOR}#{name}"), ExportKind::Func, 1);
    }
    let mut bodies = CodeSection::new();
    // What is asked lies behind the answer, and the answer's record is at 0.
    for at in [4096, 0] {
        let mut body = Function::new([]);
        body.instruction(&I::I32Const(at)).instruction(&I::End);
        bodies.function(&body);
    }
    let mut data = DataSection::new();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    data.active(0, &ConstExpr::i32_const(0), words(&[0, 0, RECORD, 1]));
    data.active(0, &ConstExpr::i32_const(RECORD as i32), words(&[SHAPE, 1, 10, NUMBER, 1]));
    data.active(0, &ConstExpr::i32_const(SHAPE as i32), words(&[1, 0]));
    data.active(0, &ConstExpr::i32_const(NUMBER as i32), y.to_le_bytes());
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memory).section(&exports).section(&bodies).section(&data);
    module
}
