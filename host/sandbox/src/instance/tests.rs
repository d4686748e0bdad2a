use super::super::core_module::{MEMORY, REALLOC, after, function};
use super::super::{CallError, CallLimits, CompileSettings, Loaded, Metering, Sandbox, SandboxSettings};
use scry_card::{Batch, Datatype, Field, Schema, Tensor, Values};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasm_encoder::{
    CodeSection, ComponentBuilder, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, Instruction as I, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// Where the guest below has its answer, one number as one FP64 column of one
/// row, and the parts of that.
const RECORD: u32 = 64;
const SHAPE: u32 = 128;
const NUMBER: u32 = 136;

/// A guest that counts its calls in a global, and where it last allocated in
/// another. `predict` answers the one plus a hundred times what it finds in
/// memory, `transform` the same after it has made its memory larger. To clear an
/// answer of `predict` away counts as ten calls.
fn counting() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    [0, 1, 1, 2].iter().for_each(|ty| {
        functions.function(*ty);
    });
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(ty, &ConstExpr::i32_const(4096)).global(ty, &ConstExpr::i32_const(0));
    let mut exports = ExportSection::new();
    exports.export(MEMORY, ExportKind::Memory, 0).export(REALLOC, ExportKind::Func, 0);
    exports.export(&function("predict"), ExportKind::Func, 1).export(&function("transform"), ExportKind::Func, 2);
    exports.export(&after("predict"), ExportKind::Func, 3);

    let word = |offset| MemArg { offset, align: 2, memory_index: 0 };
    let long = MemArg { offset: 0, align: 3, memory_index: 0 };
    let allocate = [
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
    let answer = [
        I::GlobalGet(1),
        I::I32Const(1),
        I::I32Add,
        I::GlobalSet(1),
        I::I32Const(NUMBER as i32),
        I::GlobalGet(1),
        I::I32Const(0),
        I::I32Load(word(8192)),
        I::I32Const(100),
        I::I32Mul,
        I::I32Add,
        I::F64ConvertI32U,
        I::F64Store(long),
        I::I32Const(0),
        I::I32Const(5),
        I::I32Store(word(8192)),
        I::I32Const(0),
    ];
    let clear = [I::GlobalGet(1), I::I32Const(10), I::I32Add, I::GlobalSet(1)];
    let grow = [I::I32Const(1), I::MemoryGrow(0), I::Drop];
    let mut bodies = CodeSection::new();
    for code in [allocate.to_vec(), answer.to_vec(), [grow.as_slice(), &answer].concat(), clear.to_vec()] {
        let mut body = Function::new([]);
        code.iter().chain([&I::End]).for_each(|instruction| {
            body.instruction(instruction);
        });
        bodies.function(&body);
    }
    let mut data = DataSection::new();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    data.active(0, &ConstExpr::i32_const(0), words(&[0, 0, RECORD, 1]));
    data.active(0, &ConstExpr::i32_const(RECORD as i32), words(&[SHAPE, 1, 10, NUMBER, 1]));
    data.active(0, &ConstExpr::i32_const(SHAPE as i32), words(&[1, 0]));
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memory).section(&globals).section(&exports);
    module.section(&bodies).section(&data);
    let mut component = ComponentBuilder::default();
    component.core_module(None, &module);
    component.finish()
}

fn loaded(instances_ahead_max: u32) -> (Sandbox, Loaded) {
    let settings = SandboxSettings {
        instances_max: 2,
        instances_ahead_max,
        memory_max_bytes: 1 << 20,
        compile: CompileSettings::trusting(),
        is_embedded: false,
    };
    let sandbox = Sandbox::new(settings).unwrap();
    let loaded = load(&sandbox);
    (sandbox, loaded)
}

fn load(sandbox: &Sandbox) -> Loaded {
    let field = Field {
        name: "y".into(),
        description: String::new(),
        datatype: Datatype::Fp64,
        shape: Vec::new(),
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    };
    let schema = Schema { inputs: Vec::new(), features: vec![field.clone()], outputs: vec![field] };
    sandbox.load(&counting(), Arc::new(schema), Metering::Fuel, None).unwrap()
}

fn limits() -> CallLimits {
    let deadline = Instant::now() + Duration::from_secs(10);
    CallLimits {
        deadline,
        fuel: 1 << 20,
        memory_max_bytes: 1 << 20,
        output_max_bytes: 1 << 20,
        client: None,
        is_timed: false,
    }
}

fn row() -> Batch {
    let column = Tensor { shape: vec![1], values: Values::Fp64(vec![3.0]), validity: None };
    Batch { rows: 1, columns: vec![column] }
}

fn number(outcome: Result<Batch, CallError>) -> f64 {
    let Values::Fp64(answer) = &outcome.unwrap().columns[0].values else { panic!("no FP64") };
    answer[0]
}

/// Answers of calls one after the other, what fuel each used, and whether its
/// instance was put back.
fn answers(loaded: &Loaded, calls: usize, transform: impl Fn(usize) -> bool) -> Vec<(f64, u64, bool)> {
    let inputs = row();
    let call = |i| {
        let report = if transform(i) { Loaded::transform } else { Loaded::predict }(loaded, &inputs, &limits());
        loaded.restock(report.spent, 1, &limits()).unwrap();
        (number(report.outcome), report.fuel.unwrap(), report.was_put_back)
    };
    (0..calls).map(call).collect()
}

#[test]
fn globals_and_memory_are_put_back() {
    let (_sandbox, loaded) = loaded(1);
    let answers = answers(&loaded, 10, |_| false);
    let fuel = answers[0].1;
    // The first finds out where it writes.
    let expected: Vec<_> = (0..10).map(|i| (1.0, fuel, i > 1)).collect();
    assert_eq!(answers, expected);
}

#[test]
fn one_that_grew_is_not_put_back() {
    let (_sandbox, loaded) = loaded(1);
    let answers = answers(&loaded, 12, |i| i % 4 == 3);
    let expected: Vec<_> = (0..12).map(|i| (1.0, i > 1 && i % 4 != 0)).collect();
    assert_eq!(answers.iter().map(|(answer, _, put_back)| (*answer, *put_back)).collect::<Vec<_>>(), expected);
}

#[test]
fn where_none_is_kept_each_call_has_its_own() {
    let (_sandbox, loaded) = loaded(0);
    assert!(answers(&loaded, 5, |_| false).iter().all(|(answer, _, put_back)| *answer == 1.0 && !put_back));
}

#[test]
fn components_that_are_not_called_give_their_room_to_those_that_are() {
    let (sandbox, idle) = loaded(1);
    assert!(answers(&idle, 3, |_| false)[2].2);
    let busy = load(&sandbox);
    let answers = answers(&busy, 1000, |_| false);
    assert!(answers.iter().all(|(answer, ..)| *answer == 1.0));
    assert!(!answers[100].2 && answers[999].2, "the shelf holds one instance, of the component that is called");
}

#[test]
fn an_instance_that_goes_on_clears_the_last_answer_away_before_the_next_call() {
    let (_sandbox, loaded) = loaded(1);
    let mut session = loaded.session(&limits()).unwrap();
    let answers: Vec<f64> = (0..3).map(|_| number(session.predict(&row(), &limits()).outcome)).collect();
    // What a call leaves in memory counts a hundred times.
    assert_eq!(answers, [1.0, 512.0, 523.0]);
}
