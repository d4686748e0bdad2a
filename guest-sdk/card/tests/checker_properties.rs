//! The checker against a reference that looks at one element at a time, and
//! against whatever bytes may come.

use proptest::prelude::*;
use proptest::sample::select;
use scry_card::{
    Batch, Card, CheckKind, Checker, Checks, Datatype, Decision, Detail, Echo, Field, FieldChecks, Policies, Policy,
    Rule, Tensor, Text, Values,
};
use serde_json::json;
use std::collections::BTreeMap;

/// A field, what is checked of it, and a column.
type Column = (Field, FieldChecks, Tensor);

fn policy() -> impl Strategy<Value = Policy> {
    select(vec![Policy::Reject, Policy::Warn, Policy::Fallback])
}

fn policies() -> impl Strategy<Value = Policies> {
    use CheckKind::*;
    let kinds = select(vec![Missing, Finite, Range, Category, Length, NullShare]);
    let no_null_is_warned_of = |policies: &Policies| policies.get(&Missing) != Some(&Policy::Warn);
    prop::collection::btree_map(kinds, policy(), 0..4).prop_filter("missing may not be warn", no_null_is_warned_of)
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-4..5_i32).prop_map(f64::from),
        1 => any::<f64>(),
        1 => select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5, -0.0]),
    ]
}

fn values(datatype: Datatype, count: usize) -> BoxedStrategy<Values> {
    let numbers = prop::collection::vec(number(), count);
    match datatype {
        Datatype::Fp64 => numbers.prop_map(Values::Fp64).boxed(),
        Datatype::Fp32 => numbers.prop_map(|n| Values::Fp32(n.into_iter().map(|v| v as f32).collect())).boxed(),
        Datatype::Int64 => numbers.prop_map(|n| Values::Int64(n.into_iter().map(|v| v as i64).collect())).boxed(),
        Datatype::Uint64 => numbers.prop_map(|n| Values::Uint64(n.into_iter().map(|v| v as u64).collect())).boxed(),
        Datatype::Int8 => numbers.prop_map(|n| Values::Int8(n.into_iter().map(|v| v as i8).collect())).boxed(),
        Datatype::Bytes => prop::collection::vec("[abü]{0,3}", count)
            .prop_map(|strings| {
                let mut text = Text::default();
                strings.iter().for_each(|string| text.push(string).unwrap());
                Values::Bytes(text)
            })
            .boxed(),
        _ => prop::collection::vec(any::<bool>(), count).prop_map(Values::Bool).boxed(),
    }
}

fn column(rows: usize) -> impl Strategy<Value = Column> {
    use Datatype::*;
    let settings = (
        (select(vec![Fp64, Fp32, Int64, Uint64, Int8, Bytes, Bool]), prop_oneof![Just(vec![]), Just(vec![2])]),
        (any::<bool>(), prop::option::of(-4..1_i32), prop::option::of(1..5_i32)),
        (any::<bool>(), prop::option::of(0..4_u64), prop::option::of(0.05..0.95), policies()),
    );
    settings.prop_flat_map(move |((datatype, shape), (nullable, low, high), (listed, length, share, policies))| {
        let numeric = datatype.is_numeric();
        let field = Field {
            name: String::new(),
            description: String::new(),
            datatype,
            shape: shape.clone(),
            nullable,
            unit: None,
            minimum: low.filter(|_| numeric).map(f64::from),
            maximum: high.filter(|_| numeric).map(f64::from),
            categories: if listed && datatype == Bytes { vec!["a".into(), "ab".into(), "".into()] } else { vec![] },
        };
        let checks = FieldChecks {
            length_max_chars: length.filter(|_| datatype == Bytes),
            null_share_max: share.filter(|_| nullable),
            policies,
        };
        let count = rows * shape.iter().product::<u64>() as usize;
        let flags = prop::option::of(prop::collection::vec(prop::bool::weighted(0.9), count));
        (values(datatype, count), flags).prop_map(move |(values, validity)| {
            let shape = field.batch_shape(rows as u64);
            (field.clone(), checks.clone(), Tensor { shape, values, validity })
        })
    })
}

