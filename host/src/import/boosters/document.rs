//! What XGBoost and CatBoost write, JSON or UBJ, as one kind of document: the members that are read
//! here, and lists of numbers as such.
//!
//! Never keeps a member that is not known, and never says what one means.

use super::error::BoosterError;
use scry_card::strict::{self, Error, Walker};

/// Values of a document, but for numbers in lists of them.
const VALUES_MAX: usize = 1 << 21;

/// The members that are read of a document; others are skipped.
const ROOT: [&str; 7] =
    ["features_info", "learner", "model_info", "oblivious_trees", "scale_and_bias", "trees", "version"];
/// Members below XGBoost's `learner`. Numbers that may be NaN, which JSON has not, are read though
/// nothing needs them.
const XGBOOST: [&str; 38] = [
    "attributes",
    "base_score",
    "base_weights",
    "best_iteration",
    "categories",
    "categories_nodes",
    "categories_segments",
    "categories_sizes",
    "cats",
    "default_left",
    "enc",
    "feature_names",
    "feature_types",
    "gbtree",
    "gradient_booster",
    "iteration_indptr",
    "learner_model_param",
    "left_children",
    "loss_changes",
    "model",
    "name",
    "num_class",
    "num_feature",
    "num_target",
    "objective",
    "offsets",
    "right_children",
    "scikit_learn",
    "size_leaf_vector",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
    "tree_info",
    "tree_param",
    "trees",
    "values",
    "weight_drop",
];
/// The members of CatBoost's documents.
const CATBOOST: [&str; 21] = [
    "border",
    "categorical_features",
    "class_label_type",
    "class_names",
    "class_params",
    "embedding_features",
    "feature_id",
    "flat_feature_index",
    "float_feature_index",
    "float_features",
    "leaf_values",
    "left",
    "loss_function",
    "nan_value_treatment",
    "params",
    "right",
    "split",
    "splits",
    "text_features",
    "type",
    "value",
];

/// The known member of this name, of XGBoost.
pub(super) fn member(name: &str) -> Option<&'static str> {
    ROOT.into_iter().chain(XGBOOST).find(|known| *known == name)
}

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(String),
    /// Numbers alone, or nothing. True is 1.
    Numbers(Vec<f64>),
    List(Vec<Value>),
    Object(Vec<(&'static str, Value)>),
}

/// Counts values, since each takes room.
#[derive(Debug, Default)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn spend(&mut self) -> Result<(), Error> {
        self.0 += 1;
        if self.0 > VALUES_MAX {
            return Err(Error::wrong(format!("a file of at most {VALUES_MAX} values"), "more"));
        }
        Ok(())
    }
}

/// Reads JSON.
pub(super) fn from_json(json: &[u8]) -> Result<Value, Error> {
    let mut walker = Walker::new(json)?;
    let value = value(&mut walker, &ROOT, &mut Budget::default())?;
    walker.end()?;
    Ok(value)
}

fn value(walker: &mut Walker<'_>, known: &[&'static str], budget: &mut Budget) -> Result<Value, Error> {
    budget.spend()?;
    Ok(match walker.peek() {
        Some(b'{') => {
            let mut members = Vec::new();
            walker.object(known, |walker, name| {
                let below: &[&'static str] = match (known == ROOT, name) {
                    (true, "learner") => &XGBOOST,
                    (true, _) => &CATBOOST,
                    (false, _) => known,
                };
                members.push((name, value(walker, below, budget)?));
                Ok::<_, Error>(())
            })?;
            Value::Object(members)
        }
        Some(b'[') => {
            let mut list = List::default();
            walker.list(|walker, _| {
                match walker.peek() {
                    Some(b'-' | b'0'..=b'9' | b'N' | b'I') if list.values.is_empty() => {
                        list.numbers.push(number(walker)?)
                    }
                    Some(b't' | b'f') if list.values.is_empty() => list.numbers.push(truth(walker)?),
                    _ => list.push(value(walker, known, budget)?),
                }
                Ok::<_, Error>(())
            })?;
            list.end()
        }
        Some(b'"') => Value::Text(walker.text()?.into_owned()),
        Some(b't' | b'f') => Value::Number(truth(walker)?),
        _ => Value::Number(number(walker)?),
    })
}

/// A number of JSON, or one that XGBoost writes where JSON has none.
fn number(walker: &mut Walker<'_>) -> Result<f64, Error> {
    const WORDS: [(&[u8], f64); 3] =
        [(b"NaN", f64::NAN), (b"Infinity", f64::INFINITY), (b"-Infinity", f64::NEG_INFINITY)];
    let word = |text| WORDS.iter().find_map(|&(word, x)| Some((x, <[u8]>::strip_prefix(text, word)?)));
    if let Some(number) = walker.by(word) {
        return Ok(number);
    }
    let number: f64 = walker.number()?.parse().unwrap_or(f64::INFINITY);
    if number.is_finite() { Ok(number) } else { Err(Error::wrong("a number within the range of FP64", "a larger one")) }
}

