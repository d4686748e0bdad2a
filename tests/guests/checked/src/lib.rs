//! The risk of a loan: half of it the amount's, so that a large one is answered
//! with a risk that no probability can be.

use scry_guest::prelude::*;

/// A loan.
#[derive(Record)]
pub struct Loan {
    /// When it is paid out.
    #[field(unit = "d", min = 0)]
    pub start: i64,
    /// When it is paid back.
    #[field(unit = "d", min = 0)]
    pub end: i64,
    /// How much.
    #[field(min = 0)]
    pub amount: f64,
    /// What the borrower has a year.
    #[field(min = 0, max = 1000)]
    pub income: Option<f64>,
    /// How many times before; unknown for newcomers.
    pub loans: Option<i64>,
    /// Where.
    pub region: Region,
    /// Whatever.
    pub note: Option<String>,
}

/// Where a borrower lives.
#[derive(Category, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// Up.
    North,
    /// Down.
    South,
}

/// How likely it is lost.
#[derive(Record)]
pub struct Risk {
    /// A probability.
    #[field(min = 0, max = 1)]
    pub risk: f64,
}

/// The model.
pub struct Checked;

impl scry_guest::Model for Checked {
    type Input = Loan;
    type Features = Loan;
    type Output = Risk;

    fn load() -> Result<Self, LoadError> {
        Ok(Self)
    }

    fn transform(&self, loans: Batch<Loan>) -> Result<Batch<Loan>, Failure> {
        Ok(loans)
    }

    fn predict(&self, loans: Batch<Loan>) -> Result<Batch<Risk>, Failure> {
        Ok(loans.rows().map(|loan| Risk { risk: loan.amount / 2000.0 }).collect())
    }
}

scry_guest::export!(Checked);
