//! Operators that encode categories, and those that choose columns.

use super::message::Told;
use super::prepare::COLUMNS_MAX;
use super::tensor::{Data, Tensor, whole};
use super::translation::Translation;
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::booster::Names;
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::Node;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of one name.
const NAME_MAX_BYTES: usize = 4_096;
/// Bytes of a LabelEncoder's keys, for all of its columns together.
const KEYS_MAX_BYTES: usize = 1 << 26;

/// Texts, or numbers.
enum List {
    Texts(Vec<String>),
    Numbers(Kind, Vec<f64>),
}

impl List {
    fn len(&self) -> usize {
        match self {
            Self::Texts(list) => list.len(),
            Self::Numbers(_, list) => list.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Texts(list) => list.iter().map(|text| text.len() + size_of::<u64>()).sum(),
            Self::Numbers(_, list) => 2 * size_of_val(list.as_slice()),
        }
    }

    /// Texts of a length that labels have.
    fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Read<Self> {
        let text = |text: &str| match text.len() {
            0..=NAME_MAX_BYTES => Ok(text.to_owned()),
            found => Err(BoosterError::wrong(format!("texts of at most {NAME_MAX_BYTES} bytes"), found)),
        };
        texts.into_iter().map(text).collect::<Read<_>>().map(Self::Texts)
    }

    fn of_tensor(tensor: Tensor<'_>) -> Read<Self> {
        match tensor.data {
            Data::Texts(list) => Self::of_texts(list),
            Data::Numbers(kind, list) => Ok(Self::Numbers(kind, list)),
        }
    }

    /// Refuses a key that comes twice, and NaN, which equals nothing.
    fn each_once(&self) -> Read<()> {
        let mut texts = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        let is_new = match self {
            Self::Texts(list) => list.iter().all(|text| texts.insert(text)),
            // Zero is one key, whatever its sign.
            Self::Numbers(_, list) => list.iter().all(|x| !x.is_nan() && numbers.insert((x + 0.0).to_bits())),
        };
        if is_new { Ok(()) } else { Err(BoosterError::wrong("each category or key once", "one twice, or NaN")) }
    }
}

impl<'a> Translation<'a> {
    pub(super) fn one_hot_encoder(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let (numbers, texts) = (told.ints("cats_int64s")?, told.texts("cats_strings")?);
        let unknown = match told.int("zeros")? {
            None | Some(1) => json!(null),
            Some(0) => json!("error"),
            Some(other) => return Err(told.wrong("zeros", "0 or 1", other)),
        };
        let value = self.operand(told, 0)?;
        let keys = match (texts.is_empty(), numbers.is_empty()) {
            (false, true) => List::of_texts(texts)?,
            (true, false) => List::Numbers(Kind::I64, whole(&numbers)?),
            _ => return Err(told.wrong("cats_int64s", "categories, either these or `cats_strings`", "both or none")),
        };
        keys.each_once()?;
        let count = keys.len();
        if count > COLUMNS_MAX {
            return Err(told.wrong("cats_int64s", format!("at most {COLUMNS_MAX} categories"), count));
        }
        let index = match (&keys, value) {
            (List::Texts(texts), Value::Texts(nodes)) if nodes.len() == 1 => {
                let categories = self.graph.texts(texts);
                let attributes = json!({"categories": categories, "unknown": unknown});
                self.graph.node("text_index", &nodes, 1, attributes)
            }
            (List::Numbers(_, list), Value::Numbers(numbers)) if numbers.node.width == 1 => {
                let x = if numbers.kind == Kind::I64 { numbers.node } else { self.truncated(numbers.node) };
                let categories = self.graph.f64s(list);
                let attributes = json!({"categories": categories, "unknown": unknown, "missing": unknown});
                self.graph.node("number_index", &[x], 1, attributes)
            }
            (_, other) => {
                let expected = "one column, of the type of the categories";
                return Err(BoosterError::wrong(expected, format!("another, or {}", other.shown())));
            }
        };
        let columns: Vec<u32> = (0u32..).take(count).collect();
        let columns = self.graph.u32s(&columns);
        let node = self.graph.node("one_hot", &[index], count, json!({"columns": columns, "width": count}));
        Ok(Value::Numbers(Numbers { node, kind: Kind::F32, form: Form::Deep }))
    }