fn truth(walker: &mut Walker<'_>) -> Result<f64, Error> {
    Ok(f64::from(u8::from(walker.literal()?.unwrap_or_default())))
}

/// A list of which only the elements say whether it holds numbers alone.
#[derive(Default)]
pub(super) struct List {
    pub(super) numbers: Vec<f64>,
    pub(super) values: Vec<Value>,
}

impl List {
    pub(super) fn push(&mut self, value: Value) {
        match value {
            Value::Number(number) if self.values.is_empty() => self.numbers.push(number),
            value => {
                self.values.extend(std::mem::take(&mut self.numbers).into_iter().map(Value::Number));
                self.values.push(value);
            }
        }
    }

    pub(super) fn end(self) -> Value {
        if self.values.is_empty() { Value::Numbers(self.numbers) } else { Value::List(self.values) }
    }
}

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// An error that names the place.
    pub(super) fn wrong(&self, expected: impl Into<String>, found: impl ToString) -> BoosterError {
        BoosterError::wrong(expected, found).at(format!("`{}`", self.path))
    }

    fn other(&self, expected: &str) -> BoosterError {
        let found = match self.value {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => format!("{:?}", strict::cut(text)),
            Value::Numbers(_) | Value::List(_) => "a list".into(),
            Value::Object(_) => "an object".into(),
        };
        self.wrong(expected, found)
    }

    /// A member that may be absent.
    pub(super) fn get(&self, name: &str) -> Result<Option<Self>, BoosterError> {
        let Value::Object(members) = self.value else { return Err(self.other("an object")) };
        let path = || if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Ok(members.iter().find(|(known, _)| *known == name).map(|(_, value)| Self { value, path: path() }))
    }

    pub(super) fn member(&self, name: &str) -> Result<Self, BoosterError> {
        match self.get(name)? {
            Some(member) => Ok(member),
            None => {
                let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
                Err(BoosterError::wrong("a value", "nothing").at(format!("`{path}`")))
            }
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Result<impl ExactSizeIterator<Item = Self> + use<'a>, BoosterError> {
        let values: &'a [Value] = match self.value {
            Value::List(values) => values,
            Value::Numbers(none) if none.is_empty() => &[],
            _ => return Err(self.other("a list")),
        };
        let path = self.path.clone();
        Ok(values.iter().enumerate().map(move |(i, value)| Self { value, path: format!("{path}[{i}]") }))
    }

    pub(super) fn number(&self) -> Result<f64, BoosterError> {
        match self.value {
            Value::Number(number) => Ok(*number),
            _ => Err(self.other("a number")),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, BoosterError> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.other("a text")),
        }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, BoosterError> {
        self.list()?.map(|text| text.text().map(str::to_owned)).collect()
    }

    pub(super) fn numbers(&self) -> Result<&'a [f64], BoosterError> {
        match self.value {
            Value::Numbers(numbers) => Ok(numbers),
            _ => Err(self.other("a list of numbers")),
        }
    }

    /// A list of numbers, or one that stands alone.
    pub(super) fn one_or_more(&self) -> Result<&'a [f64], BoosterError> {
        match self.value {
            Value::Number(number) => Ok(std::slice::from_ref(number)),
            _ => self.numbers(),
        }
    }

    /// `count` numbers.
    pub(super) fn numbers_of(&self, count: usize) -> Result<&'a [f64], BoosterError> {
        match self.numbers()? {
            numbers if numbers.len() == count => Ok(numbers),
            numbers => Err(self.wrong(format!("{count} numbers"), numbers.len())),
        }
    }

    /// A whole number below a limit.
    pub(super) fn index(&self, below: usize) -> Result<usize, BoosterError> {
        self.whole(self.number()?, below)
    }

    /// A number of this list as a whole one below a limit.
    pub(super) fn whole(&self, number: f64, below: usize) -> Result<usize, BoosterError> {
        if number >= 0.0 && number.fract() == 0.0 && number < below as f64 {
            // Less than `below`.
            return Ok(number as usize);
        }
        Err(self.wrong(format!("whole numbers below {below}"), number))
    }

    /// A text that is a whole number below a limit.
    pub(super) fn count(&self, below: usize) -> Result<usize, BoosterError> {
        let count = self.text()?.parse().ok().filter(|&count: &usize| count < below);
        count.ok_or_else(|| self.other(&format!("a text that is a whole number below {below}")))
    }
}
