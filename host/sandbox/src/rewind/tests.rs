use super::pages::STRAYS_MAX;
use super::*;
use proptest::prelude::*;
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection, Instruction as I,
    MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wasmtime::{Engine, Instance, TypedFunc};

/// Pages of 64 KiB.
const MEMORY_PAGES: u64 = 24;
const MEMORY_BYTES: usize = MEMORY_PAGES as usize * 65_536;
const PAGES: u32 = (MEMORY_BYTES / PAGE_BYTES) as u32;
const HELLO: u32 = 20_000;

/// `store(at, byte)`, `fill(at, byte, bytes)`, `copy(to, from, bytes)`, `grow()`, `load(at)`.
fn module() -> Vec<u8> {
    let byte = MemArg { offset: 0, align: 0, memory_index: 0 };
    let functions: [(&str, u32, &[I<'static>]); 5] = [
        ("store", 2, &[I::LocalGet(0), I::LocalGet(1), I::I32Store8(byte), I::I32Const(0)]),
        ("fill", 3, &[I::LocalGet(0), I::LocalGet(1), I::LocalGet(2), I::MemoryFill(0), I::I32Const(0)]),
        (
            "copy",
            3,
            &[I::LocalGet(0), I::LocalGet(1), I::LocalGet(2), I::MemoryCopy { src_mem: 0, dst_mem: 0 }, I::I32Const(0)],
        ),
        ("grow", 0, &[I::I32Const(1), I::MemoryGrow(0)]),
        ("load", 1, &[I::LocalGet(0), I::I32Load8U(byte)]),
    ];
    let (mut types, mut declared, mut exports, mut bodies) =
        (TypeSection::new(), FunctionSection::new(), ExportSection::new(), CodeSection::new());
    for (i, (name, params, code)) in (0..).zip(functions) {
        types.ty().function(vec![ValType::I32; params as usize], [ValType::I32]);
        declared.function(i);
        exports.export(name, ExportKind::Func, i);
        let mut body = Function::new([]);
        for instruction in code.iter().chain([&I::End]) {
            body.instruction(instruction);
        }
        bodies.function(&body);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut memory = MemorySection::new();
    let ty = MemoryType { minimum: MEMORY_PAGES, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memory.memory(ty);
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(HELLO as i32), *b"hello, snapshot");
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&memory).section(&exports).section(&bodies).section(&data);
    module.finish()
}

struct Guest {
    store: Store<Context>,
    instance: Instance,
    memory: Memory,
    tracked: Option<Tracked>,
}

impl Guest {
    fn new(learned: &Learned) -> Self {
        static MODULE: std::sync::LazyLock<wasmtime::Module> =
            std::sync::LazyLock::new(|| wasmtime::Module::new(&Engine::default(), module()).unwrap());
        let mut store = Store::new(MODULE.engine(), Context::new(u64::MAX));
        let instance = Instance::new(&mut store, &MODULE, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let tracked = learned.track(&mut store, memory);
        Self { store, instance, memory, tracked }
    }

    fn call<P: wasmtime::WasmParams>(&mut self, name: &str, params: P) -> wasmtime::Result<u32> {
        let function: TypedFunc<P, u32> = self.instance.get_typed_func(&mut self.store, name)?;
        function.call(&mut self.store, params)
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Store(at, byte) => drop(self.call("store", (at, u32::from(byte))).unwrap()),
            Act::Fill(at, byte, bytes) => drop(self.call("fill", (at, u32::from(byte), bytes)).unwrap()),
            Act::Copy(to, from, bytes) => drop(self.call("copy", (to, from, bytes)).unwrap()),
            Act::Host(at, byte) => {
                assert!(self.tracked.as_ref().unwrap().open(at as usize..at as usize + 1));
                self.memory.data_mut(&mut self.store)[at as usize] = byte;
            }
        }
    }

    fn put_back(&mut self, learned: &Learned) -> bool {
        self.tracked.as_mut().unwrap().put_back(self.memory.data_mut(&mut self.store), learned)
    }

    fn open(&self) -> usize {
        (0..PAGES).filter(|page| self.tracked.as_ref().unwrap().pages.is_open(*page)).count()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        assert!(self.tracked.as_ref().is_none_or(Tracked::release));
    }
}

/// One way to write.
#[derive(Debug, Clone)]
enum Act {
    Store(u32, u8),
    Fill(u32, u8, u32),
    Copy(u32, u32, u32),
    Host(u32, u8),
}

/// Some write once, others over many pages; all within the memory.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let at = || 0..MEMORY_BYTES as u32 - 40_000;
    let bytes = || prop_oneof![4 => 0u32..300, 1 => 0u32..40_000];
    let act = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Act::Store(at, byte)),
        (at(), any::<u8>(), bytes()).prop_map(|(at, byte, bytes)| Act::Fill(at, byte, bytes)),
        (at(), at(), bytes()).prop_map(|(to, from, bytes)| Act::Copy(to, from, bytes)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Act::Host(at, byte)),
    ];
    prop::collection::vec(act, 0..8)
}