/// A batch with its schema and settings: columns `f0`, `f1` and so on.
fn case() -> impl Strategy<Value = (Vec<Field>, Checks, Batch)> {
    let rows = prop_oneof![4 => 0..8_usize, 1 => 60..140_usize];
    let columns = rows.prop_flat_map(|rows| (Just(rows), prop::collection::vec(column(rows), 1..5)));
    (columns, policies(), prop::option::of(policy())).prop_map(|((rows, columns), policies, rule_policy)| {
        let mut checks = Checks { policies, ..Checks::default() };
        let mut fields = Vec::new();
        let mut tensors = Vec::new();
        for (i, (field, own, tensor)) in columns.into_iter().enumerate() {
            let name = format!("f{i}");
            checks.fields.insert(name.clone(), own);
            fields.push(Field { name, ..field });
            tensors.push(tensor);
        }
        let comparable: Vec<_> = fields.iter().filter(|f| f.shape.is_empty() && f.datatype.is_numeric()).collect();
        if let [a, b, ..] = comparable.as_slice() {
            let expression = format!("{} >= {}", b.name, a.name);
            checks.rules.push(Rule { name: "order".into(), expression, policy: rule_policy });
        }
        (fields, checks, Batch { rows, columns: tensors })
    })
}

/// Field, row, element, check and policy: what a finding is about.
type About = (String, Option<usize>, Option<usize>, CheckKind, Policy);

fn number_at(tensor: &Tensor, i: usize) -> Option<f64> {
    match &tensor.values {
        Values::Fp64(list) => Some(list[i]),
        Values::Fp32(list) => Some(f64::from(list[i])),
        Values::Int64(list) => Some(list[i] as f64),
        Values::Uint64(list) => Some(list[i] as f64),
        Values::Int8(list) => Some(f64::from(list[i])),
        _ => None,
    }
}

fn wrong_with(field: &Field, checks: &FieldChecks, tensor: &Tensor, i: usize) -> Vec<CheckKind> {
    if !tensor.is_valid(i) {
        return if field.nullable { vec![] } else { vec![CheckKind::Missing] };
    }
    if let Some(value) = number_at(tensor, i) {
        return match value {
            v if v.is_nan() || v.is_infinite() => vec![CheckKind::Finite],
            v if field.minimum.is_some_and(|low| v < low) || field.maximum.is_some_and(|high| v > high) => {
                vec![CheckKind::Range]
            }
            _ => vec![],
        };
    }
    let Values::Bytes(text) = &tensor.values else { return vec![] };
    let value = text.get(i).unwrap();
    let mut wrong = vec![];
    if !field.categories.is_empty() && !field.categories.contains(&value.to_owned()) {
        wrong.push(CheckKind::Category);
    }
    if checks.length_max_chars.is_some_and(|max| value.chars().count() as u64 > max) {
        wrong.push(CheckKind::Length);
    }
    wrong
}

fn reference(fields: &[Field], checks: &Checks, batch: &Batch) -> Vec<About> {
    let mut found = Vec::new();
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        let own = &checks.fields[&field.name];
        let policy = |kind| *own.policies.get(&kind).or(checks.policies.get(&kind)).unwrap_or(&Policy::Reject);
        let count = tensor.values.len();
        for i in 0..count {
            let per_row = count / batch.rows;
            let element = (!field.shape.is_empty()).then_some(i % per_row);
            let kinds = wrong_with(field, own, tensor, i).into_iter();
            found.extend(kinds.map(|kind| (field.name.clone(), Some(i / per_row), element, kind, policy(kind))));
        }
        let missing = (0..count).filter(|&i| !tensor.is_valid(i)).count();
        if own.null_share_max.is_some_and(|max| max * count as f64 >= 1.0 && missing as f64 > max * count as f64) {
            found.push((field.name.clone(), None, None, CheckKind::NullShare, policy(CheckKind::NullShare)));
        }
    }
    for rule in &checks.rules {
        let (b, a) = rule.expression.split_once(" >= ").unwrap();
        let column = |name: &str| &batch.columns[fields.iter().position(|field| field.name == name).unwrap()];
        let policy = rule.policy.unwrap_or_default();
        for row in 0..batch.rows {
            let (a, b) = (column(a), column(b));
            let holds = match (&b.values, &a.values) {
                (Values::Int64(b), Values::Int64(a)) => b[row] >= a[row],
                _ => number_at(b, row) >= number_at(a, row),
            };
            if a.is_valid(row) && b.is_valid(row) && !holds {
                found.push((rule.name.clone(), Some(row), None, CheckKind::Rule, policy));
            }
        }
    }
    found.sort();
    found
}

