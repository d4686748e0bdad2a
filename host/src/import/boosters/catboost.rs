//! CatBoost's JSON with numeric features; its trees mostly ask the same question on each level.
//!
//! Never takes categorical features: their counts are not in the file as CatBoost computes them.

use super::booster::{Answer, Booster, Columns, Names, TREES_MAX, WIDTH_MAX};
use super::document::At;
use super::error::BoosterError;
use super::forest::{Forest, MISSING_LEFT, Part, Split, Sums};
use crate::import::graph::{Graph, Node};
use scry_card::strict;
use serde_json::json;

type Read<T> = Result<T, BoosterError>;

/// Splits of a tree of which all leaves are listed.
const DEPTH_MAX: usize = 24;

pub(super) fn read(root: &At<'_>) -> Read<Booster> {
    let info = root.member("features_info")?;
    for kind in ["categorical_features", "text_features", "embedding_features"] {
        if info.get(kind)?.map(|list| list.list().map(|list| list.len())).transpose()?.is_some_and(|count| count > 0) {
            return Err(BoosterError::refused(
                format!("CatBoost with {} counts in ways that its file does not hold exactly", kind.replace('_', " ")),
                "encode them before it (OrdinalEncoder, TargetEncoder)",
            ));
        }
    }
    let features = info.member("float_features")?;
    let columns = features.list()?.enumerate().map(|(at, told)| feature(&told, at)).collect::<Read<Vec<_>>>()?;
    let (names, missing): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let (scale, biases) = scale_and_bias(&root.member("scale_and_bias")?)?;
    let mut graph = Graph::default();
    let columns = Columns::new(&mut graph, names.into_iter().map(|name| (name, None)))?;
    let mut forest = Forest::default();
    let (trees, is_oblivious) = match root.get("oblivious_trees")? {
        Some(trees) => (trees, true),
        None => (root.member("trees")?, false),
    };
    if !(1..=TREES_MAX).contains(&trees.list()?.len()) {
        return Err(trees.wrong(format!("1 to {TREES_MAX} trees"), trees.list()?.len()));
    }
    for tree in trees.list()? {
        let added = if is_oblivious {
            oblivious(&tree, &missing, biases.len(), &mut forest)
        } else {
            nested(&tree, &missing, biases.len(), &mut forest)
        };
        added.map_err(|error| error.at("the trees"))?;
    }
    let sums = Sums { compare_f32: true, add_f32: false, initial: &vec![0.0; biases.len()], divide: None };
    let sum = forest.node(&mut graph, columns.features, &sums, false);
    let raw = graph.scale(sum, scale, &biases);
    let model = root.member("model_info")?;
    let loss = model.member("params")?.member("loss_function")?.member("type")?.text()?;
    let answer = answer(&mut graph, raw, loss, &model)?;
    Ok(Booster { graph, columns, answer, description: format!("CatBoost ({})", strict::cut(loss)), labels: Vec::new() })
}

/// A feature's name, and the flags of its splits.
fn feature(told: &At<'_>, at: usize) -> Read<(String, u8)> {
    let name = told.get("feature_id")?.map_or(Ok(""), |name| name.text())?;
    let place = told.member("flat_feature_index")?;
    if place.number()? != at as f64 {
        return Err(place.wrong(at.to_string(), place.number()?));
    }
    let missing = match told.member("nan_value_treatment")?.text()? {
        "AsTrue" => 0,
        "AsFalse" | "AsIs" => MISSING_LEFT,
        other => return Err(told.wrong("a `nan_value_treatment` of AsTrue, AsFalse or AsIs", strict::cut(other))),
    };
    Ok((if name.is_empty() { format!("f{at}") } else { name.to_owned() }, missing))
}

/// By what sums are multiplied, and what is added then.
fn scale_and_bias(told: &At<'_>) -> Read<(f64, Vec<f64>)> {
    let wrong = || told.wrong("a finite number, and a list of finite ones", "others");
    let (scale, biases) = match told.numbers() {
        Ok([scale, bias]) => (*scale, vec![*bias]),
        Ok(_) => return Err(wrong()),
        Err(_) => {
            let mut parts = told.list()?;
            let (Some(scale), Some(biases), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(wrong());
            };
            (scale.number()?, biases.numbers()?.to_vec())
        }
    };
    // Without a bias there is one sum.
    let biases = if biases.is_empty() { vec![0.0] } else { biases };
    let is_finite = scale.is_finite() && biases.iter().all(|bias| bias.is_finite());
    if is_finite && biases.len() < WIDTH_MAX { Ok((scale, biases)) } else { Err(wrong()) }
}

/// A split's feature and border.
fn question(split: &At<'_>, missing: &[u8]) -> Read<(usize, u8, f64)> {
    let feature = split.member("float_feature_index")?.index(missing.len())?;
    let border = split.member("border")?.number()? as f32;
    Ok((feature, missing.get(feature).copied().unwrap_or_default(), f64::from(border)))
}

