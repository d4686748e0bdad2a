//! A function as the analysis sees it: its control flow, its float locals,
//! its float arithmetic; of everything else, only what it pops and pushes.

use super::known::{CanonicalError, Shape};
use wasmparser::{FuncValidator, FunctionBody, Operator, ValType, WasmModuleResources};

/// A function with float arithmetic.
pub(super) struct Function {
    pub(super) steps: Vec<Step>,
    /// The locals that can hold a float, which steps name by their place here.
    pub(super) floats: Vec<u32>,
    /// How many locals there are, parameters among them.
    pub(super) locals: u32,
}

/// One instruction.
pub(super) struct Step {
    pub(super) does: Does,
    pub(super) pops: u32,
    pub(super) pushes: u32,
    /// Where it begins in the binary.
    pub(super) offset: usize,
}

pub(super) enum Does {
    Get(usize),
    Set(usize),
    Tee(usize),
    /// Takes floats of a shape without regard for the bits of their NaNs, and
    /// gives a float whose NaN bits are the processor's, or none.
    Float {
        takes: Shape,
        gives: Option<Shape>,
    },
    Block,
    Loop,
    If {
        has_else: bool,
    },
    Else,
    End,
    /// To labels, counted from the innermost, or on to the next step.
    Branch {
        to: Vec<u32>,
        may_fall_through: bool,
    },
    /// Never comes to the next step.
    Leave,
    /// Looks at every bit of what it takes.
    Other,
}

/// Validates a function and reads its steps; `None`: no float arithmetic.
pub(super) fn read<R: WasmModuleResources>(
    validator: &mut FuncValidator<R>,
    body: &FunctionBody<'_>,
) -> Result<Option<Function>, CanonicalError> {
    validator.read_locals(&mut body.get_binary_reader())?;
    let locals = validator.len_locals();
    let mut floats = Vec::new();
    // For each local its place among the floats.
    let mut places = Vec::new();
    for local in 0..locals {
        let is_float = matches!(validator.get_local_type(local), Some(ValType::F32 | ValType::F64 | ValType::V128));
        places.push(is_float.then_some(floats.len()));
        floats.extend(is_float.then_some(local));
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut open = Vec::new();
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        let arity = operator.operator_arity(&*validator);
        validator.op(offset, &operator)?;
        let does = does(&operator, &places)?;
        match does {
            Does::Block | Does::Loop | Does::If { .. } => open.push(steps.len()),
            Does::Else => {
                if let Some(Step { does: Does::If { has_else }, .. }) = open.last().and_then(|&at| steps.get_mut(at)) {
                    *has_else = true;
                }
            }
            Does::End => drop(open.pop()),
            _ => {}
        }
        let (pops, pushes) = arity.ok_or(CanonicalError::Unfollowed)?;
        steps.push(Step { does, pops, pushes, offset });
    }
    reader.finish()?;
    let calculates = steps.iter().any(|step| matches!(step.does, Does::Float { gives: Some(_), .. }));
    Ok(calculates.then_some(Function { steps, floats, locals }))
}

fn does(operator: &Operator<'_>, places: &[Option<usize>]) -> Result<Does, CanonicalError> {
    use Operator as O;
    let place = |local: u32| usize::try_from(local).ok().and_then(|local| places.get(local).copied().flatten());
    let or_other = |does: Option<Does>| does.unwrap_or(Does::Other);
    Ok(match operator {
        O::LocalGet { local_index } => or_other(place(*local_index).map(Does::Get)),
        O::LocalSet { local_index } => or_other(place(*local_index).map(Does::Set)),
        O::LocalTee { local_index } => or_other(place(*local_index).map(Does::Tee)),
        O::Block { .. } => Does::Block,
        O::Loop { .. } => Does::Loop,
        O::If { .. } => Does::If { has_else: false },
        O::Else => Does::Else,
        O::End => Does::End,
        O::Br { relative_depth } => Does::Branch { to: vec![*relative_depth], may_fall_through: false },
        O::BrIf { relative_depth } => Does::Branch { to: vec![*relative_depth], may_fall_through: true },
        O::BrTable { targets } => {
            let mut to = targets.targets().collect::<Result<Vec<_>, _>>()?;
            to.push(targets.default());
            to.sort_unstable();
            to.dedup();
            Does::Branch { to, may_fall_through: false }
        }
        O::Return | O::Unreachable | O::ReturnCall { .. } | O::ReturnCallIndirect { .. } => Does::Leave,
        other => match float(other) {
            Some((takes, gives)) => Does::Float { takes, gives },
            None => Does::Other,
        },
    })
}

