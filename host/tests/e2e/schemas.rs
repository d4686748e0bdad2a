//! The published JSON Schemas, and whether they are true of real files.

use crate::support::data::{read_json, run, spread};
use crate::support::{Ran, example, guest, root, scry};
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::Index;
use scry_card::properties::Properties;
use scry_card::stats::References;
use scry_card::{Card, Golden, strict};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;

const DOCUMENTS: [&str; 4] = ["card", "golden", "properties", "reference"];

fn path(document: &str) -> PathBuf {
    root().join("docs/schemas").join(format!("{document}.schema.json"))
}

fn validator(document: &str) -> Validator {
    let schema = read_json(path(document));
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// The published schemas, in the order of `DOCUMENTS`.
static VALIDATORS: LazyLock<[Validator; 4]> = LazyLock::new(|| DOCUMENTS.map(validator));

/// What is wrong with a file by its schema.
fn wrong(document: usize, content: &Value) -> Vec<String> {
    let errors = VALIDATORS[document].iter_errors(content);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn card_of(component: &std::path::Path) -> Value {
    Ran::of(scry().arg("inspect").arg(component).arg("--json")).ok().json()["card"].clone()
}

/// Whether what reads such a file takes it; of properties as those of `checked`.
fn is_read(document: usize, content: &Value, checked: &Card) -> bool {
    let json = content.to_string();
    match DOCUMENTS[document] {
        "card" => strict::from_slice::<Card>(json.as_bytes()).is_ok_and(|card| card.validate().is_ok()),
        "golden" => strict::from_slice::<Golden>(json.as_bytes()).is_ok(),
        "properties" => {
            strict::from_slice::<Properties>(json.as_bytes()).is_ok_and(|read| read.validate(&checked.schema).is_ok())
        }
        _ => References::from_file(json.as_bytes()).is_ok(),
    }
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    for document in DOCUMENTS {
        let given = Ran::of(scry().args(["schema", document])).ok().stdout;
        let path = path(document);
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        let advice = format!("write it anew: scry schema {document} > {}", path.display());
        assert!(given == published, "the types give another schema; {advice}");
    }
    Ran::of(scry().args(["schema", "nonsense"])).code(2);
}

#[test]
fn cards_and_files_of_real_models_are_as_their_schemas_say() {
    let dir = tempfile::tempdir().unwrap();
    let mut found = [0; 4];
    let mut check = |document: usize, of: &str, content: &Value| {
        assert_eq!(wrong(document, content), [""; 0], "{} of {of}", DOCUMENTS[document]);
        found[document] += 1;
    };
    for (name, component, folder) in ["bikeshare", "bikeshare-linear", "digits"]
        .map(|name| (name, example(name), "examples"))
        .into_iter()
        .chain(["checked", "steady", "hostile"].map(|name| (name, guest(name), "tests/guests")))
    {
        check(0, name, &card_of(&component.path));
        for (at, document) in DOCUMENTS.iter().enumerate() {
            let file = root().join(folder).join(name).join(format!("{document}.json"));
            if file.exists() {
                check(at, name, &read_json(file));
            }
        }
    }
    // Every kind of column, with gaps and with numbers that are none.
    let lines = (0..300).map(|row| match row % 3 {
        0 => format!("{},inf,,true,{row}\n", spread(row)),
        1 => format!("{},NaN,paris,false,\n", spread(row) * 1e300),
        _ => format!(",{},rome,,{row}\n", spread(row)),
    });
    std::fs::write(dir.path().join("t.csv"), format!("x,y,city,member,n\n{}", lines.collect::<String>())).unwrap();
    run(&dir, &["profile", "t.csv", "--data-until", "2026-06-30"]).ok();
    check(3, "t.csv", &read_json(dir.path().join("reference.json")));
    assert_eq!(found, [6, 6, 2, 2]);
}

#[test]
fn what_a_card_must_not_hold_is_refused_by_its_schema_as_by_its_reader() {
    let card = card_of(&guest("checked").path);
    let checked = Card::from_json(card.to_string().as_bytes()).unwrap();
    for (pointer, value) in [
        ("/card_version", json!(2)),
        ("/name", json!("Churn!")),
        ("/owner", json!(7)),
        ("/max_age", json!("90 days")),
        ("/max_age", json!("PT")),
        ("/colour", json!("blue")),
        ("/schema/outputs", json!([])),
        ("/schema/inputs/0/datatype", json!("FP128")),
        ("/schema/inputs/0/shape", json!([0])),
        ("/schema/inputs/0/minimum", json!("0")),
        ("/schema/inputs/0/name", json!("")),
        ("/checks/policies/range", json!("ignore")),
        ("/checks/policies/ranges", json!("warn")),
        ("/checks/policies/missing", json!("warn")),
        ("/checks/policies/type", json!("fallback")),
        ("/checks/fields/income/policies/rule", json!("warn")),
        ("/checks/fields/income/null_share_max", json!(1)),
        ("/checks/rules/0/policy", json!("reject-row")),
        ("/checks/rules/0/expression", json!("")),
    ] {
        let mut changed = card.clone();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[member.parse::<usize>().unwrap()] = value.clone(),
            object => object[member] = value.clone(),
        }
        assert!(!is_read(0, &changed, &checked), "{pointer} = {value} is read");
        assert!(!wrong(0, &changed).is_empty(), "{pointer} = {value} is as the schema says");
    }
}

/// Every place in a document.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            places(member, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, element)| places(element, format!("{at}/{i}"), found))
        }
        _ => {}
    }
    found.push(at);
}

