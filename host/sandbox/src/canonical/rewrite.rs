//! Puts the patches into the binary. All other bytes stay as they are.

use super::analysis::Patch;
use super::known::{CanonicalError, KNOWN, Shape};
use super::steps::Function;
use std::iter::Peekable;
use wasm_encoder::{Encode, Ieee32, Ieee64, Instruction, ValType};
use wasmparser::{BinaryReader, FunctionBody, Parser};

/// Positive, quiet, no payload.
const NAN_F32: u32 = 0x7fc0_0000;
const NAN_F64: u64 = 0x7ff8_0000_0000_0000;

/// The body of a function with its patches.
pub(super) fn body(body: &FunctionBody<'_>, function: &Function, patches: &[Patch]) -> Result<Vec<u8>, CanonicalError> {
    let mut scratch = Vec::new();
    for ty in patches.iter().map(|patch| patch.shape.ty()) {
        if !scratch.contains(&ty) {
            scratch.push(ty);
        }
    }
    let mut reader = body.get_binary_reader();
    let mut out = Vec::new();
    // Locals are declared in groups; the scratch ones come last.
    let groups = reader.read_var_u32()?;
    (scratch.len() + usize::try_from(groups).unwrap_or(usize::MAX)).encode(&mut out);
    let code = function.steps.first().map_or(0, |step| step.offset);
    copy(&mut reader, code, &mut out)?;
    for ty in &scratch {
        1u32.encode(&mut out);
        ty.encode(&mut out);
    }
    for patch in patches {
        copy(&mut reader, patch.offset, &mut out)?;
        let before = scratch.iter().take_while(|ty| **ty != patch.shape.ty()).count();
        patch.encode(function.locals + u32::try_from(before).unwrap_or(u32::MAX), &mut out);
    }
    out.extend(reader.read_bytes(reader.bytes_remaining())?);
    Ok(out)
}

/// Copies what comes before an offset.
fn copy(reader: &mut BinaryReader<'_>, offset: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    out.extend(reader.read_bytes(offset.saturating_sub(reader.original_position()))?);
    Ok(())
}

impl Shape {
    fn ty(self) -> ValType {
        match self {
            Self::F32 => ValType::F32,
            Self::F64 => ValType::F64,
            Self::F32x4 | Self::F64x2 => ValType::V128,
        }
    }
}

impl Patch {
    /// `x == x ? x : NaN`, lane by lane.
    fn encode(&self, scratch: u32, out: &mut Vec<u8>) {
        use Instruction as I;
        let vector = |half: u64| I::V128Const((u128::from(half) << 64 | u128::from(half)).cast_signed());
        let (nan, equal, choose) = match self.shape {
            Shape::F32 => (I::F32Const(Ieee32::new(NAN_F32)), I::F32Eq, I::Select),
            Shape::F64 => (I::F64Const(Ieee64::new(NAN_F64)), I::F64Eq, I::Select),
            Shape::F32x4 => (vector(u64::from(NAN_F32) << 32 | u64::from(NAN_F32)), I::F32x4Eq, I::V128Bitselect),
            Shape::F64x2 => (vector(NAN_F64), I::F64x2Eq, I::V128Bitselect),
        };
        if let Some(local) = self.local {
            I::LocalGet(local).encode(out);
        }
        for instruction in [I::LocalTee(scratch), nan, I::LocalGet(scratch), I::LocalGet(scratch), equal, choose] {
            instruction.encode(out);
        }
        if let Some(local) = self.local {
            I::LocalSet(local).encode(out);
        }
    }
}

/// New function bodies, by where the old ones begin, in order.
type Bodies = Peekable<std::vec::IntoIter<(usize, Vec<u8>)>>;

/// The binary with other function bodies.
pub(super) fn splice(bytes: &[u8], bodies: Vec<(usize, Vec<u8>)>) -> Result<Vec<u8>, CanonicalError> {
    let mut bodies = bodies.into_iter().peekable();
    let spliced = sections(BinaryReader::new_features(bytes, 0, KNOWN), &mut bodies)?;
    if bodies.peek().is_none() { Ok(spliced) } else { Err(CanonicalError::Unfollowed) }
}

/// A module or a component, and what is nested in it.
fn sections(mut reader: BinaryReader<'_>, bodies: &mut Bodies) -> Result<Vec<u8>, CanonicalError> {
    /// Magic number, version, layer.
    const HEADER_BYTES: usize = 8;
    const MODULE_CODE: u8 = 10;
    const COMPONENT_MODULE: u8 = 1;
    const COMPONENT_COMPONENT: u8 = 4;

    let header = reader.read_bytes(HEADER_BYTES)?;
    let mut out = header.to_vec();
    let is_component = Parser::is_component(header);
    while !reader.eof() {
        let id = reader.read_u8()?;
        out.push(id);
        let mut section = reader.read_reader()?;
        match (is_component, id) {
            (false, MODULE_CODE) => code(section, bodies)?.encode(&mut out),
            (true, COMPONENT_MODULE | COMPONENT_COMPONENT) => sections(section, bodies)?.encode(&mut out),
            _ => section.read_bytes(section.bytes_remaining())?.encode(&mut out),
        }
    }
    Ok(out)
}

fn code(mut reader: BinaryReader<'_>, bodies: &mut Bodies) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    let count = reader.read_var_u32()?;
    count.encode(&mut out);
    for _ in 0..count {
        let mut old = reader.read_reader()?;
        match bodies.next_if(|(start, _)| *start == old.original_position()) {
            Some((_, new)) => new.encode(&mut out),
            None => old.read_bytes(old.bytes_remaining())?.encode(&mut out),
        }
    }
    Ok(out)
}