/// What operators read as floats and no bits of NaNs, and what they give:
/// arithmetic, comparisons, conversions to integers. Not the ones that
/// WebAssembly defines on the bits: negation, `abs`, `copysign`, `pmin`, `pmax`.
#[rustfmt::skip]
fn float(operator: &Operator<'_>) -> Option<(Shape, Option<Shape>)> {
    use Operator as O;
    use Shape::{F32, F32x4, F64, F64x2};
    Some(match operator {
        O::F32Add | O::F32Sub | O::F32Mul | O::F32Div | O::F32Min | O::F32Max
        | O::F32Sqrt | O::F32Ceil | O::F32Floor | O::F32Trunc | O::F32Nearest => (F32, Some(F32)),
        O::F64Add | O::F64Sub | O::F64Mul | O::F64Div | O::F64Min | O::F64Max
        | O::F64Sqrt | O::F64Ceil | O::F64Floor | O::F64Trunc | O::F64Nearest => (F64, Some(F64)),
        O::F32x4Add | O::F32x4Sub | O::F32x4Mul | O::F32x4Div | O::F32x4Min | O::F32x4Max
        | O::F32x4Sqrt | O::F32x4Ceil | O::F32x4Floor | O::F32x4Trunc | O::F32x4Nearest => (F32x4, Some(F32x4)),
        O::F64x2Add | O::F64x2Sub | O::F64x2Mul | O::F64x2Div | O::F64x2Min | O::F64x2Max
        | O::F64x2Sqrt | O::F64x2Ceil | O::F64x2Floor | O::F64x2Trunc | O::F64x2Nearest => (F64x2, Some(F64x2)),
        O::F64PromoteF32 => (F32, Some(F64)),
        O::F32DemoteF64 => (F64, Some(F32)),
        O::F64x2PromoteLowF32x4 => (F32x4, Some(F64x2)),
        O::F32x4DemoteF64x2Zero => (F64x2, Some(F32x4)),
        O::F32Eq | O::F32Ne | O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge
        | O::I32TruncF32S | O::I32TruncF32U | O::I64TruncF32S | O::I64TruncF32U
        | O::I32TruncSatF32S | O::I32TruncSatF32U | O::I64TruncSatF32S | O::I64TruncSatF32U => (F32, None),
        O::F64Eq | O::F64Ne | O::F64Lt | O::F64Gt | O::F64Le | O::F64Ge
        | O::I32TruncF64S | O::I32TruncF64U | O::I64TruncF64S | O::I64TruncF64U
        | O::I32TruncSatF64S | O::I32TruncSatF64U | O::I64TruncSatF64S | O::I64TruncSatF64U => (F64, None),
        O::F32x4Eq | O::F32x4Ne | O::F32x4Lt | O::F32x4Gt | O::F32x4Le | O::F32x4Ge
        | O::I32x4TruncSatF32x4S | O::I32x4TruncSatF32x4U => (F32x4, None),
        O::F64x2Eq | O::F64x2Ne | O::F64x2Lt | O::F64x2Gt | O::F64x2Le | O::F64x2Ge
        | O::I32x4TruncSatF64x2SZero | O::I32x4TruncSatF64x2UZero => (F64x2, None),
        _ => return None,
    })
}