    pub(super) fn label_encoder(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let value = self.operand(told, 0)?;
        let classes = told.texts("classes_strings")?;
        let (keys, values) = if classes.is_empty() {
            (self.list(told, "keys")?, self.list(told, "values")?)
        } else {
            let texts = List::of_texts(classes)?;
            let numbers = List::Numbers(Kind::I64, (0u32..).map(f64::from).take(texts.len()).collect());
            if matches!(value, Value::Texts(_)) { (texts, numbers) } else { (numbers, texts) }
        };
        let default = self.default(told, &values)?;
        keys.each_once()?;
        if keys.len() != values.len() {
            return Err(told.wrong("values", format!("{}, as keys", keys.len()), values.len()));
        }
        let (columns, form) = match (value, &keys) {
            (Value::Classes { index, names, form }, _) => {
                return self.renamed((index, form), &names, &keys, &values, &default);
            }
            (Value::Texts(nodes), List::Texts(_)) => (nodes, Form::Matrix),
            (Value::Numbers(numbers), List::Numbers(kind, _)) if numbers.kind == *kind => {
                (self.columns(numbers.node), numbers.form)
            }
            (other, _) => return Err(BoosterError::wrong("operands of the type of the keys", other.shown())),
        };
        if columns.len().saturating_mul(keys.bytes()) > KEYS_MAX_BYTES {
            return Err(BoosterError::wrong(format!("keys of at most {KEYS_MAX_BYTES} bytes in all columns"), "more"));
        }
        let unknown = keys.len() as f64;
        let mut indexes = Vec::new();
        for column in columns {
            let (categories, name) = match &keys {
                List::Texts(texts) => (self.graph.texts(texts), "text_index"),
                List::Numbers(_, list) => (self.graph.f64s(list), "number_index"),
            };
            let attributes = json!({"categories": categories, "unknown": unknown, "missing": unknown});
            indexes.push(self.graph.node(name, &[column], 1, attributes));
        }
        self.valued(&indexes, values, default, form)
    }