/// Files that are read, and the card that their properties are of.
static READ: LazyLock<(Vec<(usize, Value)>, Card)> = LazyLock::new(|| {
    let checked = root().join("tests/guests/checked");
    let bikeshare = root().join("examples/bikeshare");
    let card = card_of(&guest("checked").path);
    let files = vec![
        (0, card.clone()),
        (0, card_of(&example("bikeshare").path)),
        (1, read_json(checked.join("golden.json"))),
        (2, read_json(checked.join("properties.json"))),
        (
            2,
            json!({ "rows": 7, "properties": [{
            "name": "p", "where": "start > 0",
            "claim": { "increases": { "input": "amount", "output": "risk", "strictly": true } },
        }] }),
        ),
        (3, read_json(bikeshare.join("reference.json"))),
    ];
    (files, Card::from_json(card.to_string().as_bytes()).unwrap())
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// A schema that refused what is read would have people mend what is whole.
    #[test]
    fn whatever_is_read_is_as_its_schema_says(which in any::<Index>(), changes in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>()), 1..3)) {
        let (files, checked) = &*READ;
        let (document, original) = which.get(files);
        let pool = json!([
            null, true, 0, 1, -1, 2, 0.5, -0.0, 1e300, 4294967296_u64, "", "p", "P1D", "P2WT5S", "warn", "fallback", "reject", "FP64",
            "BYTES", "batch", [], [1], ["p", "batch"], {}, { "range": "warn" }, { "invariant": { "input": "note" } }, "2026-06-30",
        ]);
        let mut changed = original.clone();
        for (place, from, other) in changes {
            let mut all = Vec::new();
            places(&changed, String::new(), &mut all);
            let value = match from.index(4) {
                // Something from elsewhere in the file may well be right here.
                0 => changed.pointer(other.get(&all).as_str()).unwrap().clone(),
                _ => other.get(pool.as_array().unwrap()).clone(),
            };
            let pointer = place.get(&all);
            match from.index(5) {
                0 => {
                    let Some((parent, member)) = pointer.rsplit_once('/') else { continue };
                    if let Some(members) = changed.pointer_mut(parent).and_then(Value::as_object_mut) {
                        members.remove(member);
                    }
                }
                _ => *changed.pointer_mut(pointer).unwrap() = value,
            }
        }
        if is_read(*document, &changed, checked) {
            prop_assert_eq!(wrong(*document, &changed), Vec::<String>::new(), "{} {}", DOCUMENTS[*document], changed);
        }
    }
}
