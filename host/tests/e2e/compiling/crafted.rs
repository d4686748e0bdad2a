//! Components written by hand: a model that answers its input, and what else a
//! publisher may put beside it.

use serde_json::{Value, json};
use wasm_encoder::{
    CodeSection, Component, ComponentExportKind, ComponentExportSection, ComponentInstanceSection, ComponentSection,
    ConstExpr, CustomSection, DataSection, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, Instruction as I, MemArg, MemorySection, MemoryType, Module, ModuleSection, TypeSection, ValType,
};

const PREDICTOR: &str = "scry:model/predictor@0.1.0";
/// The answer's parts in memory: one FP64 column of one row.
const RESULT: u32 = 1024;
const TENSOR: u32 = 1104;
const SHAPE: u32 = 1200;
const NUMBER: u32 = 1208;

/// What one more function does, from an i32 and an f64 to an f64.
pub(crate) type Code = Vec<I<'static>>;

/// So many square roots, one of the other: the compiler's memory grows with them.
pub(crate) fn roots(count: usize) -> Code {
    [vec![I::LocalGet(1)], vec![I::F64Sqrt; count]].concat()
}

/// So many conditions, each in the other: the compiler's time grows with their square.
pub(crate) fn nested(count: usize) -> Code {
    let open = [I::LocalGet(0), I::If(wasm_encoder::BlockType::Empty)];
    let opened = std::iter::repeat_n(open, count).flatten();
    opened.chain(std::iter::repeat_n(I::End, count)).chain([I::LocalGet(1)]).collect()
}

/// The card of a model with so many inputs.
pub(crate) fn card(name: &str, inputs: usize) -> Value {
    let field = |name: String| json!({ "name": name, "datatype": "FP64" });
    let inputs: Vec<_> = (0..inputs).map(|n| field(format!("x{n}"))).collect();
    let [x, y] = ["x", "y"].map(|name| field(name.into()));
    let schema = json!({ "inputs": inputs, "features": [x], "outputs": [y] });
    json!({ "card_version": 1, "name": name, "description": "made by hand", "schema": schema })
}

/// So many examples that hold.
pub(crate) fn golden(examples: usize) -> Value {
    let example = |n: usize| json!({ "name": n.to_string(), "inputs": [{ "x0": 1.5 }], "outputs": [{ "y": 1.5 }] });
    json!({ "examples": (0..examples).map(example).collect::<Vec<_>>() })
}

/// A sealed model of one input, with such a function beside it.
pub(crate) fn model(name: &str, code: &[I<'static>]) -> Vec<u8> {
    sealed(code, &card(name, 1), &golden(1))
}

/// A sealed model with any card and examples.
pub(crate) fn sealed(code: &[I<'static>], card: &Value, golden: &Value) -> Vec<u8> {
    let (mut instances, mut exports) = (ComponentInstanceSection::new(), ComponentExportSection::new());
    instances.export_items(Vec::<(&str, ComponentExportKind, u32)>::new());
    exports.export(PREDICTOR, ComponentExportKind::Instance, 0, None);
    let mut component = Component::new();
    component.section(&ModuleSection(&module(code))).section(&instances).section(&exports);
    let mut bytes = component.finish();
    for (name, json) in [("scry:card", card), ("scry:golden", golden)] {
        let json = json.to_string();
        CustomSection { name: name.into(), data: json.as_bytes().into() }.append_to_component(&mut bytes);
    }
    bytes
}

fn module(code: &[I<'static>]) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    types.ty().function([ValType::I32, ValType::F64], [ValType::F64]);
    let mut functions = FunctionSection::new();
    [0, 1, 1, 2].iter().for_each(|ty| {
        functions.function(*ty);
    });
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    globals.global(GlobalType { val_type: ValType::I32, mutable: true, shared: false }, &ConstExpr::i32_const(4096));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("cabi_realloc", ExportKind::Func, 0);
    exports.export(&format!("{PREDICTOR}#predict"), ExportKind::Func, 1);
    exports.export(&format!("{PREDICTOR}#transform"), ExportKind::Func, 2);

    let word = |offset| MemArg { offset, align: 2, memory_index: 0 };
    let long = MemArg { offset: 0, align: 3, memory_index: 0 };
    let allocate = vec![
        I::GlobalGet(0),
        I::GlobalGet(0),
        I::LocalGet(3),
        I::I32Add,
        I::I32Const(15),
        I::I32Add,
        I::I32Const(-16),
        I::I32And,
        I::GlobalSet(0),
    ];
    // The first tensor's values begin where its record says, twelve bytes in.
    let answer = vec![
        I::I32Const(NUMBER as i32),
        I::LocalGet(0),
        I::I32Load(word(12)),
        I::F64Load(long),
        I::F64Store(long),
        I::I32Const(RESULT as i32),
    ];
    let mut bodies = CodeSection::new();
    for code in [&allocate, &answer, &vec![I::Unreachable], &code.to_vec()] {
        let mut body = Function::new([]);
        code.iter().chain([&I::End]).for_each(|instruction| {
            body.instruction(instruction);
        });
        bodies.function(&body);
    }
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(RESULT as i32), words(&[0, 0, TENSOR, 1]));
    data.active(0, &ConstExpr::i32_const(TENSOR as i32), words(&[SHAPE, 1, 10, NUMBER, 1]));
    data.active(0, &ConstExpr::i32_const(SHAPE as i32), words(&[1, 0]));
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memory).section(&globals).section(&exports);
    module.section(&bodies).section(&data);
    module
}
