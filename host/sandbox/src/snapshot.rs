//! Sealing a component: run its `load` once, keep the memory that it left.

use super::bindings::Model;
use super::call::arm;
use super::convert;
use super::engine::Sandbox;
use super::error::CompileError;
use super::error::{CallError, classify};
use super::functions::Found;
use super::limits::{CallLimits, Context};
use super::settings::Metering;
use scry_card::Schema;
use std::pin::pin;
use std::task::{Poll, Waker};
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, Instance, Lift, Linker, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

/// Why a component could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its form does not allow a snapshot.
    #[error("the component cannot be snapshotted: {0}")]
    Unsuitable(String),
    /// It does not compile, or not within the limits.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// `load` did not end well.
    #[error("`load` failed: {0}")]
    Load(CallError),
    /// `load` failed, and the model said why.
    #[error("`load` failed: {0}")]
    Said(String),
    /// `describe` did not end well.
    #[error("`describe` failed: {0}")]
    Describe(CallError),
}

/// Runs `load` under the limits and returns the component as it is afterwards,
/// without `load`, and its schema, as told by the instance that was read out.
/// That the component itself works is still to be shown.
///
/// The limits are asked for once it is compiled: compiling waits its turn on a
/// busy machine, and has limits of its own. The functions are those that the
/// sealed component has, too.
pub fn seal(
    sandbox: &Sandbox,
    metering: Metering,
    unloaded: &[u8],
    found: &mut Found,
    limits: impl FnOnce() -> CallLimits,
) -> Result<(Vec<u8>, Schema), SnapshotError> {
    let unsuitable = |e: wasmtime::Error| SnapshotError::Unsuitable(format!("{e:#}"));
    let linker = linker(sandbox, metering)?;
    let mut wizer = Wizer::new();
    wizer.init_func("load");
    let (parsed, instrumented) = wizer.instrument_component(unloaded).map_err(unsuitable)?;
    let component = compiled(sandbox, metering, &instrumented, found)?;
    let limits = limits();
    let mut store = Store::new(component.engine(), Context::new(limits.memory_max_bytes));
    arm(&mut store, &limits, metering, &sandbox.epochs);
    // The whole memory is read out in one go.
    store.set_hostcall_fuel(usize::try_from(limits.memory_max_bytes).unwrap_or(usize::MAX));
    let instance = linker.instantiate(&mut store, &component).map_err(unsuitable)?;
    let load = instance.get_typed_func::<(), ()>(&mut store, "load").map_err(unsuitable)?;
    if let Err(error) = load.call(&mut store, ()) {
        let said: Vec<_> = store.data().logs.iter().map(|line| line.message.clone()).collect();
        return Err(match classify(error) {
            CallError::Trap(_) if !said.is_empty() => SnapshotError::Said(said.join("\n")),
            other => SnapshotError::Load(other),
        });
    }
    let mut state = State { store: &mut store, instance };
    let snapshot = poll_once(wizer.snapshot_component(&parsed, &mut state)).map_err(unsuitable)?;
    let model = Model::new(&mut store, &instance).map_err(unsuitable)?;
    let schema = model.scry_model_predictor().call_describe(&mut store);
    Ok((snapshot, schema.map(convert::schema).map_err(|e| SnapshotError::Describe(classify(e)))?))
}

/// What a component gets: the log.
fn linker(sandbox: &Sandbox, metering: Metering) -> Result<Linker<Context>, SnapshotError> {
    let mut linker = Linker::<Context>::new(sandbox.engine(metering));
    Model::add_to_linker::<_, HasSelf<_>>(&mut linker, |context| context)
        .map_err(|e| SnapshotError::Unsuitable(format!("{e:#}")))?;
    Ok(linker)
}

/// A component as a whole.
fn compiled(
    sandbox: &Sandbox,
    metering: Metering,
    component: &[u8],
    found: &mut Found,
) -> Result<Component, SnapshotError> {
    let engine = sandbox.engine(metering);
    let code = sandbox.compiler.take_turn(|turn| turn.component(engine, metering, component, Some(found)))?;
    found.pass_on();
    // SAFETY: a process of this program compiled it just now, with this
    // engine's settings, and could do nothing else.
    unsafe { Component::deserialize(engine, &code) }.map_err(|e| SnapshotError::Unsuitable(format!("{e:#}")))
}

/// The schema, as a sealed component tells it.
pub fn describe(
    sandbox: &Sandbox,
    sealed: &[u8],
    found: &mut Found,
    limits: impl FnOnce() -> CallLimits,
) -> Result<Schema, SnapshotError> {
    let unsuitable = |e: wasmtime::Error| SnapshotError::Unsuitable(format!("{e:#}"));
    let component = compiled(sandbox, Metering::Off, sealed, found)?;
    let limits = limits();
    let mut store = Store::new(component.engine(), Context::new(limits.memory_max_bytes));
    arm(&mut store, &limits, Metering::Off, &sandbox.epochs);
    let model = Model::instantiate(&mut store, &component, &linker(sandbox, Metering::Off)?).map_err(unsuitable)?;
    let schema = model.scry_model_predictor().call_describe(&mut store);
    schema.map(convert::schema).map_err(|e| SnapshotError::Describe(classify(e)))
}

/// The instance whose state is read out.
struct State<'a> {
    store: &'a mut Store<Context>,
    instance: Instance,
}

impl State<'_> {
    /// Calls an accessor that the instrumentation added. It exists and cannot
    /// trap; were it otherwise, the default would make an unusable snapshot,
    /// which the check after the build refuses.
    fn read<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, func: &str) -> Option<R> {
        let (_, outer) = self.instance.get_export(&mut *self.store, None, instance)?;
        let (_, inner) = self.instance.get_export(&mut *self.store, Some(&outer), func)?;
        let accessor = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, inner).ok()?;
        accessor.call(&mut *self.store, ()).ok().map(|(value,)| value)
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(list) = self.read::<WasmList<u8>>(instance, func) {
            contents(list.as_le_slice(&*self.store));
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func).unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func).unwrap_or_default().to_bits()
    }
}

/// Runs a future that never waits: every accessor above is a plain call.
fn poll_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(wasmtime::Error::msg("the snapshot waited for something")),
    }
}