fn snapshot() -> Vec<u8> {
    let mut memory = vec![0; MEMORY_BYTES];
    memory[HELLO as usize..][..15].copy_from_slice(b"hello, snapshot");
    memory
}

proptest! {
    /// Whatever a call wrote, by whatever means: the next one finds the snapshot,
    /// in an instance that was put back or in another.
    #[test]
    fn every_call_begins_with_the_snapshot(calls in prop::collection::vec(acts(), 1..12)) {
        let learned = Learned::default();
        let mut guest = Guest::new(&learned);
        for acts in calls {
            prop_assert!(guest.memory.data(&guest.store) == snapshot(), "before {acts:?}");
            let mut expected = snapshot();
            for act in &acts {
                guest.act(act);
                match *act {
                    Act::Store(at, byte) | Act::Host(at, byte) => expected[at as usize] = byte,
                    Act::Fill(at, byte, bytes) => expected[at as usize..][..bytes as usize].fill(byte),
                    Act::Copy(to, from, bytes) => expected.copy_within(from as usize..(from + bytes) as usize, to as usize),
                }
            }
            prop_assert!(guest.memory.data(&guest.store) == expected, "after {acts:?}");
            if !guest.put_back(&learned) {
                guest = Guest::new(&learned);
            }
        }
    }
}

#[test]
fn a_call_that_writes_where_others_wrote_is_put_back() {
    let learned = Learned::default();
    let mut guest = Guest::new(&learned);
    guest.act(&Act::Store(5 * PAGE_BYTES as u32, 1));
    guest.act(&Act::Host(HELLO, b'j'));
    assert!(!guest.put_back(&learned), "it wrote where nobody had");
    let mut guest = Guest::new(&learned);
    for _ in 0..3 {
        guest.act(&Act::Fill(5 * PAGE_BYTES as u32, 9, PAGE_BYTES as u32));
        guest.act(&Act::Store(HELLO + 1, b'a'));
        assert!(guest.put_back(&learned));
        assert!(guest.memory.data(&guest.store) == snapshot());
    }
}

/// One byte on each of these pages.
fn on(pages: Range<u32>) -> Vec<Act> {
    pages.map(|page| Act::Store(page * PAGE_BYTES as u32, 1)).collect()
}

#[test]
fn what_a_call_pays_is_bounded_and_so_is_what_is_learned() {
    const { assert!(PAGES as usize > KNOWN_MAX + STRAYS_MAX) };
    let learned = Learned::default();
    for known in (0..=KNOWN_MAX).step_by(STRAYS_MAX) {
        assert_eq!(learned.state().known.len(), known);
        let mut guest = Guest::new(&learned);
        on(0..PAGES).iter().for_each(|act| guest.act(act));
        // The one that was one too many opened the rest.
        assert_eq!((guest.open(), guest.tracked.as_ref().unwrap().pages.strays().len()), (PAGES as usize, STRAYS_MAX));
        assert!(!guest.put_back(&learned));
    }
    assert_eq!(learned.state().known.len(), KNOWN_MAX);
    let mut guest = Guest::new(&learned);
    on(0..KNOWN_MAX as u32).iter().for_each(|act| guest.act(act));
    assert!(guest.put_back(&learned) && guest.memory.data(&guest.store) == snapshot());
}