fn gravest(found: &[About], of: impl Fn(&About) -> bool) -> Decision {
    found.iter().filter(|about| of(about)).map(|about| about.4.into()).max().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn verdicts_are_those_of_the_reference((fields, checks, batch) in case()) {
        let checker = Checker::new(&fields, &checks).unwrap();
        let all = checker.check(&batch, &Detail { errors_max: usize::MAX, echo: Echo::default() });
        let expected = reference(&fields, &checks, &batch);
        let mut found: Vec<About> = all.findings.iter().map(|finding| {
            let wrong = &finding.invalid;
            (wrong.field.clone(), wrong.row, wrong.element, wrong.check, finding.policy)
        }).collect();
        found.sort();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(all.unlisted, 0);
        let few = checker.check(&batch, &Detail { errors_max: 2, echo: Echo { max_chars: 0 } });
        prop_assert_eq!(few.findings.len() + few.unlisted, expected.len());
        prop_assert_eq!(few.findings.len(), expected.len().min(2));
        prop_assert_eq!(&few.tallies, &all.tallies);
        let mut tallies = BTreeMap::new();
        expected.iter().for_each(|about| *tallies.entry((about.0.clone(), about.3)).or_insert(0) += 1);
        prop_assert_eq!(all.tallies.iter().map(|t| ((t.field.clone(), t.check), t.count)).collect::<BTreeMap<_, _>>(), tallies);
        for verdict in [&all, &few] {
            prop_assert_eq!(verdict.decision(), gravest(&expected, |_| true));
            prop_assert_eq!(verdict.batch_decision(), gravest(&expected, |about| about.1.is_none()));
            for row in 0..batch.rows {
                let of_row = gravest(&expected, |about| about.1.is_none_or(|at| at == row));
                prop_assert_eq!(verdict.row_decision(row), of_row);
                prop_assert_eq!(verdict.refused_rows().contains(&row), of_row >= Decision::Fallback);
                prop_assert_eq!(verdict.answered_rows().contains(&row), of_row < Decision::Fallback);
            }
        }
        if let Some(finding) = few.findings.first() {
            prop_assert_eq!(finding.policy, expected.iter().map(|about| about.4).max().unwrap());
            prop_assert!(finding.to_string().contains("expected"));
            let json = serde_json::to_value(finding).unwrap();
            prop_assert_eq!(&json["check"], finding.invalid.check.name());
        }
        // Without settings, the same as the plain check.
        let plain = Checker::new(&fields, &Checks::default()).unwrap();
        let plain = plain.check(&batch, &Detail { errors_max: usize::MAX, echo: Echo::default() });
        let old = scry_card::check(&fields, &batch, usize::MAX);
        prop_assert_eq!(plain.findings.into_iter().map(|finding| finding.invalid).collect::<Vec<_>>(), old);
    }
}

fn card() -> serde_json::Value {
    let side = json!([
        {"name": "a", "datatype": "FP64", "nullable": true},
        {"name": "b", "datatype": "INT64"},
        {"name": "t", "datatype": "BYTES"},
    ]);
    json!({
        "card_version": 1, "name": "m", "description": "", "max_age": "P1W2DT3H4M5S",
        "schema": {"inputs": side, "features": side, "outputs": side},
        "checks": {
            "policies": {"range": "warn", "missing": "fallback"},
            "fields": {"a": {"null_share_max": 0.5}, "t": {"length_max_chars": 3, "policies": {"length": "warn"}}},
            "rules": [{"name": "order", "expression": "a >= b && len(t) < 9", "policy": "warn"}],
            "outputs": {"policies": {"finite": "fallback"}},
        },
    })
}

