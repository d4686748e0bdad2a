//! Four f32 that are computed together.
//!
//! An array natively, where the compiler finds the instructions by itself. In
//! WebAssembly it does not find how to spread one of four that it has loaded.

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::{f32x4_add, f32x4_mul, f32x4_splat, i32x4_shuffle, v128, v128_load, v128_store};

/// Four values, or four sums.
#[cfg(target_arch = "wasm32")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes(v128);

#[cfg(target_arch = "wasm32")]
impl Lanes {
    #[inline(always)]
    pub(super) fn load(values: &[f32; 4]) -> Self {
        // SAFETY: reads the sixteen bytes of the array; any alignment will do.
        Self(unsafe { v128_load(values.as_ptr().cast()) })
    }

    /// Four times the same.
    #[inline(always)]
    pub(super) fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    /// One of the four, four times.
    #[inline(always)]
    pub(super) fn spread<const LANE: usize>(self) -> Self {
        Self(i32x4_shuffle::<LANE, LANE, LANE, LANE>(self.0, self.0))
    }

    /// `self + a * b`, rounded twice, as everywhere.
    #[inline(always)]
    pub(super) fn plus_product(self, a: Self, b: Self) -> Self {
        Self(f32x4_add(self.0, f32x4_mul(a.0, b.0)))
    }

    #[inline(always)]
    pub(super) fn store(self, to: &mut [f32; 4]) {
        // SAFETY: writes the sixteen bytes of the array; any alignment will do.
        unsafe { v128_store(to.as_mut_ptr().cast(), self.0) }
    }
}

/// Four values, or four sums.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes([f32; 4]);

#[cfg(not(target_arch = "wasm32"))]
impl Lanes {
    #[inline(always)]
    pub(super) fn load(values: &[f32; 4]) -> Self {
        Self(*values)
    }

    /// Four times the same.
    #[inline(always)]
    pub(super) fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    /// One of the four, four times.
    #[inline(always)]
    pub(super) fn spread<const LANE: usize>(self) -> Self {
        Self([self.0[LANE]; 4])
    }

    /// `self + a * b`, rounded twice, as everywhere.
    #[inline(always)]
    pub(super) fn plus_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] + a.0[lane] * b.0[lane]))
    }

    #[inline(always)]
    pub(super) fn store(self, to: &mut [f32; 4]) {
        *to = self.0;
    }
}
