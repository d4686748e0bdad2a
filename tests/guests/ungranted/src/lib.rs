//! Asks for a socket while it predicts.

use scry_guest::prelude::*;

/// One column will do, in and out.
#[derive(Record)]
pub struct Row {
    /// Any number.
    pub x: f64,
}

/// The model.
pub struct Ungranted;

impl scry_guest::Model for Ungranted {
    type Input = Row;
    type Features = Row;
    type Output = Row;

    fn load() -> Result<Self, LoadError> {
        Ok(Self)
    }

    fn transform(&self, rows: Batch<Row>) -> Result<Batch<Row>, Failure> {
        Ok(rows)
    }

    fn predict(&self, rows: Batch<Row>) -> Result<Batch<Row>, Failure> {
        let handle = f64::from(connect());
        Ok(rows.rows().map(|row| Row { x: row.x + handle }).collect())
    }
}

#[cfg(target_arch = "wasm32")]
fn connect() -> i32 {
    #[link(wasm_import_module = "evil:net/socket@0.1.0")]
    unsafe extern "C" {
        safe fn connect() -> i32;
    }
    connect()
}

#[cfg(not(target_arch = "wasm32"))]
fn connect() -> i32 {
    0
}

scry_guest::export!(Ungranted);
