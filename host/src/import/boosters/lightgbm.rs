//! LightGBM's text: a head of words, trees of lists, parameters, and the categories of a frame.
//!
//! Never takes a file that was cut: `end of trees` has to come.

use super::booster::{Answer, Booster, Columns, Levels, Names, TREES_MAX, WIDTH_MAX};
use super::error::{BoosterError, Read};
use super::forest::{CATEGORICAL, Forest, MISSING_LEFT, MISSING_ZERO, Part, Split, Sums, ZERO_MISSING};
use crate::import::graph::{Graph, Node};
use scry_card::strict;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Words of one part of the text, each with its line.
struct Words<'a> {
    line: usize,
    words: BTreeMap<&'a str, (usize, &'a str)>,
}

/// A text in its parts.
struct Parts<'a> {
    head: Words<'a>,
    trees: Vec<Words<'a>>,
    is_average: bool,
    /// What follows the trees.
    rest: Vec<(&'a str, usize)>,
}

pub(super) fn read(file: &[u8]) -> Read<Booster> {
    let text = std::str::from_utf8(file).map_err(|error| {
        let before = file.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        BoosterError::wrong("UTF-8", "other bytes").at(format!("line {line}"))
    })?;
    let Parts { head, trees, is_average, rest } = split(text)?;
    let version = head.text("version")?;
    if !matches!(version, "v3" | "v4") {
        return Err(head.wrong("version", "v3 or v4", version));
    }
    let features = head.number::<usize>("max_feature_idx", "a whole number")?.saturating_add(1);
    let each = head.number::<usize>("num_tree_per_iteration", "a whole number")?;
    if each >= WIDTH_MAX {
        return Err(head.wrong("num_tree_per_iteration", format!("a number below {WIDTH_MAX}"), each));
    }
    if each == 0 || trees.is_empty() || !trees.len().is_multiple_of(each) {
        let expected = format!("trees, a multiple of {each} (`num_tree_per_iteration`)");
        return Err(BoosterError::wrong(expected, trees.len()).at("the trees"));
    }
    let names: Vec<_> = head.text("feature_names")?.split(' ').map(str::to_owned).collect();
    if names.len() != features {
        return Err(head.wrong("feature_names", format!("{features} names (`max_feature_idx`)"), names.len()));
    }
    let levels = levels(&head, &rest, &names)?;
    let mut graph = Graph::default();
    let columns = Columns::new(&mut graph, names.into_iter().zip(levels))?;
    let mut forest = Forest::default();
    for (words, target) in trees.iter().zip((0u32..).take(each).cycle()) {
        tree(words, features, target, &mut forest).map_err(|error| error.at(format!("line {}", words.line)))?;
    }
    let divide = is_average.then(|| (trees.len() / each) as f64);
    let sums = Sums { compare_f32: false, add_f32: false, initial: &vec![0.0; each], divide };
    let raw = forest.node(&mut graph, columns.features, &sums, true);
    let objective = head.words.get("objective").map_or("", |&(_, objective)| objective);
    let answer = answer(&mut graph, raw, objective)?;
    let told = objective.split(' ').next().filter(|name| !name.is_empty()).unwrap_or("no objective");
    Ok(Booster { graph, columns, answer, description: format!("LightGBM ({})", strict::cut(told)), labels: Vec::new() })
}

/// Takes a text apart.
fn split(text: &str) -> Read<Parts<'_>> {
    let mut lines = text.lines().zip(1usize..);
    let (mut parts, mut is_average) = (Vec::new(), false);
    let mut words = Words { line: 1, words: BTreeMap::new() };
    let mut last = 0;
    let head_and_trees = loop {
        let Some((line, number)) = lines.next() else {
            return Err(BoosterError::wrong("`end of trees`", "the end").at(format!("line {}", last + 1)));
        };
        last = number;
        if line == "end of trees" {
            parts.push(words);
            break parts;
        }
        if line.starts_with("Tree=") {
            if parts.len() > TREES_MAX {
                return Err(BoosterError::wrong(format!("at most {TREES_MAX} trees"), "more"));
            }
            parts.push(std::mem::replace(&mut words, Words { line: number, words: BTreeMap::new() }));
        } else if let Some((name, value)) = line.split_once('=') {
            if words.words.insert(name, (number, value)).is_some() {
                let place = format!("line {number}, `{}`", strict::cut(name));
                return Err(BoosterError::wrong("the word once", "it twice").at(place));
            }
        } else if line == "average_output" && parts.is_empty() {
            is_average = true;
        }
    };
    let mut parts = head_and_trees.into_iter();
    let head = parts.next().unwrap_or(Words { line: 1, words: BTreeMap::new() });
    Ok(Parts { head, trees: parts.collect(), is_average, rest: lines.collect() })
}

impl<'a> Words<'a> {
    fn wrong(&self, name: &str, expected: impl Into<String>, found: impl ToString) -> BoosterError {
        let line = self.words.get(name).map_or(self.line, |&(line, _)| line);
        BoosterError::wrong(expected, found).at(format!("line {line}, `{name}`"))
    }

