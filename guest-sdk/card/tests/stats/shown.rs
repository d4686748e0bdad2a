//! What charts draw: both sides in the same cells, counted by hand.

use crate::{batch, field, numbers, texts};
use scry_card::Datatype;
use scry_card::stats::{Counter, Reference};
use serde_json::json;

fn reference() -> Reference {
    let reference = json!({ "rows": 100, "columns": [
        { "name": "age", "count": 100, "null_count": 10, "kind": { "numeric": {
            "nan_count": 0, "mean": 40.0, "std_dev": 10.0, "minimum": 18.0, "maximum": 80.0,
            "histogram": { "edges": [30.0, 50.0], "counts": [20, 50, 20], "means": [25.0, 40.0, 60.0] } } } },
        { "name": "plan", "count": 100, "null_count": 0, "kind": { "categorical": {
            "counts": [{ "value": "a", "count": 70 }, { "value": "b", "count": 25 }], "other_count": 5 } } },
    ] });
    Reference::from_json(reference.to_string().as_bytes()).unwrap()
}

#[test]
fn both_sides_are_in_the_same_cells() {
    let reference = reference();
    let counter = Counter::new(&reference, &[field("age", Datatype::Fp64), field("plan", Datatype::Bytes)]).unwrap();
    let mut live = counter.start();
    let ages = numbers(&[Some(20.0), Some(30.0), Some(99.0), None]).columns.remove(0);
    counter.count(&mut live, &batch(vec![ages, texts(["a", "b", "z", "a"])])).unwrap();
    let [age, plan] = &reference.shown(&live)[..] else { panic!("two columns") };
    assert_eq!((&age.before.counts, age.before.missing_count), (&vec![20, 50, 20], 10));
    assert_eq!((&age.after.counts, age.after.missing_count), (&vec![2, 0, 1], 1));
    assert_eq!((&plan.before.counts, &plan.after.counts), (&vec![70, 25, 5], &vec![2, 1, 1]));
    let both = reference.shown_both(&live, &counter.start());
    assert_eq!((&both[0].before.counts, &both[0].after.counts), (&vec![2, 0, 1], &vec![0, 0, 0]));
    let json = serde_json::to_value(plan).unwrap();
    assert_eq!((&json["kind"], &json["values"]), (&json!("categorical"), &json!(["a", "b"])));
    let json = serde_json::to_value(age).unwrap();
    assert_eq!((&json["edges"], &json["minimum"]), (&json!([30.0, 50.0]), &json!(18.0)));
}

#[test]
fn counts_of_another_reference_are_not_drawn() {
    let (reference, fields) = (reference(), [field("age", Datatype::Fp64)]);
    let mut other = reference.clone();
    other.columns.truncate(1);
    let counts = Counter::new(&other, &fields).unwrap().start();
    assert!(reference.shown(&counts).is_empty() && reference.shown_both(&counts, &counts).is_empty());
}
