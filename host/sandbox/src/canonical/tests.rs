mod operators;
mod random;

use super::analysis::Patch;
use super::known::Shape;
use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use std::cell::Cell;
use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, GlobalSection, GlobalType, Instruction as I, MemArg,
    MemorySection, MemoryType, Module, RawSection, TypeSection, ValType,
};
use wasmtime::{Config, Engine, Instance, Store, Trap};

const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

/// A module of one function with a memory, a global and these locals.
fn module(locals: &[ValType], code: &[I<'static>]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::F32], [ValType::F32]);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::F32, mutable: true, shared: false };
    globals.global(ty, &wasm_encoder::ConstExpr::f32_const(0.0.into()));
    let mut bodies = CodeSection::new();
    let mut body = Function::new_with_locals_types(locals.iter().copied());
    for instruction in code.iter().chain([&I::End]) {
        body.instruction(instruction);
    }
    let mut same = Function::new([]);
    same.instruction(&I::LocalGet(0)).instruction(&I::End);
    bodies.function(&body).function(&same);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memory).section(&globals).section(&bodies);
    module.finish()
}

/// The patches of such a function, each with the instruction that it precedes.
fn patches(locals: &[ValType], code: &[I<'static>]) -> Found {
    let module = module(locals, code);
    Validator::new_with_features(KNOWN).validate_all(&canonical(&module).unwrap()).unwrap();
    let mut validator = Validator::new_with_features(KNOWN);
    let payloads = Parser::new(0).parse_all(&module).map(Result::unwrap);
    let function = payloads.collect::<Vec<_>>().iter().find_map(|payload| match validator.payload(payload).unwrap() {
        ValidPayload::Func(function, body) => {
            steps::read(&mut function.into_validator(FuncValidatorAllocations::default()), &body).unwrap()
        }
        _ => None,
    });
    let Some(function) = function else { return Vec::new() };
    let step = |patch: &Patch| function.steps.iter().position(|step| step.offset == patch.offset).unwrap();
    analysis::patches(&function).iter().map(|patch| (step(patch), patch.local, patch.shape)).collect()
}

type Found = Vec<(usize, Option<u32>, Shape)>;

/// The patches where the sum of two floats, three instructions, is followed by
/// these.
fn after_sum(code: &[I<'static>]) -> Found {
    patches(&[ValType::F32, ValType::I32], &[&SUM, code].concat())
}

const SUM: [I<'static>; 3] = [I::LocalGet(0), I::LocalGet(0), I::F32Add];

#[test]
fn only_what_shows_bits_gets_canonical_nans() {
    let shows: [&[I<'static>]; 8] = [
        &[I::GlobalSet(0)],
        &[I::I32ReinterpretF32, I::Drop],
        &[I::F32Neg, I::Drop],
        &[I::Call(1), I::Drop],
        &[I::F32x4Splat, I::Drop],
        &[I::LocalGet(0), I::F32Copysign, I::Drop],
        &[I::LocalGet(0), I::LocalGet(1), I::Select, I::Drop],
        &[I::LocalGet(1), I::BrIf(0), I::GlobalSet(0)],
    ];
    for code in shows {
        assert_eq!(after_sum(code), [(3, None, Shape::F32)], "{code:?}");
    }
    let hides: [&[I<'static>]; 4] = [
        &[I::I32TruncSatF32S, I::Drop],
        &[I::LocalGet(0), I::F32Lt, I::Drop],
        &[I::F32Sqrt, I::F64PromoteF32, I::F64Nearest, I::I64TruncF64S, I::Drop],
        &[I::LocalSet(0)],
    ];
    for code in hides {
        assert_eq!(after_sum(code), [], "{code:?}");
    }
    assert_eq!(after_sum(&[I::F32Sqrt, I::LocalGet(0), I::F32Mul, I::GlobalSet(0)]), [(6, None, Shape::F32)]);
    let shown_late = [I::LocalTee(0), I::LocalGet(0), I::F32Lt, I::Drop, I::LocalGet(0), I::GlobalSet(0)];
    assert_eq!(after_sum(&shown_late), [(8, None, Shape::F32)]);
    let never_come_to = [I::LocalSet(0), I::Return, I::LocalGet(0), I::F32Sqrt, I::GlobalSet(0)];
    assert_eq!(after_sum(&never_come_to), []);
}

#[test]
fn lanes_of_another_width_show_bits() {
    let code = [I::LocalGet(0), I::LocalGet(0), I::F32x4Add, I::LocalGet(0), I::F64x2Add, I::V128AnyTrue, I::Drop];
    assert_eq!(patches(&[ValType::V128], &code), [(3, None, Shape::F32x4), (5, None, Shape::F64x2)]);
}

/// The inner loop of a dense layer: sums that begin with a bias from memory.
const ADD_UP: [I<'static>; 9] = [
    I::LocalGet(0),
    I::LocalGet(0),
    I::LocalGet(0),
    I::F32x4Mul,
    I::F32x4Add,
    I::LocalSet(0),
    I::LocalGet(1),
    I::BrIf(0),
    I::End,
];

#[test]
fn a_loop_that_adds_up_pays_nothing() {
    let load = [I::I32Const(0), I::V128Load(AT), I::LocalSet(0)];
    let guard = [I::Block(BlockType::Empty), I::LocalGet(1), I::BrIf(0), I::Loop(BlockType::Empty)];
    let store = [I::I32Const(0), I::LocalGet(0), I::V128Store(AT)];
    let locals = [ValType::V128, ValType::I32];
    let guarded = [&load, guard.as_slice(), &ADD_UP, &[I::End], &store].concat();
    assert_eq!(patches(&locals, &guarded), [(16, Some(0), Shape::F32x4)]);
    let straight = [&load, [I::Loop(BlockType::Empty)].as_slice(), &ADD_UP, &store].concat();
    assert_eq!(patches(&locals, &straight), [(15, None, Shape::F32x4)]);
    // A sum that is looked at in each turn is not.
    let shown = [&[I::Loop(BlockType::Empty)], store.as_slice(), &ADD_UP].concat();
    assert_eq!(patches(&locals, &shown), [(11, Some(0), Shape::F32x4)]);
}

#[test]
fn where_paths_meet_only_the_loose_one_is_made_canonical() {
    let load = [I::I32Const(0), I::F32Load(AT), I::LocalSet(0)];
    let no_else = [I::LocalSet(0), I::LocalGet(1), I::If(BlockType::Empty)];
    let seen = [I::End, I::LocalGet(0), I::GlobalSet(0)];
    assert_eq!(after_sum(&[no_else.as_slice(), &load, &seen].concat()), [(5, Some(0), Shape::F32)]);
    let with_else = [&no_else, load.as_slice(), &[I::Else], &SUM, &[I::LocalSet(0)], &seen].concat();
    assert_eq!(after_sum(&with_else), [(14, Some(0), Shape::F32)]);
    let hidden = [&no_else, load.as_slice(), &[I::End, I::LocalGet(0), I::F32Sqrt, I::I32TruncF32S, I::Drop]].concat();
    assert_eq!(after_sum(&hidden), []);
    // One local, floats of two widths.
    let [narrow, wide] = [I::F32x4Add, I::F64x2Add].map(|add| [I::LocalGet(1), I::LocalGet(1), add, I::LocalSet(0)]);
    let (open, skip) = ([I::Block(BlockType::Empty)], [I::LocalGet(2), I::BrIf(0)]);
    let widths = [open.as_slice(), &narrow, &skip, &wide, &[I::End]].concat();
    let met = patches(&[ValType::V128, ValType::V128, ValType::I32], &widths);
    assert_eq!(met, [(6, Some(0), Shape::F32x4), (11, Some(0), Shape::F64x2)]);
}

#[test]
fn what_leaves_a_block_is_canonical() {
    let gives = BlockType::Result(ValType::F32);
    let (sum, other, seen) = (SUM.as_slice(), [I::F32Const(0.0.into())], [I::End, I::GlobalSet(0)]);
    let locals = [ValType::F32, ValType::I32];
    let once = [(4, None, Shape::F32)];
    assert_eq!(patches(&locals, &[&[I::Block(gives)], sum, &seen].concat()), once);
    assert_eq!(patches(&locals, &[&[I::Block(gives)], sum, &[I::Br(0)], &seen].concat()), once);
    let may_leave = [I::LocalGet(1), I::BrIf(0), I::LocalSet(0)];
    assert_eq!(patches(&locals, &[&[I::Block(gives)], sum, &may_leave, &other, &seen].concat()), once);
    let switch = [I::LocalGet(1), I::BrTable([0].as_slice().into(), 0)];
    assert_eq!(patches(&locals, &[&[I::Block(gives)], sum, &switch, &seen].concat()), once);
    let either = [&[I::LocalGet(1), I::If(gives)], sum, &[I::Else], sum, &seen].concat();
    assert_eq!(patches(&locals, &either), [(5, None, Shape::F32), (9, None, Shape::F32)]);
}

/// What a turn adds up is seen only three turns later.
#[test]
fn loops_are_followed_for_as_many_turns_as_it_takes() {
    let hand_on = [I::LocalGet(2), I::LocalSet(3), I::LocalGet(0), I::LocalSet(2)];
    let open = [I::Loop(BlockType::Empty), I::LocalGet(3), I::GlobalSet(0)];
    let close = [I::LocalSet(0), I::LocalGet(1), I::BrIf(0), I::End];
    let locals = [ValType::F32, ValType::I32, ValType::F32, ValType::F32];
    let found = patches(&locals, &[&open, hand_on.as_slice(), &SUM, &close].concat());
    assert_eq!(found, [(12, Some(0), Shape::F32)]);
}

#[test]
fn a_function_that_is_too_much_gets_canonical_nans_everywhere() {
    let blocks = vec![[I::Block(BlockType::Empty), I::End]; 100].concat();
    let code = [SUM.as_slice(), &[I::LocalSet(0)], &blocks].concat();
    assert_eq!(patches(&[ValType::F32; 1000], &code), []);
    assert_eq!(patches(&[ValType::F32; 2000], &code), [(3, None, Shape::F32)]);
}

#[test]
fn what_is_not_known_is_refused() {
    let relaxed = [I::LocalGet(0), I::LocalGet(0), I::LocalGet(0), I::F32x4RelaxedMadd, I::Drop];
    let refused = canonical(&module(&[ValType::V128], &relaxed)).unwrap_err();
    assert!(refused.to_string().contains("relaxed"), "{refused}");
    assert!(canonical(b"\0asm").is_err());
}

#[test]
fn modules_are_found_wherever_a_component_holds_them() {
    let holds = |id, data: &[u8]| {
        let mut component = Component::new();
        component.section(&RawSection { id, data });
        component.finish()
    };
    let nested = |code| holds(4, &holds(1, &module(&[ValType::F32], code)));
    let (sum, none) = ([&SUM, [I::GlobalSet(0)].as_slice()].concat(), [I::LocalGet(0), I::GlobalSet(0)]);
    let patched = canonical(&nested(&sum)).unwrap();
    Validator::new_with_features(KNOWN).validate_all(&patched).unwrap();
    assert!(patched.len() > nested(&sum).len());
    assert_eq!(canonical(&nested(&none)).unwrap(), nested(&none));
}

fn engine(canonical: bool) -> Engine {
    let mut config = Config::new();
    config.cranelift_nan_canonicalization(canonical);
    Engine::new(&config).unwrap()
}

/// Everything that a module leaves: how it ends, its globals, its memory.
fn outcome(engine: &Engine, module: &[u8]) -> (Option<Trap>, String, Vec<u8>) {
    let module = wasmtime::Module::new(engine, module).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    let trap = run.call(&mut store, ()).err().map(|error| *error.downcast_ref::<Trap>().unwrap());
    let globals = ["f32", "f64", "v128"].map(|name| {
        let global = instance.get_global(&mut store, name).unwrap();
        format!("{:x?}", global.get(&mut store))
    });
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    (trap, globals.join(" "), memory.data(&store).to_vec())
}

/// Each by itself: too many for the random programs to try them all.
#[test]
fn every_operator_gives_what_it_gives_canonical_nans() {
    let (plain, reference) = (engine(false), engine(true));
    for lanes in [None, Some(&I::F32x4Add), Some(&I::F64x2Add)] {
        let module = operators::every_operator(lanes);
        let expected = outcome(&reference, &module);
        assert!(outcome(&plain, &canonical(&module).unwrap()) == expected, "after {lanes:?}");
        assert!(outcome(&plain, &module) != expected, "after {lanes:?}");
    }
}

/// The point of it all: what random programs leave is bit for bit what
/// Cranelift's own canonicalisation makes them leave. And the programs are such
/// that it matters.
#[test]
fn what_a_program_leaves_is_what_canonical_results_of_all_arithmetic_make_it_leave() {
    let (plain, reference) = (engine(false), engine(true));
    let (programs, differed) = (Cell::new(0), Cell::new(0));
    let cases = Cases { failure_persistence: None, ..Cases::default() };
    let entropy = prop::array::uniform4(prop::collection::vec(any::<u8>(), 0..800));
    let tested = TestRunner::new(cases).run(&entropy, |entropy| {
        let module = random::module(&entropy);
        let expected = outcome(&reference, &module);
        prop_assert_eq!(&outcome(&plain, &canonical(&module).unwrap()), &expected);
        programs.set(programs.get() + 1);
        differed.set(differed.get() + usize::from(outcome(&plain, &module) != expected));
        Ok(())
    });
    eprintln!("{} of {} programs leave something else without", differed.get(), programs.get());
    tested.unwrap();
    assert!(differed.get() * 20 > programs.get(), "{} of {}", differed.get(), programs.get());
}
