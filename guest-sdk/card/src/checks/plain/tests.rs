use super::super::rules::Compiled;
use super::super::{Policy, Rule};
use crate::{Batch, Datatype, Field, Tensor, Text, Values};
use proptest::prelude::*;

/// Two columns of each kind that rules tell apart.
const COLUMNS: [(&str, Datatype); 10] = [
    ("i", Datatype::Int64),
    ("j", Datatype::Int64),
    ("n", Datatype::Int8),
    ("u", Datatype::Uint64),
    ("x", Datatype::Fp64),
    ("y", Datatype::Fp64),
    ("f", Datatype::Fp32),
    ("p", Datatype::Bool),
    ("q", Datatype::Bool),
    ("s", Datatype::Bytes),
];

fn fields() -> Vec<Field> {
    let field = |(name, datatype): (&str, Datatype)| Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: Vec::new(),
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    };
    COLUMNS.map(field).to_vec()
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3i64..4, 1 => prop::sample::select(&[i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1][..])]
}

fn float() -> impl Strategy<Value = f64> {
    let special = [0.0, -0.0, 1e-20, 0.1, f64::NAN, f64::INFINITY, f64::MAX, 9007199254740993.0];
    prop_oneof![3 => (-3i64..4).prop_map(|n| n as f64), 2 => prop::sample::select(special.to_vec()), 1 => any::<f64>()]
}

/// One row.
fn row() -> impl Strategy<Value = Batch> {
    let uint = prop_oneof![0u64..3, Just(u64::MAX), Just(1u64 << 63)];
    let text = prop::sample::select(&["", "a", "b", "ä"][..]);
    let numbers = (int(), int(), any::<i8>(), uint, float(), float(), any::<f32>());
    (numbers, any::<bool>(), any::<bool>(), text).prop_map(|((i, j, n, u, x, y, f), p, q, s)| {
        let mut text = Text::default();
        text.push(s).unwrap();
        let values = [
            Values::Int64(vec![i]),
            Values::Int64(vec![j]),
            Values::Int8(vec![n]),
            Values::Uint64(vec![u]),
            Values::Fp64(vec![x]),
            Values::Fp64(vec![y]),
            Values::Fp32(vec![f]),
            Values::Bool(vec![p]),
            Values::Bool(vec![q]),
            Values::Bytes(text),
        ];
        let column = |values| Tensor { shape: vec![1], values, validity: None };
        Batch { rows: 1, columns: values.map(column).to_vec() }
    })
}

/// Expressions, mostly of the right types, with and without brackets.
fn expression() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        3 => prop::sample::select(&["i", "j", "n", "u", "x", "y", "f"][..]).prop_map(str::to_owned),
        1 => (0i64..4).prop_map(|n| n.to_string()),
        1 => prop::sample::select(&["0.5", "1e-20", "9007199254740992", "9223372036854775807", "2.0"][..]).prop_map(str::to_owned),
    ];
    let number = number.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(&["+", "-", "*", "/"][..]);
        prop_oneof![
            3 => (inner.clone(), operator, inner.clone(), any::<bool>()).prop_map(|(a, operator, b, brackets)| match brackets {
                true => format!("({a} {operator} {b})"),
                false => format!("{a} {operator} {b}"),
            }),
            1 => inner.clone().prop_map(|a| format!("abs({a})")),
            1 => inner.prop_map(|a| format!("-({a})")),
        ]
    });
    let comparison = || prop::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let text = || prop::sample::select(&["s", "\"a\"", "\"\"", "\"ä\""][..]);
    let truth = prop_oneof![
        6 => (number.clone(), comparison(), number).prop_map(|(a, how, b)| format!("{a} {how} {b}")),
        2 => (text(), comparison(), text()).prop_map(|(a, how, b)| format!("{a} {how} {b}")),
        1 => (prop::sample::select(&["p", "q", "i", "x", "s"][..]), comparison(), prop::sample::select(&["p", "true", "1"][..]))
            .prop_map(|(a, how, b)| format!("{a} {how} {b}")),
        2 => prop::sample::select(&["p", "q", "true", "false"][..]).prop_map(str::to_owned),
    ];
    truth.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(&["&&", "||"][..]), inner.clone(), any::<bool>()).prop_map(
                |(a, operator, b, brackets)| match brackets {
                    true => format!("({a}) {operator} ({b})"),
                    false => format!("{a} {operator} {b}"),
                }
            ),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn compiled(expression: &str) -> Option<Compiled> {
    let rule = Rule { name: "r".into(), expression: expression.into(), policy: None };
    Compiled::new(&rule, Policy::Reject, &fields()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_it_says_is_what_the_engine_says(expression in expression(), rows in prop::collection::vec(row(), 1..4)) {
        // Those of mixed types are refused when they are compiled.
        let rule = compiled(&expression);
        prop_assume!(rule.is_some());
        let Some(rule) = rule else { return Ok(()) };
        prop_assert!(rule.is_plain(), "{expression}");
        for batch in rows {
            let (plain, engine) = rule.both(&batch);
            match plain {
                Some(holds) => prop_assert_eq!(engine.as_ref().ok(), Some(&holds), "{} of {:?}", expression, batch),
                // Not for comfort: the engine finds an error there.
                None => prop_assert!(engine.is_err(), "{expression} of {batch:?}"),
            }
        }
    }
}

#[test]
fn what_is_more_than_plain_is_the_engines() {
    for expression in
        ["len(s) > 1", "i % 2 == 0", "i ** 2 > 1", "sqrt(x) > 1.0", "contains(s, \"a\")", "(if p { i } else { j }) > 1"]
    {
        assert!(!compiled(expression).is_some_and(|rule| rule.is_plain()), "{expression}");
    }
    for expression in ["!(p && q)", "abs(x - y) <= 0.25", "s == \"a\" || i + j < 3 && -x > 1e-3"] {
        assert!(compiled(expression).unwrap().is_plain(), "{expression}");
    }
}
