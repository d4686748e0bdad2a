//! Compares with the engine that this replaces, and records what it says.

use super::super::Policy;
use super::tests::{
    COLUMNS, ROWS, Recorded, Row, UNSAID, batch, compiled, expression, fields, is_unsaid, letters, row, rule, verdicts,
};
use crate::checks::rules::Compiled as Old;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn old(expression: &str) -> Option<Old> {
    Old::new(&rule(expression), Policy::Reject, &fields()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn both_engines_say_the_same(expression in expression(), rows in prop::collection::vec(row(), 1..6)) {
        let old = old(&expression);
        let Some(old) = old else { return Ok(()) };
        let new = compiled(&expression);
        prop_assert!(new.is_ok(), "{} {:?}", expression, new.err());
        let new = new.unwrap();
        for row in rows.into_iter().filter(|row| !is_unsaid(&expression, row)) {
            let batch = batch(&[row]);
            let (said, says) = (letters([old.both(&batch).1]), letters(verdicts(&new, &batch)));
            prop_assert_eq!(said, says, "{} of {:?}: {:?} {:?}", expression, row, old.both(&batch).1, verdicts(&new, &batch));
        }
    }
}

#[test]
#[ignore = "writes the record"]
fn record() {
    let mut runner = TestRunner::deterministic();
    let mut expressions: Vec<String> =
        include_str!("../../../tests/rules_recorded.txt").lines().map(str::to_owned).collect();
    while expressions.len() < 2_200 {
        let expression = expression().new_tree(&mut runner).unwrap().current();
        if expression.len() <= 160 && !expressions.contains(&expression) && old(&expression).is_some() {
            expressions.push(expression);
        }
    }
    let said = |expression: String| {
        let old = old(&expression);
        let verdicts = old.map(|old| {
            let letter = |row: &Row| match is_unsaid(&expression, row) {
                true => UNSAID.to_string(),
                false => letters([old.both(&batch(&[*row])).1]),
            };
            ROWS.iter().map(letter).collect::<String>()
        });
        serde_json::to_string(&Recorded { expression, verdicts }).unwrap()
    };
    let lines: Vec<_> = expressions.into_iter().map(said).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules_recorded.json"), text).unwrap();
    assert_eq!(COLUMNS.len(), 10);
}
