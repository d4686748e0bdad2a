//! Random modules: float arithmetic of every kind among whatever can see its
//! bits, on inputs that make NaNs.

use super::operators::{self, F32_BITS, F64_BITS, FLOATS, OPERATORS, load, store};
use wasm_encoder::{BlockType, Function, Ieee32, Ieee64, Instruction as I, ValType};

const TYPES: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
/// Locals of each type, in the order of `TYPES`, and loop counters behind them.
const LOCALS_EACH: u32 = 3;
const NESTING_MAX: u32 = 4;

/// A random module.
pub(super) fn module(entropy: &[Vec<u8>; 4]) -> Vec<u8> {
    let params = [None].into_iter().chain(FLOATS.map(Some));
    let functions = entropy.iter().zip(params).map(|(entropy, param)| {
        Random { entropy: entropy.iter(), param, labels: Vec::new(), counters: 0, code: Vec::new() }.function()
    });
    operators::module(functions)
}

struct Random<'a> {
    entropy: std::slice::Iter<'a, u8>,
    param: Option<ValType>,
    /// Open blocks; the counter of a loop.
    labels: Vec<Option<u32>>,
    counters: u32,
    code: Vec<I<'static>>,
}

impl Random<'_> {
    fn function(mut self) -> Function {
        self.statements(3);
        match self.param {
            Some(ty) => self.value(ty, 3),
            // What is left in locals is seen, or not.
            None => {
                for ty in FLOATS {
                    for _ in 0..LOCALS_EACH {
                        self.store(ty, 0);
                    }
                }
            }
        }
        self.code.push(I::End);
        let mut locals = TYPES.map(|ty| (LOCALS_EACH, ty)).to_vec();
        locals.push((NESTING_MAX, ValType::I32));
        let mut function = Function::new(locals);
        for instruction in &self.code {
            function.instruction(instruction);
        }
        function
    }

    /// Below `n`; 0 when there is no entropy left.
    fn pick(&mut self, n: usize) -> usize {
        usize::from(self.entropy.next().copied().unwrap_or(0)) % n
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.pick(of.len())]
    }

    fn local(&mut self, ty: ValType) -> u32 {
        let at = TYPES.iter().position(|t| *t == ty).unwrap() as u32;
        let local = at * LOCALS_EACH + self.pick(LOCALS_EACH as usize) as u32;
        let wants_param = self.pick(3) == 2;
        match self.param {
            None => local,
            Some(param) if wants_param && param == ty => 0,
            Some(_) => local + 1,
        }
    }

    fn counter(&mut self) -> u32 {
        self.counters += 1;
        TYPES.len() as u32 * LOCALS_EACH + u32::from(self.param.is_some()) + self.counters - 1
    }

    fn statements(&mut self, depth: u32) {
        for _ in 0..self.pick(6) {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        match self.pick(if depth == 0 { 7 } else { 12 }) {
            0 | 1 => {
                let ty = self.one_of(&TYPES);
                self.value(ty, 3);
                let local = self.local(ty);
                self.code.push(I::LocalSet(local));
            }
            2 | 3 => self.add_up(),
            4 => {
                let ty = self.one_of(&FLOATS);
                self.store(ty, 3);
            }
            5 => self.branch(),
            6 => {
                let at = self.pick(FLOATS.len());
                self.value(FLOATS[at], 2);
                self.code.push(I::GlobalSet(at as u32));
            }
            7 => {
                self.code.push(I::Block(BlockType::Empty));
                self.nested(None, depth);
            }
            8 | 9 => self.count_down(depth),
            10 => self.switch(depth),
            _ => {
                self.value(ValType::I32, 2);
                self.code.push(I::If(BlockType::Empty));
                self.labels.push(None);
                self.statements(depth - 1);
                if self.pick(2) == 0 {
                    self.code.push(I::Else);
                    self.statements(depth - 1);
                }
                self.labels.pop();
                self.code.push(I::End);
            }
        }
    }

    fn nested(&mut self, label: Option<u32>, depth: u32) {
        self.labels.push(label);
        self.statements(depth - 1);
        self.labels.pop();
        self.code.push(I::End);
    }

    /// `x = x + …`, as loops add up.
    fn add_up(&mut self) {
        let (ty, add) = match self.pick(4) {
            0 => (ValType::F32, I::F32Add),
            1 => (ValType::F64, I::F64Sub),
            2 => (ValType::V128, I::F32x4Add),
            _ => (ValType::V128, I::F64x2Mul),
        };
        let local = self.local(ty);
        self.code.push(I::LocalGet(local));
        self.value(ty, 2);
        self.code.extend([add, I::LocalSet(local)]);
    }

    fn store(&mut self, ty: ValType, depth: u32) {
        let offset = self.pick(64) as u64 * 8;
        self.code.push(I::I32Const(0));
        self.value(ty, depth);
        self.code.push(store(ty, offset));
    }

    /// A loop that looks at its counter at its end, perhaps behind a guard, as
    /// compilers make them.
    fn count_down(&mut self, depth: u32) {
        if self.counters == NESTING_MAX {
            return;
        }
        let counter = self.counter();
        let turns = self.pick(4) as i32;
        self.code.extend([I::I32Const(turns), I::LocalSet(counter), I::Block(BlockType::Empty)]);
        self.labels.push(None);
        self.code.extend([I::LocalGet(counter), I::I32Eqz, I::BrIf(0), I::Loop(BlockType::Empty)]);
        self.code.extend([I::LocalGet(counter), I::I32Const(1), I::I32Sub, I::LocalSet(counter)]);
        self.labels.push(Some(counter));
        self.statements(depth - 1);
        self.labels.pop();
        self.code.extend([I::LocalGet(counter), I::I32Const(0), I::I32GtS, I::BrIf(0), I::End]);
        self.labels.pop();
        self.code.push(I::End);
        self.counters -= 1;
    }

    /// Out of a block, or back to where a loop begins while it may.
    fn branch(&mut self) {
        if self.labels.is_empty() {
            return;
        }
        let depth = self.pick(self.labels.len());
        let label = self.labels[self.labels.len() - 1 - depth];
        match label {
            None if self.pick(6) == 5 => self.code.push(I::Br(depth as u32)),
            None => {
                self.value(ValType::I32, 2);
                self.code.push(I::BrIf(depth as u32));
            }
            Some(counter) => {
                self.code.extend([I::LocalGet(counter), I::I32Const(0), I::I32GtS]);
                self.value(ValType::I32, 2);
                self.code.extend([I::I32And, I::BrIf(depth as u32)]);
            }
        }
    }

    fn switch(&mut self, depth: u32) {
        self.code.extend([I::Block(BlockType::Empty), I::Block(BlockType::Empty)]);
        self.labels.extend([None, None]);
        self.statements(depth - 1);
        self.value(ValType::I32, 2);
        self.code.extend([I::BrTable([0, 1, 0].as_slice().into(), 1), I::End]);
        self.labels.pop();
        self.statements(depth - 1);
        self.labels.pop();
        self.code.push(I::End);
    }

    fn value(&mut self, ty: ValType, depth: u32) {
        match self.pick(if depth == 0 { 4 } else { 16 }) {
            0 | 1 => {
                let local = self.local(ty);
                self.code.push(I::LocalGet(local));
            }
            2 => self.constant(ty),
            3 => {
                let offset = self.pick(100) as u64 * 4;
                self.code.extend([I::I32Const(0), load(ty, offset)]);
            }
            4 => {
                self.value(ty, depth - 1);
                let local = self.local(ty);
                self.code.push(I::LocalTee(local));
            }
            5 => {
                self.value(ty, depth - 1);
                self.value(ty, depth - 1);
                self.value(ValType::I32, depth - 1);
                self.code.push(I::TypedSelect(ty));
            }
            6 | 7 => self.block(ty, depth),
            _ => {
                let of: Vec<_> = OPERATORS.iter().filter(|(_, _, gives)| *gives == ty).collect();
                let (operator, takes, _) = of[self.pick(of.len())];
                takes.iter().for_each(|ty| self.value(*ty, depth - 1));
                self.code.push(operator.clone());
            }
        }
    }

    fn constant(&mut self, ty: ValType) {
        let constant = match ty {
            ValType::I32 => I::I32Const(self.one_of(&F32_BITS) as i32),
            ValType::I64 => I::I64Const(self.one_of(&F64_BITS) as i64),
            ValType::F32 => I::F32Const(Ieee32::new(self.one_of(&F32_BITS))),
            ValType::F64 => I::F64Const(Ieee64::new(self.one_of(&F64_BITS))),
            _ => {
                let low = u64::from(self.one_of(&F32_BITS)) << 32 | u64::from(self.one_of(&F32_BITS));
                I::V128Const((u128::from(self.one_of(&F64_BITS)) << 64 | u128::from(low)) as i128)
            }
        };
        self.code.push(constant);
    }

    /// Blocks that give a value, and functions.
    fn block(&mut self, ty: ValType, depth: u32) {
        let float = FLOATS.iter().position(|t| *t == ty).map(|at| at as u32);
        let choice = self.pick(4);
        if choice != 1 {
            self.value(ty, depth - 1);
        }
        match (choice, float) {
            (0, Some(at)) if self.param.is_none() => self.code.push(I::Call(at + 1)),
            (0, Some(at)) => self.code.extend([I::GlobalSet(at), I::GlobalGet(at)]),
            (1, _) => {
                self.value(ValType::I32, depth - 1);
                self.code.push(I::If(BlockType::Result(ty)));
                self.value(ty, depth - 1);
                self.code.push(I::Else);
                self.value(ty, depth - 1);
                self.code.push(I::End);
            }
            (2, Some(at)) => {
                let block = BlockType::FunctionType(at + 1);
                let open = if self.pick(2) == 0 { I::Block(block) } else { I::Loop(block) };
                let local = self.local(ty);
                self.code.extend([open, I::LocalTee(local), I::End]);
            }
            _ => {
                self.code.push(I::Drop);
                self.code.push(I::Block(BlockType::Result(ty)));
                self.value(ty, depth - 1);
                self.value(ValType::I32, depth - 1);
                self.code.extend([I::BrIf(0), I::Drop]);
                self.value(ty, depth - 1);
                self.code.push(I::End);
            }
        }
    }
}