#[test]
fn what_few_calls_need_is_not_copied_back_for_all() {
    let learned = Learned::default();
    let large = on(0..OPEN_FEW as u32 + 9);
    let first = |acts: &[Act]| {
        let mut guest = Guest::new(&learned);
        acts.iter().for_each(|act| guest.act(act));
        (guest.put_back(&learned), guest)
    };
    assert!(!first(&large).0);
    let (is_back, mut guest) = first(&large);
    assert!(is_back);
    for call in 1..CLOSED_EACH {
        assert_eq!(guest.open(), large.len(), "call {call}");
        on(3..5).iter().for_each(|act| guest.act(act));
        assert!(guest.put_back(&learned));
    }
    assert_eq!(guest.open(), 0);
    for call in 0..2 * CLOSED_EACH {
        on(3..5).iter().for_each(|act| guest.act(act));
        assert_eq!(guest.open(), 2, "call {call}");
        assert!(guest.put_back(&learned) && guest.memory.data(&guest.store) == snapshot());
    }
    large.iter().for_each(|act| guest.act(act));
    assert!(guest.put_back(&learned), "its pages are known still");
    assert!(guest.memory.data(&guest.store) == snapshot());
}

#[test]
fn code_that_is_never_put_back_is_left_alone_for_a_while() {
    let learned = Learned::default();
    (0..FAILURES_MAX * 2).for_each(|page| learned.tried(false, &[page / 2]));
    assert_eq!(learned.state().failures, 0, "each taught something, or what another had taught meanwhile");
    learned.tried(true, &[]);
    (1..FAILURES_MAX).for_each(|_| learned.tried(false, &[]));
    let guest = Guest::new(&learned);
    assert!(guest.tracked.is_some(), "not so many in a row");
    guest.tracked.as_ref().unwrap().give_up(&learned);
    for turn in 0..12 {
        let untried = (UNTRIED << turn).min(UNTRIED_MAX);
        assert!((0..untried).all(|_| learned.image(&[]).is_none()), "the {turn}th time");
        assert!(Guest::new(&learned).tracked.is_some(), "the {turn}th time");
        assert_eq!(learned.state().known.len(), FAILURES_MAX as usize, "what was learned stays");
        (0..FAILURES_MAX).for_each(|_| learned.tried(false, &[]));
    }
    learned.tried(true, &[]);
    (0..FAILURES_MAX).for_each(|_| learned.tried(false, &[]));
    assert_eq!(learned.state().untried, UNTRIED, "it was well meanwhile");
}

#[test]
fn a_fault_of_the_guest_is_a_trap_all_the_same() {
    let learned = Learned::default();
    let mut guest = Guest::new(&learned);
    for (name, at) in [("store", MEMORY_BYTES as u32), ("store", u32::MAX)] {
        let error = guest.call(name, (at, 1u32)).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&wasmtime::Trap::MemoryOutOfBounds), "{error:?}");
    }
    let error = guest.call("fill", (4096u32, 1u32, u32::MAX)).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&wasmtime::Trap::MemoryOutOfBounds), "{error:?}");
    assert_eq!(guest.call("load", HELLO).unwrap(), u32::from(b'h'));
    // What it grew is its own; putting it back compares sizes.
    assert_eq!(guest.call("grow", ()).unwrap(), MEMORY_PAGES as u32);
    guest.call("store", (MEMORY_BYTES as u32 + 9, 7u32)).unwrap();
    assert_eq!(guest.call("load", MEMORY_BYTES as u32 + 9).unwrap(), 7);
}

/// Only by this test: others run beside it in the same process.
#[test]
fn mappings_are_given_back_when_pages_are_closed_or_dropped() {
    let learned = Learned::default();
    let mut guest = Guest::new(&learned);
    for page in 0..8 {
        guest.call("store", (page * 3 * PAGE_BYTES as u32, 1u32)).unwrap();
    }
    let tracked = guest.tracked.as_ref().unwrap();
    assert_eq!(tracked.pages.split(), 8);
    assert!(tracked.release());
    assert_eq!(tracked.pages.split(), 0);
}