    fn text(&self, name: &str) -> Read<&'a str> {
        self.words.get(name).map(|&(_, value)| value).ok_or_else(|| self.wrong(name, "a value", "nothing"))
    }

    fn parsed<T: FromStr>(&self, name: &str, word: &str, expected: &str) -> Read<T> {
        word.parse().map_err(|_| self.wrong(name, expected, format!("{:?}", strict::cut(word))))
    }

    fn number<T: FromStr>(&self, name: &str, expected: &str) -> Read<T> {
        self.parsed(name, self.text(name)?, expected)
    }

    fn any<T: FromStr>(&self, name: &str, expected: &str) -> Read<Vec<T>> {
        self.text(name)?.split_ascii_whitespace().map(|word| self.parsed(name, word, expected)).collect()
    }

    fn list<T: FromStr>(&self, name: &str, count: usize, expected: &str) -> Read<Vec<T>> {
        // A tree without splits need not have the list.
        let list = if count == 0 && !self.words.contains_key(name) { Vec::new() } else { self.any(name, expected)? };
        if list.len() == count {
            return Ok(list);
        }
        Err(self.wrong(name, format!("{count} values"), list.len()))
    }
}

/// Adds one tree.
fn tree(words: &Words<'_>, features: usize, target: u32, forest: &mut Forest) -> Read<()> {
    if words.words.get("is_linear").is_some_and(|&(_, is)| is != "0") {
        return Err(BoosterError::refused(
            "its leaves are linear models (linear_tree)",
            "train it with linear_tree=False",
        ));
    }
    let leaves: Vec<f64> = words.any("leaf_value", "numbers")?;
    let count: usize = words.number("num_leaves", "a whole number")?;
    if leaves.is_empty() || leaves.len() != count || !leaves.iter().all(|leaf| leaf.is_finite()) {
        return Err(words.wrong("leaf_value", format!("{count} finite numbers (`num_leaves`)"), leaves.len()));
    }
    let splits = leaves.len() - 1;
    let feature: Vec<usize> = words.list("split_feature", splits, "whole numbers")?;
    let threshold: Vec<f64> = words.list("threshold", splits, "numbers")?;
    let kind: Vec<u8> = words.list("decision_type", splits, "whole numbers from 0 to 255")?;
    let left: Vec<i32> = words.list("left_child", splits, "whole numbers")?;
    let right: Vec<i32> = words.list("right_child", splits, "whole numbers")?;
    if let Some(feature) = feature.iter().find(|&&feature| feature >= features) {
        return Err(words.wrong("split_feature", format!("whole numbers below {features}"), feature));
    }
    let sets = sets(words, forest)?;
    let split = |at: usize| {
        let (&feature, &threshold, &kind) = (feature.get(at)?, threshold.get(at)?, kind.get(at)?);
        let split =
            Split { flags: flags(kind), feature, threshold, set: 0, left: *left.get(at)?, right: *right.get(at)? };
        Some(match kind & 1 {
            0 => split,
            // Without its fraction, as LightGBM takes it; of what is no index there is no set.
            _ => Split { threshold: 0.0, set: *sets.get(threshold as usize)?, ..split },
        })
    };
    // Splits have the numbers from 0 on, leaves those below.
    let root = if splits == 0 { -1 } else { 0 };
    forest.add(2 * splits + 1, target, root, |child: i32| match usize::try_from(child) {
        Ok(at) => match split(at) {
            Some(split) => Ok(Part::Split(split)),
            None => Err(words.wrong("left_child", "splits and their sets of categories", format!("split {at}"))),
        },
        Err(_) => {
            let leaf = usize::try_from(!child).ok().and_then(|at| leaves.get(at..=at));
            leaf.map(Part::Leaf).ok_or_else(|| words.wrong("left_child", format!("one of {count} leaves"), child))
        }
    })
}

/// What a decision type says: bit 0 categorical, 1 missing goes left, 2 and 3 what is missing: nothing, zero, NaN.
fn flags(kind: u8) -> u8 {
    if kind & 1 == 1 {
        return CATEGORICAL;
    }
    let (treated, is_missing) = match kind >> 2 & 3 {
        0 => (MISSING_ZERO, false),
        1 => (ZERO_MISSING | MISSING_ZERO, true),
        2 => (0, true),
        _ => (MISSING_ZERO, true),
    };
    treated | if is_missing && kind & 2 != 0 { MISSING_LEFT } else { 0 }
}

/// The numbers of a tree's sets of categories.
fn sets(words: &Words<'_>, forest: &mut Forest) -> Read<Vec<u32>> {
    if words.words.get("num_cat").is_none_or(|&(_, count)| count == "0") {
        return Ok(Vec::new());
    }
    let bounds: Vec<usize> = words.any("cat_boundaries", "whole numbers")?;
    let bits: Vec<u32> = words.any("cat_threshold", "whole numbers below 2^32")?;
    let set = |pair: &[usize]| match *pair {
        [start, end] => bits.get(start..end),
        _ => None,
    };
    let set_of = |pair| set(pair).ok_or_else(|| words.wrong("cat_boundaries", "places in `cat_threshold`", "others"));
    bounds.windows(2).map(|pair| forest.add_set(set_of(pair)?)).collect()
}