/// What rules are made of, right or wrong.
const TOKENS: [&str; 36] = [
    "a",
    "b",
    "t",
    "c",
    "1",
    "0",
    "2.5",
    "\"x\"",
    "'y'",
    "`${a}`",
    "true",
    "()",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "<<",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "len(t)",
    "abs(b)",
    "max(a, b)",
    "if",
    "{",
    "}",
    ";",
    "let x =",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]
    #[test]
    fn any_bytes_are_a_card_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Card::from_json(&bytes);
        let _ = serde_json::from_slice::<Checks>(&bytes);
    }

    #[test]
    fn a_damaged_card_is_a_card_or_an_error(at in 0..2_000_usize, byte in any::<u8>(), cut in any::<bool>()) {
        let mut json = card().to_string().into_bytes();
        let at = at % json.len();
        if cut { json.truncate(at) } else { json[at] = byte }
        if let Ok(card) = Card::from_json(&json) {
            let _ = Checker::new(&card.schema.inputs, &card.checks);
        }
    }

    #[test]
    fn any_expression_is_a_rule_or_an_error(tokens in prop::collection::vec(select(&TOKENS[..]), 1..12), b in any::<i64>()) {
        let card: Card = serde_json::from_value(card()).unwrap();
        let rules = vec![Rule { name: "r".into(), expression: tokens.join(" "), policy: None }];
        let Ok(checker) = Checker::new(&card.schema.inputs, &Checks { rules, ..Checks::default() }) else { return Ok(()) };
        let row = json!({"a": 1.5, "b": b, "t": "text"});
        let batch = scry_card::batch_from_records(&card.schema.inputs, &[row.as_object().unwrap().clone()]).unwrap();
        let verdict = checker.check(&batch, &Detail::default());
        prop_assert!(verdict.findings.iter().all(|finding| finding.invalid.found.len() < 1_000));
    }
}

#[test]
fn a_card_with_checks_reads_back() {
    let card = Card::from_json(card().to_string().as_bytes()).unwrap();
    let again = Card::from_json(&serde_json::to_vec(&card).unwrap()).unwrap();
    assert_eq!(card, again);
    assert_eq!(card.max_age.as_deref().and_then(scry_card::duration_seconds), Some(788_645));
}

proptest! {
    /// An f64 has no place for the last digits of these; written out, it shows which whole number it is.
    #[test]
    fn large_whole_numbers_are_compared_with_bounds_to_the_last_digit(
        bound in (1_u64 << 53) as f64..u64::MAX as f64,
        (is_negative, is_minimum, is_signed) in any::<(bool, bool, bool)>(),
        beside in -3..4_i128,
    ) {
        let bound = if is_negative && is_signed { -bound } else { bound };
        let exact: i128 = format!("{bound:.0}").parse().unwrap();
        let value = exact + beside;
        let values = match (is_signed, i64::try_from(value), u64::try_from(value)) {
            (true, Ok(value), _) => Values::Int64(vec![value]),
            (false, _, Ok(value)) => Values::Uint64(vec![value]),
            _ => return Err(TestCaseError::reject("no such number")),
        };
        let datatype = if is_signed { "INT64" } else { "UINT64" };
        let side = if is_minimum { "minimum" } else { "maximum" };
        let field: Field = serde_json::from_value(json!({"name": "n", "datatype": datatype, side: bound})).unwrap();
        let batch = Batch { rows: 1, columns: vec![Tensor { shape: vec![1], values, validity: None }] };
        let is_wrong = if is_minimum { value < exact } else { value > exact };
        prop_assert_eq!(scry_card::check(&[field], &batch, 1).len(), usize::from(is_wrong));
    }
}
