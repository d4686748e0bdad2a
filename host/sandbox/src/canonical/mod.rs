//! The same NaN bits on every machine, for little.
//!
//! Which bits a NaN has that float arithmetic makes is up to the processor. So
//! wherever a program could see them, the code gets a few more instructions
//! that put the canonical NaN there; where a result is only calculated with,
//! compared or made an integer, it gets none. Bits that are not from
//! arithmetic are copied as they are. What a program sees is what Cranelift's
//! own canonicalisation gives, which treats every result of arithmetic.
//!
//! WebAssembly in, WebAssembly out: never compiles, never runs, never changes
//! anything but function bodies. What it does not know is refused.

mod analysis;
mod known;
mod rewrite;
mod steps;
#[cfg(test)]
mod tests;

pub use known::CanonicalError;

use known::KNOWN;
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator};

/// Part of what code is cached under: one more whenever the output changes.
pub(super) const VERSION: u32 = 1;

/// The component, or the module, with canonical NaNs.
pub fn canonical(bytes: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let mut validator = Validator::new_with_features(KNOWN);
    let mut memory = FuncValidatorAllocations::default();
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let ValidPayload::Func(function, body) = validator.payload(&payload?)? else { continue };
        let mut validator = function.into_validator(memory);
        if let Some(function) = steps::read(&mut validator, &body)? {
            let patches = analysis::patches(&function);
            if !patches.is_empty() {
                bodies.push((body.range().start, rewrite::body(&body, &function, &patches)?));
            }
        }
        memory = validator.into_allocations();
    }
    rewrite::splice(bytes, bodies)
}