/// The categories of the columns that pandas held as such.
fn levels(head: &Words<'_>, rest: &[(&str, usize)], names: &[String]) -> Read<Vec<Option<Levels>>> {
    let mut levels: Vec<_> = names.iter().map(|_| None).collect();
    let told = rest.iter().find_map(|(line, number)| Some((line.strip_prefix("pandas_categorical:")?, number)));
    let Some((told, line)) = told else { return Ok(levels) };
    let place = |error: BoosterError| error.at(format!("line {line}, `pandas_categorical`"));
    let json = strict::value(told.as_bytes()).map_err(|_| place(BoosterError::wrong("JSON", "other text")))?;
    let lists = match json {
        Value::Null => return Ok(levels),
        Value::Array(none) if none.is_empty() => return Ok(levels),
        Value::Array(lists) => lists,
        other => return Err(place(BoosterError::wrong("a list", strict::found(&other)))),
    };
    let of = rest.iter().find_map(|(line, _)| line.strip_prefix("[categorical_feature: ")?.strip_suffix(']'));
    let mut columns: Vec<usize> =
        of.unwrap_or_default().split(',').filter_map(|word| word.trim().parse().ok()).collect();
    columns.sort_unstable();
    let infos: Vec<_> = head.text("feature_infos")?.split(' ').collect();
    let fits = |(column, list): (&usize, &Value)| {
        let count = list.as_array().map_or(0, Vec::len);
        let is_code = |word: &str| word.parse().is_ok_and(|code: i64| code < count as i64);
        infos.get(*column).is_some_and(|info| *info == "none" || info.split(':').all(is_code))
    };
    if columns.len() != lists.len() || !columns.iter().zip(&lists).all(fits) {
        return Err(BoosterError::refused(
            "the text does not say of which columns its pandas categories are (some are ordered, or not all are used)",
            "export it from Python with the training frame",
        ));
    }
    for (column, list) in columns.into_iter().zip(lists) {
        if let Some(place) = levels.get_mut(column) {
            *place = Some(level(list).ok_or_else(|| {
                let name = names.get(column).map_or("", String::as_str);
                let what = format!("the categories of `{}` are neither texts nor numbers", strict::cut(name));
                BoosterError::refused(what, "write them as texts and train it again")
            })?);
        }
    }
    Ok(levels)
}

/// Categories that are all texts, or all numbers.
fn level(list: Value) -> Option<Levels> {
    let Value::Array(list) = list else { return None };
    let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => Some(Levels::Numbers(numbers)),
        _ => list.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>().map(Levels::Text),
    }
}

/// What the objective makes of the raw sums.
fn answer(graph: &mut Graph, raw: Node, objective: &str) -> Read<Answer> {
    let mut words = objective.split(' ');
    let name = words.next().unwrap_or_default();
    let sigmoid = |graph: &mut Graph, raw: Node| -> Read<Node> {
        let slope = objective.split(' ').find_map(|word| word.strip_prefix("sigmoid:")?.parse().ok());
        let slope = slope.filter(|slope: &f64| slope.is_finite());
        let slope = slope.ok_or_else(|| BoosterError::wrong("`sigmoid:` and a number", "none").at("`objective`"))?;
        let scaled = graph.map_with(raw, "multiply", slope);
        Ok(graph.map(scaled, "sigmoid"))
    };
    match (name, raw.width) {
        ("binary", 1) => {
            let probability = sigmoid(graph, raw)?;
            let probabilities = graph.complement(probability);
            let index = graph.argmax(probabilities);
            Ok(Answer::Classes { index, probabilities: Some(probabilities), names: Names::count(2) })
        }
        ("multiclass" | "softmax" | "multiclassova" | "multiclass_ova" | "ova" | "ovr", 2..) => {
            let probabilities = match name {
                "multiclass" | "softmax" => graph.node("softmax", &[raw], raw.width, json!({})),
                _ => sigmoid(graph, raw)?,
            };
            let index = graph.argmax(probabilities);
            Ok(Answer::Classes { index, probabilities: Some(probabilities), names: Names::count(raw.width) })
        }
        ("cross_entropy" | "xentropy", 1) => Ok(Answer::Prediction(graph.map(raw, "sigmoid"))),
        ("poisson" | "gamma" | "tweedie", 1) => Ok(Answer::Prediction(graph.map(raw, "exp"))),
        ("regression", 1) if words.any(|word| word == "sqrt") => {
            let (sign, square) = (graph.map(raw, "sign"), graph.map(raw, "square"));
            Ok(Answer::Prediction(graph.node("combine", &[sign, square], 1, json!({"function": "multiply"}))))
        }
        ("lambdarank" | "rank_xendcg", 1) => Ok(Answer::Score(raw)),
        // A function of the caller's has no name, and nothing is made of its sums.
        ("" | "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape", _) => {
            Ok(Answer::Prediction(raw))
        }
        _ => Err(BoosterError::refused(
            format!("its objective `{}` is not known, with {} trees an iteration", strict::cut(name), raw.width),
            "train it for one of regression, binary, multiclass, poisson, tweedie or lambdarank",
        )),
    }
}
