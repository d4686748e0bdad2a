//! Whether JSON is read strictly, and said in whole sentences what is wrong with it.

use proptest::prelude::*;
use scry_card::strict;
use scry_card::{Card, Golden};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Inner {
    whole: u32,
    real: f64,
    kind: Option<Kind>,
    list: Vec<i8>,
    by_name: BTreeMap<Kind, bool>,
    pair: Option<(u8, u8)>,
    any: Value,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Plain,
    Holding(Box<Kind>),
    Having { a: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    text: String,
    #[serde(default)]
    inner: Inner,
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (json, says) in [
        ("", "expected a value, found the end (line 1, column 1)"),
        ("[\"x\"]", "expected an object, found a list"),
        ("null", "expected an object, found null"),
        ("{}", "`text`: expected a value, found nothing"),
        (r#"{"text":null}"#, "`text`: expected a value, found nothing"),
        (r#"{"text":1}"#, "`text`: expected a string, found 1"),
        (r#"{"text":"a","text":"b"}"#, "`text`: expected the member once, found it twice"),
        (r#"{"text":"a","t\u0065xt":"b"}"#, "`text`: expected the member once, found it twice"),
        (r#"{"text":"a","more":{"b":[{"c":1,"c":2}]}}"#, "`more.b[0].c`: expected the member once, found it twice"),
        (r#"{"text":"a","more":1}"#, "`more`: expected one of text, inner, found an unknown member"),
        (r#"{"text":"a","more":null}"#, "`more`: expected one of text, inner, found an unknown member"),
        (r#"{"text":"a","inner":[1]}"#, "`inner`: expected an object, found a list"),
        (
            r#"{"text":"a","inner":{"whole":1.0}}"#,
            "`inner.whole`: expected a whole number from 0 to 4294967295, found 1.0",
        ),
        (
            r#"{"text":"a","inner":{"whole":-1}}"#,
            "`inner.whole`: expected a whole number from 0 to 4294967295, found -1",
        ),
        (r#"{"text":"a","inner":{"real":"1"}}"#, "`inner.real`: expected a number, found \"1\""),
        (
            r#"{"text":"a","inner":{"real":1e400}}"#,
            "`inner.real`: expected a number within the range of FP64, found 1e400",
        ),
        (
            r#"{"text":"a","inner":{"list":[1,true]}}"#,
            "`inner.list[1]`: expected a whole number from -128 to 127, found true",
        ),
        (r#"{"text":"a","inner":{"list":{}}}"#, "`inner.list`: expected a list, found an object"),
        (
            r#"{"text":"a","inner":{"kind":"plane"}}"#,
            "`inner.kind`: expected one of plain, holding, having, found \"plane\"",
        ),
        (
            r#"{"text":"a","inner":{"kind":{"holding":7}}}"#,
            "`inner.kind.holding`: expected one of plain, holding, having, found 7",
        ),
        (r#"{"text":"a","inner":{"kind":{"having":[1]}}}"#, "`inner.kind.having`: expected an object, found a list"),
        (r#"{"text":"a","inner":{"by_name":{"plain":1}}}"#, "`inner.by_name.plain`: expected true or false, found 1"),
        (
            r#"{"text":"a","inner":{"by_name":{"plane":true}}}"#,
            "`inner.by_name.plane`: expected one of plain, holding, having, found \"plane\"",
        ),
        (r#"{"text":"a","inner":{"pair":[1,2,3]}}"#, "`inner.pair`: expected a list of 2, found a longer one"),
        ("{\"text\":\"a\"\n, x}", "expected a member's name, found `x` (line 2, column 3)"),
        (r#"{"text":NaN}"#, "`text`: expected a value, found `NaN` (line 1, column 9)"),
        (r#"{"text":"a"} 1"#, "expected the end, found `1` (line 1, column 14)"),
        (r#"{"text":01}"#, "expected `,` or `}`, found `1` (line 1, column 10)"),
        (r#"{"text":1.}"#, "`text`: expected a digit, found `}` (line 1, column 11)"),
        (r#"{"text":"a\x"}"#, "`text`: expected an escape of JSON's, found `\\x` (line 1, column 11)"),
        (r#"{"text":"\ud800"}"#, "`text`: expected a pair of surrogates, found `\\ud800` alone (line 1, column 10)"),
        (r#"{"text":"\udc00"}"#, "`text`: expected a pair of surrogates, found `\\udc00` alone (line 1, column 10)"),
        ("{\"text\":\"a\0\"}", "`text`: expected `\"`, found the control character U+0000 (line 1, column 11)"),
        ("{\"text\":\"a", "`text`: expected `\"`, found the end (line 1, column 11)"),
        ("\u{feff}{}", "expected a value, found `\u{feff}` (line 1, column 1)"),
    ] {
        let error = strict::from_slice::<Outer>(json.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, says, "{json}");
    }
    let error = strict::from_slice::<Outer>(b"{\"text\":\"\xff\"}").unwrap_err().to_string();
    assert_eq!(error, "expected UTF-8, found the byte 0xff (line 1, column 10)");
    let deep = format!("{}1{}", "[".repeat(129), "]".repeat(129));
    let error = strict::value(deep.as_bytes()).unwrap_err().to_string();
    assert!(error.ends_with("expected at most 128 levels, found a deeper one (line 1, column 129)"), "{error}");
    assert!(strict::value(&deep.as_bytes()[1..deep.len() - 1]).is_ok());
}

#[test]
fn errors_are_short_however_long_the_document_is() {
    let long = "x".repeat(100_000);
    for json in [
        json!({ "text": 1, long.clone(): 2 }),
        json!({ "text": "a", "inner": { "whole": long } }),
        json!({ "text": "a", "inner": { "kind": long } }),
    ] {
        let error = strict::from_slice::<Outer>(json.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 250, "{} bytes", error.len());
    }
}

#[test]
fn null_is_absence_and_minus_zero_a_whole_number() {
    let read = strict::from_slice::<Outer>(
        br#"{"text":"\ud83d\ude00\u0000","inner":{"whole":-0,"real":null,"kind":null,"list":null,"any":{"a":null,"b":-0,"c":-0.0}}}"#,
    )
    .unwrap();
    let any = json!({ "a": null, "b": 0, "c": -0.0 });
    assert_eq!(read, Outer { text: "\u{1f600}\0".into(), inner: Inner { any: any.clone(), ..Inner::default() } });
    assert!(read.inner.any["b"].is_u64() && read.inner.any["c"].is_f64());
    let kinds = strict::from_slice::<Vec<Kind>>(br#"["plain",{"holding":"plain"},{"having":{"a":3}},{"plain":null}]"#);
    assert_eq!(kinds.unwrap(), [Kind::Plain, Kind::Holding(Box::new(Kind::Plain)), Kind::Having { a: 3 }, Kind::Plain]);
}

#[test]
fn files_of_a_model_are_read_so() {
    let card = r#"{"card_version":1,"name":"m","description":"","schema":[[],[],[]]}"#;
    assert!(serde_json::from_str::<Card>(card).is_ok(), "the derived reader takes a list");
    let error = strict::from_slice::<Card>(card.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "`schema`: expected an object, found a list");
    let golden = r#"{"examples":[{"name":"e","inputs":[{"x":1,"x":2}],"outputs":[]}]}"#;
    let error = strict::from_slice::<Golden>(golden.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "`examples[0].inputs[0].x`: expected the member once, found it twice");
}

/// A value as serde_json reads it, but no member twice.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Once)? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Once)?;
            if map.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("twice"));
            }
        }
        Ok(map.into())
    }
}

fn once(json: &[u8]) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Once.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

/// Whether it says `-0`, which the two read differently.
fn says_minus_zero(json: &[u8]) -> bool {
    json.windows(2).any(|pair| pair == b"-0")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a\"\\\\\u{0}-\u{20}é😀]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[ab\"é]{0,2}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// What is JSON is read, to the bit.
    #[test]
    fn what_is_written_is_read(value in value()) {
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(strict::value(json.as_bytes()).map(|read| read.to_string()), Ok(value.to_string()));
        }
    }

    /// With a byte changed, put in or left out: read where serde_json reads it, and as that does.
    #[test]
    fn what_is_not_json_is_refused(value in value(), at in any::<prop::sample::Index>(), with in any::<u8>(), how in 0..3, also in "[{}\\[\\],:\"a\\\\u0-9eE.+\\- ]?") {
        let mut json = value.to_string().into_bytes();
        let at = at.index(json.len());
        match how {
            0 => json[at] = with,
            1 => drop(json.remove(at)),
            _ => drop(json.splice(at..at, also.bytes())),
        }
        prop_assume!(!says_minus_zero(&json));
        prop_assert_eq!(strict::value(&json).ok(), once(&json), "{}", String::from_utf8_lossy(&json));
        let mut walker = strict::Walker::new(&json).ok();
        let skipped = walker.as_mut().is_some_and(|walker| walker.skip().is_ok() && walker.end().is_ok());
        // What is skipped may be out of the range of numbers, and nothing else.
        prop_assert!(!skipped || strict::value(&json).is_ok() || json.iter().any(|byte| matches!(byte, b'e' | b'E' | b'0'..=b'9')));
        prop_assert!(skipped || strict::value(&json).is_err());
    }

    /// Members of few names: one that comes twice is refused wherever it is.
    #[test]
    fn a_member_that_comes_twice_is_refused(names in prop::collection::vec("[ab]|\\\\u006[12]", 0..4), depth in 0..3_usize) {
        let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":1")).collect();
        let json = format!("{}{{{}}}{}", "[{\"o\":".repeat(depth), members.join(","), "}]".repeat(depth));
        prop_assert_eq!(strict::value(json.as_bytes()).ok(), once(json.as_bytes()));
        let mut walker = strict::Walker::new(json.as_bytes()).unwrap();
        prop_assert_eq!(walker.skip().is_ok(), once(json.as_bytes()).is_some());
    }
}