/// A tree with the same question on each level; the first is the lowest bit of the leaf's number.
fn oblivious(told: &At<'_>, missing: &[u8], width: usize, forest: &mut Forest) -> Read<()> {
    let questions = match told.get("splits")? {
        Some(splits) => splits.list()?.map(|split| question(&split, missing)).collect::<Read<Vec<_>>>()?,
        None => Vec::new(),
    };
    let depth = questions.len();
    if depth > DEPTH_MAX {
        return Err(told.wrong(format!("at most {DEPTH_MAX} splits"), depth));
    }
    let leaves = told.member("leaf_values")?;
    let values = finite(&leaves, width << depth)?;
    // The root asks the last question. A place is a level and the bits of the answers so far.
    forest.add((2 << depth) - 1, 0, (0, 0), |(level, bits): (usize, usize)| {
        let asked = depth.checked_sub(level + 1).and_then(|at| questions.get(at));
        let Some(&(feature, flags, threshold)) = asked else {
            let leaf = values.get(bits * width..(bits + 1) * width);
            return leaf.map(Part::Leaf).ok_or_else(|| leaves.wrong("a leaf for each answer", "fewer"));
        };
        let (left, right) = ((level + 1, 2 * bits), (level + 1, 2 * bits + 1));
        Ok(Part::Split(Split { flags, feature, threshold, set: 0, left, right }))
    })
}

/// A tree of nested objects.
fn nested(told: &At<'_>, missing: &[u8], width: usize, forest: &mut Forest) -> Read<()> {
    // As many as the document holds: it cannot have a cycle.
    forest.add(usize::MAX, 0, told.clone(), |node| {
        let Some(split) = node.get("split")? else {
            return finite(&node.member("value")?, width).map(Part::Leaf);
        };
        let (feature, flags, threshold) = question(&split, missing)?;
        let (left, right) = (node.member("left")?, node.member("right")?);
        Ok(Part::Split(Split { flags, feature, threshold, set: 0, left, right }))
    })
}

/// `count` finite numbers; one may stand alone.
fn finite<'a>(told: &At<'a>, count: usize) -> Read<&'a [f64]> {
    let values = told.one_or_more()?;
    match values {
        values if values.len() != count => Err(told.wrong(format!("{count} numbers"), values.len())),
        values if values.iter().all(|value| value.is_finite()) => Ok(values),
        _ => Err(told.wrong("finite numbers", "another")),
    }
}

/// What the loss makes of the sums.
fn answer(graph: &mut Graph, raw: Node, loss: &str, model: &At<'_>) -> Read<Answer> {
    Ok(match (loss, raw.width) {
        ("Logloss" | "CrossEntropy", 1) => {
            let probability = graph.map(raw, "sigmoid");
            let (index, probabilities) = (graph.map_with(raw, "greater", 0.0), graph.complement(probability));
            Answer::Classes { index, probabilities: Some(probabilities), names: classes(model, 2)? }
        }
        ("MultiClass" | "MultiClassOneVsAll", 2..) => {
            let probabilities = match loss {
                "MultiClass" => graph.node("softmax", &[raw], raw.width, json!({})),
                _ => graph.map(raw, "sigmoid"),
            };
            let (index, names) = (graph.argmax(raw), classes(model, raw.width)?);
            Answer::Classes { index, probabilities: Some(probabilities), names }
        }
        ("Poisson" | "Tweedie" | "LogLinQuantile", 1) => Answer::Prediction(graph.map(raw, "exp")),
        ("RMSE" | "MAE" | "Quantile" | "MAPE" | "Lq" | "Huber" | "Expectile" | "LogCosh", 1)
        | ("MultiRMSE" | "MultiRMSEWithMissingValues" | "MultiQuantile", _) => Answer::Prediction(raw),
        (
            "YetiRank" | "YetiRankPairwise" | "PairLogit" | "PairLogitPairwise" | "QueryRMSE" | "QuerySoftMax"
            | "QueryCrossEntropy" | "LambdaMart" | "StochasticRank",
            1,
        ) => Answer::Score(raw),
        _ => {
            return Err(BoosterError::refused(
                format!("its loss `{}` is not known, with a width of {}", strict::cut(loss), raw.width),
                "train it for one of RMSE, Poisson, Logloss, MultiClass or YetiRank",
            ));
        }
    })
}

/// The classes of the training data.
fn classes(model: &At<'_>, count: usize) -> Read<Names> {
    let Some(told) = model.get("class_params")? else { return Ok(Names::count(count)) };
    let (names, kind) = (told.member("class_names")?, told.member("class_label_type")?.text()?);
    Ok(match kind {
        "String" => match names.texts()? {
            texts if texts.len() == count => Names::Text(texts),
            texts => return Err(names.wrong(format!("{count} names"), texts.len())),
        },
        // As large as any that a file of numbers holds exactly.
        "Integer" if names.numbers()?.iter().all(|name| name.fract() == 0.0 && name.abs() < 9e15) => {
            Names::Whole(names.numbers_of(count)?.iter().map(|&name| name as i64).collect())
        }
        "Float" => Names::Real(names.numbers_of(count)?.to_vec()),
        "Boolean" => Names::Truth(names.numbers_of(count)?.iter().map(|&name| u8::from(name != 0.0)).collect()),
        _ => {
            return Err(told.wrong("classes that are texts, whole numbers, numbers or truth values", strict::cut(kind)));
        }
    })
}
