use super::*;
use proptest::prelude::*;
use proptest::sample::select;
use scry_card::{Batch, Datatype, NamedTensor, Tensor, Text, Values, assemble, check};

fn field(name: &str, datatype: Datatype) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: vec![],
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

fn schema(inputs: Vec<Field>, outputs: Vec<Field>) -> Schema {
    Schema { inputs, features: vec![], outputs }
}

/// What breaks when a field changes, on each side of the model.
fn changed(old: &Field, new: &Field) -> (Vec<String>, Vec<String>) {
    let one = |field: &Field| vec![field.clone()];
    let shown = |found: Vec<Breaking>| found.iter().map(ToString::to_string).collect();
    (
        shown(breaking(&schema(one(old), vec![]), &schema(one(new), vec![]))),
        shown(breaking(&schema(vec![], one(old)), &schema(vec![], one(new)))),
    )
}

#[test]
fn each_rule_names_the_field_and_both_sides() {
    let age = || field("age", Datatype::Fp64);
    let nullable = Field { nullable: true, ..age() };
    assert_eq!(changed(&nullable, &age()), (vec!["input `age`: expected nullable, found required".into()], vec![]));
    assert_eq!(changed(&age(), &nullable), (vec![], vec!["output `age`: expected required, found nullable".into()]));

    let adult = Field { minimum: Some(18.0), ..age() };
    assert_eq!(changed(&age(), &adult), (vec!["input `age`: expected no minimum, found minimum 18".into()], vec![]));
    assert_eq!(changed(&adult, &age()), (vec![], vec!["output `age`: expected minimum 18, found no minimum".into()]));
    let (low, high) = (Field { maximum: Some(99.0), ..age() }, Field { maximum: Some(120.0), ..age() });
    assert_eq!(changed(&high, &low).0, ["input `age`: expected maximum 120, found maximum 99"]);
    assert_eq!(changed(&low, &high).1, ["output `age`: expected maximum 99, found maximum 120"]);

    let months = Field { unit: Some("mo".into()), ..age() };
    assert_eq!(changed(&age(), &months).0, ["input `age`: expected no unit, found unit mo"]);
    assert_eq!(changed(&months, &age()).1, ["output `age`: expected unit mo, found no unit"]);
    let pair = Field { shape: vec![2], datatype: Datatype::Fp32, ..age() };
    let expected = |side: &str| {
        let line = |what: &str| format!("{side} `age`: expected {what}");
        vec![line("FP64, found FP32"), line("shape [], found shape [2]")]
    };
    assert_eq!(changed(&age(), &pair), (expected("input"), expected("output")));
}

#[test]
fn categories_may_grow_on_the_way_in_and_shrink_on_the_way_out() {
    let text = |list: &[&str]| Field {
        categories: list.iter().map(ToString::to_string).collect(),
        ..field("colour", Datatype::Bytes)
    };
    let (any, two, three) = (text(&[]), text(&["red", "blue"]), text(&["red", "blue", "green"]));
    assert_eq!(
        changed(&three, &two),
        (vec!["input `colour`: expected \"green\" accepted, found it refused".into()], vec![])
    );
    assert_eq!(
        changed(&two, &three),
        (vec![], vec!["output `colour`: expected the categories known, found also \"green\"".into()])
    );
    assert_eq!(changed(&any, &two).0, ["input `colour`: expected any text, found a list of categories"]);
    assert_eq!(
        changed(&two, &any),
        (vec![], vec!["output `colour`: expected a list of categories, found any text".into()])
    );
    let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    let many = text(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(changed(&many, &two).0[0].contains("\"4\" and 4 more accepted"));
}

#[test]
fn fields_come_and_go() {
    let (a, b) = (field("a", Datatype::Fp64), field("b", Datatype::Bool));
    let nullable = Field { nullable: true, ..b.clone() };
    let old = schema(vec![a.clone()], vec![a.clone()]);
    assert_eq!(breaking(&old, &schema(vec![a.clone(), nullable], vec![b.clone(), a.clone()])), []);
    let found = breaking(&old, &schema(vec![b.clone()], vec![b]));
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "input `a`: expected the field, found none",
            "input `b`: expected nothing, or a nullable field, found required",
            "output `a`: expected the field, found none",
        ]
    );
    assert_eq!(serde_json::to_value(&found[2]).unwrap()["side"], "outputs");
}

const CATEGORIES: [&str; 3] = ["red", "green", "blue"];

fn any_field(name: &'static str) -> impl Strategy<Value = Field> {
    let datatype = select(vec![Datatype::Fp64, Datatype::Int8, Datatype::Bytes, Datatype::Bool]);
    let edge = || prop::option::weighted(0.3, 0u8..4);
    let categories = prop::sample::subsequence(CATEGORIES.to_vec(), 0..=3);
    (datatype, any::<bool>(), edge(), edge(), categories, prop::bool::weighted(0.2)).prop_map(
        move |(datatype, nullable, low, high, categories, is_pair)| {
            let edge = |edge: Option<u8>| edge.filter(|_| datatype.is_numeric()).map(f64::from);
            Field {
                nullable,
                shape: if is_pair { vec![2] } else { vec![] },
                minimum: edge(low),
                maximum: edge(high).map(|high| high + 3.0),
                categories: if datatype == Datatype::Bytes {
                    categories.iter().map(ToString::to_string).collect()
                } else {
                    vec![]
                },
                ..field(name, datatype)
            }
        },
    )
}

