//! Operators, inputs that make NaNs, and modules of both.

use std::sync::LazyLock;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, Instruction as I, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

pub(super) const FLOATS: [ValType; 3] = [ValType::F32, ValType::F64, ValType::V128];

#[rustfmt::skip]
pub(super) const F32_BITS: [u32; 14] = [
    0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff81_2345, 0x7fc1_2345, 0xffff_ffff, 0x7f80_0000, 0xff80_0000, 0,
    0x8000_0000, 0x3f80_0000, 0xbfc0_0000, 0x7f7f_ffff, 0x0000_0001,
];
#[rustfmt::skip]
pub(super) const F64_BITS: [u64; 12] = [
    0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 0xfff1_2345_6789_abcd, 0x7ff8_0000_1234_5678,
    0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000, 0, 0x8000_0000_0000_0000, 0x3ff0_0000_0000_0000,
    0xc008_0000_0000_0000, 0x7fef_ffff_ffff_ffff,
];

/// A module that exports its first function as `run`, its memory, which holds
/// the inputs, and a global of each type of `FLOATS`. The functions after the
/// first take and give one of these each, and so may blocks.
pub(super) fn module(bodies: impl Iterator<Item = Function>) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    FLOATS.iter().for_each(|ty| types.ty().function([*ty], [*ty]));
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for (ty, body) in (0..).zip(bodies) {
        functions.function(ty);
        code.function(&body);
    }
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0).export("memory", ExportKind::Memory, 0);
    let zeros = [ConstExpr::f32_const(0.0.into()), ConstExpr::f64_const(0.0.into()), ConstExpr::v128_const(0)];
    for (i, (val_type, zero)) in (0..).zip(FLOATS.into_iter().zip(zeros)) {
        globals.global(GlobalType { val_type, mutable: true, shared: false }, &zero);
        exports.export(["f32", "f64", "v128"][i as usize], ExportKind::Global, i);
    }
    let mut data = DataSection::new();
    let inputs = F32_BITS.iter().flat_map(|bits| bits.to_le_bytes());
    let inputs: Vec<_> = inputs.chain(F64_BITS.iter().flat_map(|bits| bits.to_le_bytes())).collect();
    data.active(0, &ConstExpr::i32_const(0), inputs);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memory).section(&globals).section(&exports);
    module.section(&code).section(&data);
    module.finish()
}

/// A module that runs every operator that cannot trap on many inputs, as they
/// are or as arithmetic of these lanes leaves them.
pub(super) fn every_operator(lanes: Option<&I<'static>>) -> Vec<u8> {
    const INPUT_BYTES: u64 = 14 * 4 + 12 * 8;
    let mut body = Function::new([]);
    let mut to = 1024;
    for (operator, takes, gives) in OPERATORS.iter() {
        if matches!(operator, I::I32TruncF32S | I::I32TruncF64U | I::I64TruncF64S) {
            continue;
        }
        for from in (0..INPUT_BYTES - 16).step_by(4) {
            body.instruction(&I::I32Const(0));
            for (operand, ty) in (0..).zip(takes) {
                body.instruction(&I::I32Const(0));
                body.instruction(&load(*ty, (from * (operand + 1)) % (INPUT_BYTES - 16)));
                let [one, multiply] = match (ty, lanes) {
                    (ValType::F32, Some(_)) => [I::F32Const(1.0.into()), I::F32Mul],
                    (ValType::F64, Some(_)) => [I::F64Const(1.0.into()), I::F64Mul],
                    (ValType::V128, Some(add)) => [I::V128Const(0), add.clone()],
                    _ => continue,
                };
                body.instruction(&one).instruction(&multiply);
            }
            body.instruction(operator).instruction(&store(*gives, to));
            to += 16;
        }
    }
    body.instruction(&I::End);
    module([body].into_iter())
}

pub(super) fn load(ty: ValType, offset: u64) -> I<'static> {
    let at = MemArg { offset, align: 0, memory_index: 0 };
    match ty {
        ValType::I32 => I::I32Load(at),
        ValType::I64 => I::I64Load(at),
        ValType::F32 => I::F32Load(at),
        ValType::F64 => I::F64Load(at),
        _ => I::V128Load(at),
    }
}

pub(super) fn store(ty: ValType, offset: u64) -> I<'static> {
    let at = MemArg { offset, align: 0, memory_index: 0 };
    match ty {
        ValType::I32 => I::I32Store(at),
        ValType::I64 => I::I64Store(at),
        ValType::F32 => I::F32Store(at),
        ValType::F64 => I::F64Store(at),
        _ => I::V128Store(at),
    }
}