    /// What indexes of keys stand for; one behind the last is for what is no key.
    fn valued(&mut self, indexes: &[Node], values: List, default: List, form: Form) -> Read<Value<'a>> {
        match (values, default) {
            (List::Numbers(kind, list), List::Numbers(_, default)) => {
                let default = default.first().copied().unwrap_or(0.0);
                let nodes: Vec<_> = indexes.iter().map(|&index| self.looked_up(index, &list, default)).collect();
                let node = self.side_by_side(&nodes)?;
                Ok(Value::Numbers(Numbers { node, kind, form }))
            }
            (List::Texts(mut names), List::Texts(default)) => {
                names.extend(default);
                match *indexes {
                    [index] => self.classes(index, Names::Text(names), form),
                    _ => Err(BoosterError::wrong("one column where texts are made", indexes.len())),
                }
            }
            _ => Err(BoosterError::wrong("a default of the type of the values", "another")),
        }
    }

    /// Other names of labels.
    fn renamed(
        &mut self,
        (index, form): (Node, Form),
        names: &Names,
        keys: &List,
        values: &List,
        default: &List,
    ) -> Read<Value<'a>> {
        let places: Option<Vec<Option<usize>>> = match (names, keys) {
            (Names::Text(names), List::Texts(keys)) => {
                let known: BTreeMap<&String, usize> = keys.iter().zip(0..).collect();
                Some(names.iter().map(|name| known.get(name).copied()).collect())
            }
            (Names::Whole(names), List::Numbers(Kind::I64, keys)) => {
                let known: BTreeMap<u64, usize> = keys.iter().map(|x| (x + 0.0).to_bits()).zip(0..).collect();
                let names = whole(names)?;
                Some(names.iter().map(|x| known.get(&(x + 0.0).to_bits()).copied()).collect())
            }
            _ => None,
        };
        let Some(places) = places else { return Err(BoosterError::wrong("labels of the type of the keys", "others")) };
        match (values, default) {
            (List::Texts(list), List::Texts(default)) => {
                let name = |place: &Option<usize>| place.and_then(|at| list.get(at)).or(default.first()).cloned();
                let names = Names::Text(places.iter().map(|place| name(place).unwrap_or_default()).collect());
                self.classes(index, names, form)
            }
            (List::Numbers(kind, list), List::Numbers(_, default)) => {
                let number = |place: &Option<usize>| place.and_then(|at| list.get(at)).or(default.first()).copied();
                let numbers: Vec<f64> = places.iter().map(|place| number(place).unwrap_or(0.0)).collect();
                if *kind == Kind::I64 {
                    // Not above 2^53.
                    let names = Names::Whole(numbers.iter().map(|&x| x as i64).collect());
                    return self.classes(index, names, form);
                }
                let node = self.looked_up(index, &numbers, f64::NAN);
                Ok(Value::Numbers(Numbers { node, kind: *kind, form }))
            }
            _ => Err(BoosterError::wrong("a default of the type of the values", "another")),
        }
    }

    /// Keys or values: a list of one type, or a tensor.
    fn list(&mut self, told: &mut Told<'a>, what: &str) -> Read<List> {
        let name = |kind: &str| format!("{what}_{kind}");
        let texts = told.texts(&name("strings"))?;
        let (ints, floats) = (told.ints(&name("int64s"))?, told.floats(&name("floats"))?);
        let tensor = told.tensor(&name("tensor"))?.map(|tensor| self.constant(&Value::Constant(tensor))).transpose()?;
        let mut lists =
            vec![List::of_texts(texts)?, List::Numbers(Kind::I64, whole(&ints)?), List::Numbers(Kind::F32, floats)];
        lists.extend(tensor.map(List::of_tensor).transpose()?);
        lists.retain(|list| list.len() > 0);
        match (lists.pop(), lists.is_empty()) {
            (Some(list), true) => Ok(list),
            _ => Err(told.wrong(&name("strings"), format!("{what} of one type"), "none, or of several")),
        }
    }

    /// What stands for no key.
    fn default(&mut self, told: &mut Told<'a>, values: &List) -> Read<List> {
        let text = told.text_or("default_string", "_Unused")?;
        let (int, float) = (told.int("default_int64")?.unwrap_or(-1), told.float("default_float")?.unwrap_or(-0.0));
        if let Some(tensor) = told.tensor("default_tensor")? {
            return self.constant(&Value::Constant(tensor)).and_then(List::of_tensor);
        }
        Ok(match values {
            List::Texts(_) => List::of_texts([text])?,
            List::Numbers(Kind::I64, _) => List::Numbers(Kind::I64, whole(&[int])?),
            List::Numbers(kind, _) => List::Numbers(*kind, vec![float]),
        })
    }

    pub(super) fn array_feature_extractor(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let (from, which) = (self.operand(told, 0)?, self.operand(told, 1)?);
        if let (Value::Constant(_), Value::Classes { index, names, form }) = (&from, &which)
            && let Names::Whole(indexes) = &**names
        {
            let tensor = self.constant(&from)?;
            let names = chosen_names(tensor, indexes)?;
            return self.classes(*index, names, *form);
        }
        let indexes = self.constant(&which)?.whole()?;
        let width = match &from {
            Value::Numbers(numbers) => numbers.node.width,
            Value::Texts(nodes) => nodes.len(),
            other => return Err(BoosterError::wrong("a matrix, or classes and a label", other.shown())),
        };
        let index = |&at: &i64| u32::try_from(at).ok().filter(|&at| (at as usize) < width);
        let columns: Option<Vec<u32>> = indexes.iter().map(index).collect();
        let columns = columns.filter(|columns| (1..=COLUMNS_MAX).contains(&columns.len()));
        let Some(columns) = columns else {
            return Err(BoosterError::wrong(format!("1 to {COLUMNS_MAX} columns below {width}"), "others"));
        };
        match from {
            Value::Texts(nodes) => {
                let chosen = columns.iter().filter_map(|&at| nodes.get(at as usize).copied());
                self.texts(chosen.collect())
            }
            from => {
                let numbers = self.numbers(from)?;
                let count = columns.len();
                let columns = self.graph.u32s(&columns);
                let node = self.graph.node("select", &[numbers.node], count, json!({"columns": columns}));
                Ok(Value::Numbers(Numbers { node, ..numbers }))
            }
        }
    }
}

/// The names that stand at these places of a constant.
fn chosen_names(tensor: Tensor<'_>, indexes: &[i64]) -> Read<Names> {
    let wrong = || BoosterError::wrong("a constant of labels for each index", "fewer, or another type");
    let at = |&index: &i64| usize::try_from(index).map_err(|_| wrong());
    match List::of_tensor(tensor)? {
        List::Texts(list) => {
            let name = |index| list.get(at(index)?).cloned().ok_or_else(wrong);
            indexes.iter().map(name).collect::<Read<_>>().map(Names::Text)
        }
        List::Numbers(Kind::I64, list) => {
            // Not above 2^53.
            let name = |index| list.get(at(index)?).map(|&x| x as i64).ok_or_else(wrong);
            indexes.iter().map(name).collect::<Read<_>>().map(Names::Whole)
        }
        List::Numbers(..) => Err(wrong()),
    }
}
