//! What a comparison found, for people and for programs.
//!
//! Every statistic is there with its threshold, also when nothing is wrong.
//! Never a value of a row.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What follows from a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No drift that is both significant and material.
    Ok,
    /// Drift.
    Drift,
    /// Too few rows to say.
    InsufficientData,
}

/// How the verdict was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Looked at once: p-values.
    Window,
    /// Looked at any number of times: the e-process.
    Epoch,
}

/// What the distances of a column were taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Stored samples of both sides: exact for them.
    Samples,
    /// Counts in bins: `ks_d` and the Wasserstein distance are lower bounds.
    Bins,
    /// Counts of categories: exact.
    Categories,
    /// The means alone, which are at least so far apart as said.
    Means,
}

/// A number that a comparison gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the statistic that it is named for")]
pub enum Statistic {
    KsD,
    /// What `KsD` is at most, where it comes from bins.
    KsDMax,
    KsPValue,
    Wasserstein,
    /// By the standard deviation.
    WNorm,
    /// By the spread of the middle values, and of those that are not far out.
    WRobust,
    MeansPValue,
    LInfinity,
    /// Judged beyond what chance makes of it, which is in its threshold.
    TotalVariation,
    ChiSquare,
    ChiSquarePValue,
    Psi,
    JsDistance,
    JsdBits,
    NullRateChange,
    FisherPValue,
    /// Of values and missing ones together.
    LnE,
    LnEValues,
    LnEMissing,
}

impl Statistic {
    /// How large a change is. Of each column's, one that is material is enough.
    /// Of numbers: by the unit of the standard deviation, by that of the middle
    /// values, which nothing far out widens, and by none. Of categories: one that
    /// changed much, or many that changed a little. Of any column: missing values.
    pub const EFFECTS: [Self; 6] =
        [Self::WNorm, Self::WRobust, Self::KsD, Self::LInfinity, Self::TotalVariation, Self::NullRateChange];

    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::KsD => "ks_d",
            Self::KsDMax => "ks_d_max",
            Self::KsPValue => "ks_p_value",
            Self::Wasserstein => "wasserstein",
            Self::WNorm => "w_norm",
            Self::WRobust => "w_robust",
            Self::MeansPValue => "means_p_value",
            Self::LInfinity => "l_infinity",
            Self::TotalVariation => "total_variation",
            Self::ChiSquare => "chi_square",
            Self::ChiSquarePValue => "chi_square_p_value",
            Self::Psi => "psi",
            Self::JsDistance => "js_distance",
            Self::JsdBits => "jsd_bits",
            Self::NullRateChange => "null_rate_change",
            Self::FisherPValue => "fisher_p_value",
            Self::LnE => "ln_e",
            Self::LnEValues => "ln_e_values",
            Self::LnEMissing => "ln_e_missing",
        }
    }

    /// Whether small values speak for drift.
    pub fn is_p_value(self) -> bool {
        matches!(self, Self::KsPValue | Self::MeansPValue | Self::ChiSquarePValue | Self::FisherPValue)
    }
}

/// One statistic of one column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Which.
    pub statistic: Statistic,
    /// Its value.
    pub observed_value: f64,
    /// Where it starts to matter; `None`: shown, never judged.
    pub threshold: Option<f64>,
    /// Whether it does.
    pub reached: bool,
}

/// What was found of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnReport {
    /// The field's name.
    pub column: String,
    /// What follows.
    pub verdict: Verdict,
    /// What the distances were taken from.
    pub basis: Basis,
    /// Live elements.
    pub element_count: u64,
    /// Live elements that are missing or not finite.
    pub missing_count: u64,
    /// Their share of all, in percent.
    pub missing_percent: f64,
    /// Live elements that are not finite, outside of the reference's range, or
    /// none of its categories; `None` where that was not counted.
    pub unexpected_count: Option<u64>,
    /// Size of the first effect: `w_norm` or `l_infinity`. The others are among the checks.
    pub observed_value: f64,
    /// Every statistic.
    pub checks: Vec<Check>,
}

impl ColumnReport {
    /// The value of one statistic, where the column has it.
    pub fn value(&self, statistic: Statistic) -> Option<f64> {
        self.check(statistic).map(|check| check.observed_value)
    }

    /// One statistic, where the column has it.
    pub fn check(&self, statistic: Statistic) -> Option<&Check> {
        self.checks.iter().find(|check| check.statistic == statistic)
    }
}

/// What was found of all columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftReport {
    /// Drift where any column drifts; else insufficient data where any column
    /// could not be judged.
    pub verdict: Verdict,
    /// How it was reached.
    pub rule: Rule,
    /// The share of epochs or windows in which an alarm may be false.
    pub alpha: f64,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Live rows.
    pub live_rows: u64,
    /// One a column of the reference.
    pub columns: Vec<ColumnReport>,
    /// What the reference assumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}

impl DriftReport {
    pub(super) fn verdict_of(columns: &[ColumnReport]) -> Verdict {
        let any = |verdict| columns.iter().any(|column| column.verdict == verdict);
        match () {
            () if any(Verdict::Drift) => Verdict::Drift,
            () if any(Verdict::InsufficientData) || columns.is_empty() => Verdict::InsufficientData,
            () => Verdict::Ok,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Drift => "drift",
            Self::InsufficientData => "insufficient data",
        })
    }
}

/// As a table.
impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, rule, alpha, reference_rows, live_rows, columns, assumed } = self;
        let drifted = columns.iter().filter(|column| column.verdict == Verdict::Drift).count();
        let rule = match rule {
            Rule::Window => "window",
            Rule::Epoch => "epoch",
        };
        writeln!(f, "{verdict}: {drifted} of {} columns drift", columns.len())?;
        writeln!(f, "{rule} of {live_rows} rows against {reference_rows}, alpha {alpha}; * reached its threshold")?;
        columns.iter().try_for_each(|column| write!(f, "\n{column}"))?;
        assumed.iter().try_for_each(|note| write!(f, "\nassumed: {note}"))
    }
}

/// A line for the column, and one for each statistic.
impl fmt::Display for ColumnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, verdict, element_count, missing_percent, .. } = self;
        write!(f, "{column}: {verdict} ({element_count} elements, {missing_percent:.2} % missing")?;
        if let Some(count) = self.unexpected_count {
            write!(f, ", {count} unexpected")?;
        }
        writeln!(f, ")")?;
        for Check { statistic, observed_value, threshold, reached } in &self.checks {
            let name = statistic.name();
            let mark = if *reached { "*" } else { "" };
            let sign = if statistic.is_p_value() { "<=" } else { ">=" };
            match threshold {
                Some(threshold) => {
                    writeln!(f, "  {name:<20}{:>12} {sign} {} {mark}", short(*observed_value), short(*threshold))?;
                }
                None => writeln!(f, "  {name:<20}{:>12}", short(*observed_value))?,
            }
        }
        Ok(())
    }
}

fn short(value: f64) -> String {
    let plain = value == 0.0 || (1e-3..1e6).contains(&value.abs());
    if plain { format!("{value:.4}") } else { format!("{value:.3e}") }
}
