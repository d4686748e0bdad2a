//! All that is wrong with a request, at once and within bounds.

use scry_card::{
    Batch, Card, CheckKind, Datatype, Detail, Echo, Field, Found, Misread, NamedTensor, Tensor, Unfit, Values,
    assemble_all, batch_from_records_all, duration_seconds,
};
use serde_json::{Value, json};

fn fields() -> Vec<Field> {
    let fields = json!([
        {"name": "age", "datatype": "FP64"},
        {"name": "state", "datatype": "BYTES", "nullable": true},
        {"name": "pair", "datatype": "INT8", "shape": [2]},
    ]);
    serde_json::from_value(fields).unwrap()
}

fn lines(result: Result<Batch, Unfit>) -> Vec<String> {
    result.unwrap_err().errors.iter().map(|error| format!("{} {error}", error.check)).collect()
}

fn detail(errors_max: usize, max_chars: usize) -> Detail {
    Detail { errors_max, echo: Echo { max_chars } }
}

#[test]
fn every_bad_value_of_every_row_is_named() {
    let rows: Vec<_> = serde_json::from_value(json!([
        {"age": "x", "pair": [1, 200], "extra": 1},
        {"age": 1, "state": 3, "pair": [1, 2]},
        {"age": true, "pair": [1]},
        {"age": {}, "pair": 7},
    ]))
    .unwrap();
    let all = [
        "type field `age`, row 0: expected an FP64 value, found \"x\"",
        "type field `pair`, row 0, element 1: expected INT8 values of shape [2], found 200",
        "unknown-field field `extra`, row 0: expected one of age, state, pair, found an unknown field",
        "type field `state`, row 1: expected a BYTES value, found 3",
        "type field `age`, row 2: expected an FP64 value, found true",
        "shape field `pair`, row 2: expected INT8 values of shape [2], found a list of 1",
        "type field `age`, row 3: expected an FP64 value, found an object",
        "shape field `pair`, row 3: expected INT8 values of shape [2], found 7",
    ];
    let read = |detail| lines(batch_from_records_all(&fields(), &rows, &detail));
    assert_eq!(read(detail(16, 40)), all);
    for listed in [1, 5, 8] {
        assert_eq!(read(detail(listed, 40)), all[..listed]);
        let unfit = batch_from_records_all(&fields(), &rows, &detail(listed, 40)).unwrap_err();
        assert_eq!((unfit.unlisted, unfit.rest.is_some()), (8 - listed, listed == 8));
    }
    assert_eq!(read(detail(0, 40)).len(), 1);
    let silent = read(detail(16, 0)).join("\n");
    for shown in ["found a string", "found a number", "found a truth value"] {
        assert!(silent.contains(shown), "{silent}");
    }
    for hidden in ["\"x\"", "200", "true", "found 3"] {
        assert!(!silent.contains(hidden), "{silent}");
    }
}

#[test]
fn every_bad_tensor_is_named() {
    let named = |name: &str, shape: &[u64], values| NamedTensor {
        name: name.into(),
        tensor: Tensor { shape: shape.to_vec(), values, validity: None },
    };
    let tensors = || {
        vec![
            named("age", &[1], Values::Bool(vec![true])),
            named("state", &[2], Values::neutral(Datatype::Bytes, 2)),
            named("state", &[1], Values::neutral(Datatype::Bytes, 1)),
            named("x", &[1], Values::Bool(vec![true])),
        ]
    };
    let all = [
        "form field `state`: expected the field once, found the field twice",
        "unknown-field field `x`: expected one of age, state, pair, found an unknown field",
        "type field `age`: expected FP64, found BOOL",
        "shape field `state`: expected shape [1], found shape [2]",
        "missing field `pair`: expected an INT8 tensor, found nothing",
    ];
    assert_eq!(lines(assemble_all(&fields(), tensors(), &[], &detail(16, 40))), all);
    for listed in 1..6 {
        let unfit = assemble_all(&fields(), tensors(), &[], &detail(listed, 40)).unwrap_err();
        assert_eq!(unfit.unlisted, 5 - listed);
        assert_eq!(lines(Err(unfit)), all[..listed]);
    }
    assert_eq!(lines(assemble_all(&fields(), vec![], &[], &detail(3, 40))).len(), 1);
    for rows in [u64::MAX, u64::MAX / 2] {
        let age = named("age", &[rows], Values::Fp64(vec![]));
        assert!(assemble_all(&fields(), vec![age], &[], &detail(3, 40)).is_err());
    }
}