/// What operators take and give.
pub(super) static OPERATORS: LazyLock<Vec<(I<'static>, Vec<ValType>, ValType)>> = LazyLock::new(|| {
    use ValType::{F32, F64, I32, I64, V128};
    let of = |takes: &[ValType], gives, operators: &[I<'static>]| {
        operators.iter().map(|operator| (operator.clone(), takes.to_vec(), gives)).collect::<Vec<_>>()
    };
    #[rustfmt::skip]
    let all = [
        of(&[F32, F32], F32, &[I::F32Add, I::F32Sub, I::F32Mul, I::F32Div, I::F32Min, I::F32Max, I::F32Copysign]),
        of(&[F32], F32, &[I::F32Sqrt, I::F32Ceil, I::F32Floor, I::F32Trunc, I::F32Nearest, I::F32Abs, I::F32Neg]),
        of(&[F64, F64], F64, &[I::F64Add, I::F64Sub, I::F64Mul, I::F64Div, I::F64Min, I::F64Max, I::F64Copysign]),
        of(&[F64], F64, &[I::F64Sqrt, I::F64Ceil, I::F64Floor, I::F64Trunc, I::F64Nearest, I::F64Abs, I::F64Neg]),
        of(&[F64], F32, &[I::F32DemoteF64]), of(&[F32], F64, &[I::F64PromoteF32]),
        of(&[I32], F32, &[I::F32ReinterpretI32, I::F32ConvertI32S]),
        of(&[I64], F64, &[I::F64ReinterpretI64, I::F64ConvertI64U]),
        of(&[F32, F32], I32, &[I::F32Eq, I::F32Ne, I::F32Lt, I::F32Gt, I::F32Le, I::F32Ge]),
        of(&[F64, F64], I32, &[I::F64Eq, I::F64Ne, I::F64Lt, I::F64Gt, I::F64Le, I::F64Ge]),
        of(&[F32], I32, &[I::I32ReinterpretF32, I::I32TruncSatF32S, I::I32TruncSatF32U, I::I32TruncF32S]),
        of(&[F64], I32, &[I::I32TruncSatF64S, I::I32TruncSatF64U, I::I32TruncF64U]),
        of(&[F64], I64, &[I::I64ReinterpretF64, I::I64TruncSatF64S, I::I64TruncSatF64U, I::I64TruncF64S]),
        of(&[F32], I64, &[I::I64TruncSatF32S, I::I64TruncSatF32U]),
        of(&[I32, I32], I32, &[I::I32Add, I::I32Xor, I::I32And]), of(&[I32], I32, &[I::I32Eqz]),
        of(&[I64], I32, &[I::I32WrapI64, I::I64Eqz]), of(&[I32], I64, &[I::I64ExtendI32U]),
        of(&[V128], I32, &[
            I::I32x4ExtractLane(2), I::I8x16ExtractLaneS(3), I::I32x4Bitmask, I::V128AnyTrue, I::I16x8AllTrue,
        ]),
        of(&[V128], I64, &[I::I64x2ExtractLane(1)]),
        of(&[V128], F32, &[I::F32x4ExtractLane(0), I::F32x4ExtractLane(3)]),
        of(&[V128], F64, &[I::F64x2ExtractLane(0), I::F64x2ExtractLane(1)]),
        of(&[F32], V128, &[I::F32x4Splat]), of(&[F64], V128, &[I::F64x2Splat]), of(&[I32], V128, &[I::I32x4Splat]),
        of(&[V128, F32], V128, &[I::F32x4ReplaceLane(1)]), of(&[V128, F64], V128, &[I::F64x2ReplaceLane(1)]),
        of(&[V128, V128], V128, &[
            I::F32x4Add, I::F32x4Sub, I::F32x4Mul, I::F32x4Div, I::F32x4Min, I::F32x4Max,
            I::F64x2Add, I::F64x2Sub, I::F64x2Mul, I::F64x2Div, I::F64x2Min, I::F64x2Max,
            I::F32x4PMin, I::F32x4PMax, I::F64x2PMin, I::F64x2PMax, I::F32x4Lt, I::F64x2Ge, I::F32x4Ne, I::F64x2Eq,
            I::V128And, I::V128Xor, I::V128AndNot, I::I32x4Add, I::I64x2Mul, I::I8x16Swizzle,
            I::I8x16Shuffle([0, 20, 2, 3, 16, 5, 6, 7, 31, 9, 10, 11, 12, 13, 29, 15]),
        ]),
        of(&[V128], V128, &[
            I::F32x4Sqrt, I::F32x4Ceil, I::F32x4Floor, I::F32x4Trunc, I::F32x4Nearest, I::F32x4Abs, I::F32x4Neg,
            I::F64x2Sqrt, I::F64x2Ceil, I::F64x2Floor, I::F64x2Trunc, I::F64x2Nearest, I::F64x2Abs, I::F64x2Neg,
            I::F32x4DemoteF64x2Zero, I::F64x2PromoteLowF32x4, I::I32x4TruncSatF32x4S, I::I32x4TruncSatF64x2UZero,
            I::F32x4ConvertI32x4U, I::F64x2ConvertLowI32x4S, I::V128Not,
        ]),
        of(&[V128, V128, V128], V128, &[I::V128Bitselect]),
    ];
    all.concat()
});