/// Fields before and after: mostly the same with one thing changed, so that
/// changes which break nothing come up too.
fn field_pair(name: &'static str) -> impl Strategy<Value = (Option<Field>, Option<Field>)> {
    (any_field(name), any_field(name), 0u8..9).prop_map(|(old, other, change)| {
        let mut new = old.clone();
        match change {
            0 => return (Some(old), None),
            1 => return (None, Some(other)),
            2 => new = other,
            3 => new.nullable = other.nullable,
            4 if old.datatype.is_numeric() => new.minimum = other.minimum,
            5 if old.datatype.is_numeric() => new.maximum = other.maximum.map(|high| high.max(3.0)),
            6 if old.datatype == Datatype::Bytes && other.datatype == Datatype::Bytes => {
                new.categories = other.categories
            }
            _ => {}
        }
        (Some(old), Some(new))
    })
}

fn fields_pair() -> impl Strategy<Value = (Vec<Field>, Vec<Field>)> {
    (field_pair("a"), field_pair("b"), field_pair("c")).prop_map(|(a, b, c)| {
        let (old, new): (Vec<_>, Vec<_>) = [a, b, c].into_iter().unzip();
        (old.into_iter().flatten().collect(), new.into_iter().rev().flatten().collect())
    })
}

/// A batch that fits the fields, from a list of dice; nullable columns may be left out.
fn fitting(fields: &[Field], rows: usize, dice: &[u8]) -> Vec<NamedTensor> {
    let mut dice = dice.iter().copied().cycle();
    let mut roll = move |sides: usize| dice.next().map_or(0, usize::from) % sides;
    let mut named = Vec::new();
    for field in fields {
        if field.nullable && roll(4) == 0 {
            continue;
        }
        let count = rows * field.elements_per_row().unwrap();
        let (low, high) = match (field.minimum, field.maximum) {
            (None, None) => (-9.0, 9.0),
            (low, high) => (low.unwrap_or(-9.0), high.unwrap_or(9.0)),
        };
        // The edges come up often: they are what a wrong comparison gets wrong.
        let mut number = || [low, high, ((low + high) / 2.0).floor().max(low)][roll(3)];
        let values = match field.datatype {
            Datatype::Fp64 => Values::Fp64((0..count).map(|_| number()).collect()),
            Datatype::Int8 => Values::Int8((0..count).map(|_| number() as i8).collect()),
            Datatype::Bool => Values::Bool((0..count).map(|_| roll(2) == 0).collect()),
            _ => {
                let mut text = Text::default();
                for _ in 0..count {
                    let known = &field.categories;
                    let _ =
                        text.push(if known.is_empty() { ["red", "", "?"][roll(3)] } else { &known[roll(known.len())] });
                }
                Values::Bytes(text)
            }
        };
        let validity = (field.nullable).then(|| (0..count).map(|_| roll(3) > 0).collect());
        named.push(NamedTensor {
            name: field.name.clone(),
            tensor: Tensor { shape: field.batch_shape(rows as u64), values, validity },
        });
    }
    named
}

fn accepted(fields: &[Field], named: Vec<NamedTensor>) -> Result<Batch, String> {
    let batch = assemble(fields, named).map_err(|error| error.to_string())?;
    check(fields, &batch, 1).first().map_or(Ok(batch), |error| Err(error.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Without a break, whatever the old inputs accepted is accepted still.
    #[test]
    fn callers_are_still_understood((old, new) in fields_pair(), rows in 1usize..4, dice in prop::collection::vec(any::<u8>(), 60)) {
        let named = fitting(&old, rows, &dice);
        prop_assume!(!named.is_empty());
        prop_assert!(accepted(&old, named.clone()).is_ok());
        if breaking(&schema(old, vec![]), &schema(new.clone(), vec![])).is_empty() {
            prop_assert_eq!(accepted(&new, named).err(), None);
        }
    }

    /// Without a break, whatever the new version answers is what a reader of
    /// the old outputs is ready for.
    #[test]
    fn answers_can_still_be_read((old, new) in fields_pair(), rows in 1usize..4, dice in prop::collection::vec(any::<u8>(), 60)) {
        let answer = accepted(&new, fitting(&new, rows, &dice));
        prop_assume!(answer.is_ok() && !old.is_empty());
        if breaking(&schema(vec![], old.clone()), &schema(vec![], new.clone())).is_empty() {
            let columns = new.iter().zip(answer.unwrap().columns);
            let read: Vec<_> = columns
                .filter(|(field, _)| old.iter().any(|known| known.name == field.name))
                .map(|(field, tensor)| NamedTensor { name: field.name.clone(), tensor })
                .collect();
            prop_assert_eq!(read.len(), old.len());
            prop_assert_eq!(accepted(&old, read).err(), None);
        }
    }

    /// The report is no wider than it must be: a schema breaks nothing of itself.
    #[test]
    fn nothing_breaks_without_a_change((old, _) in fields_pair()) {
        let same = schema(old.clone(), old);
        prop_assert_eq!(breaking(&same, &same), vec![]);
    }
}
