//! A model that does whatever its input says, mostly what no model should.
//!
//! Implements the contract by hand: the SDK would not let most of this through.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, clippy::panic)]

use scry_guest::bindings;
use scry_guest::bindings::exports::scry::model::predictor::{Failure, Guest, Schema, Tensor};
use scry_guest::bindings::scry::model::logging::{Level, log};
use scry_guest::bindings::scry::model::types::{Datatype, Field, InvalidInput, Values};
use std::hint::black_box;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

const MIB: usize = 1 << 20;

struct Hostile;

impl bindings::Guest for Hostile {
    fn load() {
        if cfg!(feature = "slow-load") {
            spin();
        }
        if cfg!(feature = "large-load") {
            grow();
        }
    }
}

impl Guest for Hostile {
    fn describe() -> Schema {
        Schema {
            inputs: vec![field("behaviour", Datatype::Bytes), field("x", Datatype::Fp64)],
            features: vec![field("x", Datatype::Fp64)],
            outputs: vec![field("y", Datatype::Fp64)],
        }
    }

    fn transform(mut inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        Ok(vec![inputs.remove(1)])
    }

    fn predict(mut inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        if cfg!(feature = "lazy-load") {
            spin();
        }
        let x = inputs.remove(1);
        match behaviour(&inputs).as_str() {
            "well" => Ok(vec![x]),
            "loop" => spin(),
            "memory-copy" => copy_memory(),
            "recursion" => Ok(vec![column(Values::Fp64(vec![deeper(0)]))]),
            "growth" => grow(),
            "trap" => panic!("as told"),
            "huge-output" => Ok(vec![column(Values::Fp64(vec![0.0; 64 * MIB / 8]))]),
            "wrong-shape" => Ok(vec![Tensor { shape: vec![1, 7], ..x }]),
            "wrong-type" => Ok(vec![column(Values::Fp32(vec![1.0]))]),
            "wrong-count" => Ok(vec![]),
            "nan" => Ok(vec![column(Values::Fp64(vec![f64::NAN]))]),
            "lazy-load" => load_late(),
            "log-flood" => {
                (0..100_000).for_each(|i| log(Level::Info, &format!("flood line {i}")));
                Ok(vec![x])
            }
            "state" => Ok(vec![column(Values::Fp64(vec![count()]))]),
            "scribble" => Ok(vec![column(Values::Fp64(vec![scribble(&x)]))]),
            "failed" => Err(Failure::Failed("the model says no".into())),
            "refuse" => Err(Failure::InvalidInput(InvalidInput {
                input: "x".into(),
                row: Some(0),
                message: "expected an x to its taste".into(),
            })),
            other => Err(Failure::Failed(format!("no such behaviour: {other}"))),
        }
    }
}

/// The first row decides.
fn behaviour(inputs: &[Tensor]) -> String {
    match inputs.first().map(|tensor| &tensor.values) {
        Some(Values::Bytes(text)) => {
            let end = text.ends.first().map_or(0, |&end| end as usize);
            String::from_utf8_lossy(&text.utf8[..end]).into_owned()
        }
        _ => String::new(),
    }
}

fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Work that belongs into `load`: tables that no snapshot keeps, made anew for every call.
fn load_late() -> ! {
    let mut table = vec![3u64; 4 * MIB];
    loop {
        black_box(&mut table[..]).iter_mut().for_each(|entry| *entry = entry.wrapping_mul(0x5851_f42d_4c95_7f2d));
    }
}

/// One instruction, many bytes: the back edges are far apart.
fn copy_memory() -> ! {
    let mut bytes = vec![1u8; 16 * MIB];
    loop {
        black_box(&mut bytes[..]).copy_within(..16 * MIB - 1, 1);
    }
}

#[expect(unconditional_recursion, reason = "it is told to")]
fn deeper(depth: u64) -> f64 {
    let frame = black_box([depth; 64]);
    deeper(black_box(depth + 1)) + frame[0] as f64
}

fn grow() -> ! {
    loop {
        // Touched, so that it is really there; leaked, so that it stays.
        Vec::leak(black_box(vec![1u8; 16 * MIB]));
    }
}

/// Would be 2 in an instance's second call.
fn count() -> f64 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    f64::from(CALLS.fetch_add(1, Ordering::Relaxed) + 1)
}

/// How many of its bytes anybody has written before; then writes x pages of them,
/// by stores and by bulk instructions.
fn scribble(x: &Tensor) -> f64 {
    const PAGE: usize = 4096;
    const PAGES: usize = 300;
    static BYTES: [AtomicU8; PAGE * PAGES] = [const { AtomicU8::new(0) }; PAGE * PAGES];
    let written = BYTES.iter().filter(|byte| byte.load(Ordering::Relaxed) != 0).count();
    let Values::Fp64(list) = &x.values else { return -1.0 };
    let pages = list.first().map_or(0, |&x| x as usize);
    for (i, page) in BYTES.chunks(PAGE).step_by(PAGES / pages.clamp(1, PAGES)).take(pages).enumerate() {
        match i % 2 {
            0 => page[i].store(1, Ordering::Relaxed),
            // SAFETY: atomics may be written through a shared reference, and nobody else runs.
            _ => unsafe { std::ptr::write_bytes(page.as_ptr().cast_mut(), 7, black_box(page.len())) },
        }
    }
    written as f64
}

fn column(values: Values) -> Tensor {
    let rows = match &values {
        Values::Fp32(list) => list.len(),
        Values::Fp64(list) => list.len(),
        _ => 0,
    };
    Tensor { shape: vec![rows as u64], values, validity: None }
}

fn field(name: &str, datatype: Datatype) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: vec![],
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

bindings::export_component!(Hostile with_types_in scry_guest::bindings);
