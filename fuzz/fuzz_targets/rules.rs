//! A rule: whatever its text, an error, or a verdict on every row.
//! `.ci/fuzz 60 rules`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Batch, Checker, Checks, Detail, Field, Rule};
use std::sync::LazyLock;

static KNOWN: LazyLock<(Vec<Field>, Batch)> = LazyLock::new(|| (scry_fuzz::fields(), scry_fuzz::rows()));

fuzz_target!(|expression: &str| {
    // Longer ones a card may not have.
    if expression.chars().count() > 1_000 {
        return;
    }
    let (fields, rows) = &*KNOWN;
    let rule = Rule { name: "rule".into(), expression: expression.into(), policy: None };
    let Ok(checker) = Checker::new(fields, &Checks { rules: vec![rule], ..Checks::default() }) else { return };
    let verdict = checker.check(rows, &Detail::default());
    assert_eq!(verdict.refused_rows().len() + verdict.answered_rows().len(), rows.rows);
    assert_eq!(verdict, checker.check(rows, &Detail::default()));
});