/// Many are found otherwise than a few.
#[test]
fn names_are_found_in_any_order_however_many_there_are() {
    for count in [3, 16, 17, 4_096] {
        let fields = (0..count).map(|at| json!({"name": format!("f{at}"), "datatype": "INT32"})).collect();
        let fields: Vec<Field> = serde_json::from_value(Value::Array(fields)).unwrap();
        let named = |at: usize| NamedTensor {
            name: format!("f{at}"),
            tensor: Tensor { shape: vec![1], values: Values::Int32(vec![at as i32]), validity: None },
        };
        // 7 divides none of the counts: each is there once.
        let mut tensors: Vec<_> = (0..count).map(|at| named(at * 7 % count)).collect();
        let batch = assemble_all(&fields, tensors.clone(), &[], &detail(16, 40)).unwrap();
        let found: Vec<_> = batch.columns.iter().map(|column| column.values.clone()).collect();
        assert_eq!(found, (0..count).map(|at| Values::Int32(vec![at as i32])).collect::<Vec<_>>());

        tensors[1] = named(count);
        tensors.push(named(0));
        let unfit = lines(assemble_all(&fields, tensors, &[], &detail(16, 40)));
        let told = [
            format!("unknown-field field `f{count}`"),
            "form field `f0`".into(),
            format!("missing field `f{}`", 7 % count),
        ];
        assert_eq!(unfit.len(), 3, "{unfit:?}");
        assert!(unfit.iter().zip(told).all(|(line, begin)| line.starts_with(&begin)), "{unfit:?}");
    }
}

#[test]
fn what_fits_is_there_to_be_checked_beside_what_does_not() {
    let age = NamedTensor {
        name: "age".into(),
        tensor: Tensor { shape: vec![2], values: Values::Fp64(vec![-1.0, 2.0]), validity: None },
    };
    let pair = [Misread::new(CheckKind::Shape, "pair", "a pair", Found::Number("17".into())).at_row(1)];
    let unfit = assemble_all(&fields(), vec![age.clone()], &pair, &detail(16, 1)).unwrap_err();
    assert_eq!(
        unfit.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["field `pair`, row 1: expected a pair, found 1…"]
    );
    let rest = unfit.rest.unwrap();
    assert_eq!((rest.rows, &rest.columns[0]), (2, &age.tensor));
    assert_eq!(rest.columns[2].validity, Some(vec![false; 4]));

    let rows: Vec<_> =
        serde_json::from_value(json!([{"age": 1.5, "pair": [1, "x"]}, {"age": "x", "pair": [3, 4]}])).unwrap();
    let rest = batch_from_records_all(&fields(), &rows, &detail(16, 40)).unwrap_err().rest.unwrap();
    assert_eq!(
        (&rest.columns[0].values, &rest.columns[0].validity),
        (&Values::Fp64(vec![1.5, 0.0]), &Some(vec![true, false]))
    );
    let pairs = (&rest.columns[2].values, &rest.columns[2].validity);
    assert_eq!(pairs, (&Values::Int8(vec![0, 0, 3, 4]), &Some(vec![false, false, true, true])));
    assert_eq!(batch_from_records_all(&fields(), &rows, &detail(1, 40)).unwrap_err().rest, None);

    // Rows that no data came for are not made up.
    let many = NamedTensor {
        name: "x".into(),
        tensor: Tensor { shape: vec![1 << 24, 0], values: Values::Fp64(vec![]), validity: None },
    };
    assert_eq!(assemble_all(&fields(), vec![many], &pair, &detail(16, 40)).unwrap_err().rest, None);
}

#[test]
fn names_that_a_client_made_up_are_bounded() {
    let row: Value = json!({"age": 1, "pair": [1, 2], "x".repeat(10_000): 1});
    let error =
        batch_from_records_all(&fields(), &[row.as_object().unwrap().clone()], &Detail::default()).unwrap_err().errors;
    assert_eq!((error[0].check, error[0].field.chars().count()), (CheckKind::UnknownField, 129));
}

#[test]
fn an_age_is_a_number_of_seconds() {
    for (text, seconds) in [
        ("P90D", Some(7_776_000)),
        ("PT12H", Some(43_200)),
        ("P1W", Some(604_800)),
        ("P1DT1M1S", Some(86_461)),
        ("PT0S", Some(0)),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("P1Y", None),
        ("P1M", None),
        ("90D", None),
        ("PD", None),
        ("P-1D", None),
        ("P1.5D", None),
        ("P1D2W", None),
        ("PT1S1H", None),
        ("P+1D", None),
        ("P99999999999999999999D", None),
        ("P999999999999999999W", None),
        ("", None),
    ] {
        assert_eq!(duration_seconds(text), seconds, "{text}");
    }
    let card = json!({"card_version": 1, "name": "m", "description": "", "max_age": "90 days",
        "schema": {"inputs": fields(), "features": fields(), "outputs": fields()}});
    let error = Card::from_json(card.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("max_age: expected an ISO 8601 duration"), "{error}");
}
