//! XGBoost's JSON or UBJ. Numbers are compared and added in 32 bits, as XGBoost does.
//!
//! Never guesses what a file leaves out: how many rounds count, and which texts categories are.

use super::booster::{Answer, Booster, Columns, FEATURES_MAX, Levels, Names, TREES_MAX, WIDTH_MAX};
use super::document::At;
use super::error::BoosterError;
use super::forest::{CATEGORICAL, Forest, MEMBERS_RIGHT, MISSING_LEFT, Part, STRICT, Split, Sums};
use crate::import::graph::{Graph, Node};
use scry_card::strict;
use serde_json::{Value, json};

type Read<T> = Result<T, BoosterError>;

/// Categories of one column; XGBoost has no larger ones.
const CATEGORY_MAX: usize = 1 << 24;
/// Objectives of which the margin is the logit, or the logarithm, of what is told.
const LOGIT: [&str; 3] = ["binary:logistic", "reg:logistic", "binary:logitraw"];
const LOG: [&str; 3] = ["count:poisson", "reg:gamma", "reg:tweedie"];

pub(super) fn read(root: &At<'_>) -> Read<Booster> {
    let learner = root.member("learner")?;
    let objective = learner.member("objective")?.member("name")?.text()?;
    let gradient = learner.member("gradient_booster")?;
    let name = gradient.member("name")?.text()?;
    if !matches!(name, "gbtree" | "dart") {
        let what = format!("its booster is `{}`", strict::cut(name));
        return Err(BoosterError::refused(what, "train it with booster=\"gbtree\", or a linear model"));
    }
    let weights = gradient.get("weight_drop")?;
    let model = gradient.get("gbtree")?.unwrap_or(gradient).member("model")?;
    let parameters = learner.member("learner_model_param")?;
    let features = parameters.member("num_feature")?.count(usize::MAX)?;
    let classes = parameters.member("num_class")?.count(WIDTH_MAX)?;
    let targets = parameters.get("num_target")?.map_or(Ok(1), |targets| targets.count(WIDTH_MAX))?;
    let width = classes.max(targets).max(1);
    let (names, types) = (names(&learner, features)?, types(&learner, features)?);
    let levels = levels(&model, &names)?;
    let is_code: Vec<_> = types.iter().zip(&levels).map(|(kind, levels)| kind == "c" && levels.is_none()).collect();
    let mut graph = Graph::default();
    let columns = Columns::new(&mut graph, names.into_iter().zip(levels))?;
    let x = codes(&mut graph, columns.features, &is_code);
    let (trees, info) = (model.member("trees")?, model.member("tree_info")?);
    let trees_in_file = trees.list()?.len();
    let info_list = info.numbers_of(trees_in_file)?;
    let count = rounds(&learner, &model, trees_in_file)?;
    if !(1..=TREES_MAX).contains(&count) {
        return Err(trees.wrong(format!("1 to {TREES_MAX} trees"), count));
    }
    let weights = weights.as_ref().map(|weights| weights.numbers_of(trees_in_file)).transpose()?;
    let mut forest = Forest::default();
    for (at, (told, &target)) in trees.list()?.zip(info_list).take(count).enumerate() {
        let target = info.whole(target, width)?;
        let weight = weights.and_then(|weights| weights.get(at)).map(|&weight| weight as f32);
        tree(&told, features, target, weight, &mut forest).map_err(|error| error.at(format!("tree {at}")))?;
    }
    let initial = base(&parameters.member("base_score")?, objective, width)?;
    let sums = Sums { compare_f32: true, add_f32: true, initial: &initial, divide: None };
    let margins = forest.node(&mut graph, x, &sums, true);
    let answer = answer(&mut graph, margins, objective)?;
    let labels = version(root)?.map(|version| ("xgboost", version)).into_iter().collect();
    Ok(Booster { graph, columns, answer, description: format!("XGBoost ({})", strict::cut(objective)), labels })
}

/// The version that wrote the file.
fn version(root: &At<'_>) -> Read<Option<String>> {
    let Some(version) = root.get("version")? else { return Ok(None) };
    let parts: Vec<_> = version.numbers_of(3)?.iter().map(f64::to_string).collect();
    Ok(Some(parts.join(".")))
}

fn names(learner: &At<'_>, features: usize) -> Read<Vec<String>> {
    let names = learner.get("feature_names")?.map_or(Ok(Vec::new()), |names| names.texts())?;
    match names.len() {
        0 if features <= FEATURES_MAX => Ok((0..features).map(|at| format!("f{at}")).collect()),
        found if found == features => Ok(names),
        found => Err(BoosterError::wrong(format!("{features} names, or none"), found).at("`learner.feature_names`")),
    }
}

fn types(learner: &At<'_>, features: usize) -> Read<Vec<String>> {
    let types = learner.get("feature_types")?.map_or(Ok(Vec::new()), |types| types.texts())?;
    match types.len() {
        0 => Ok(vec![String::new(); features]),
        found if found == features => Ok(types),
        found => Err(BoosterError::wrong(format!("{features} types, or none"), found).at("`learner.feature_types`")),
    }
}

/// The categories that a file of XGBoost 3 holds; older ones know their codes alone.
fn levels(model: &At<'_>, names: &[String]) -> Read<Vec<Option<Levels>>> {
    let none = || names.iter().map(|_| None).collect();
    let Some(encoded) = model.get("cats")?.map(|cats| cats.get("enc")).transpose()?.flatten() else {
        return Ok(none());
    };
    let columns = encoded.list()?;
    match columns.len() {
        0 => Ok(none()),
        found if found == names.len() => columns.zip(names).map(|(column, name)| level(&column, name)).collect(),
        found => Err(encoded.wrong(format!("{} columns", names.len()), found)),
    }
}

fn level(column: &At<'_>, name: &str) -> Read<Option<Levels>> {
    let values = column.member("values")?.numbers()?;
    let Some(offsets) = column.get("offsets")? else {
        return Ok(Some(Levels::Numbers(values.to_vec())).filter(|_| !values.is_empty()));
    };
    let ends = offsets.numbers()?;
    if ends.len() < 2 {
        return Ok(None);
    }
    // XGBoost 3.2 cuts texts that are not ASCII.
    let text = |pair: &[f64]| -> Read<String> {
        let [start, end] = *pair else { return Ok(String::new()) };
        let (start, end) = (offsets.whole(start, values.len() + 1)?, offsets.whole(end, values.len() + 1)?);
        let bytes = values.get(start..end).ok_or_else(|| offsets.wrong("places that never decrease", "others"))?;
        let is_ascii = bytes.iter().all(|byte| (0.0..128.0).contains(byte) && byte.fract() == 0.0);
        // Below 128.
        is_ascii.then(|| bytes.iter().map(|&byte| char::from(byte as u8)).collect()).ok_or_else(|| {
            let what = format!("the categories of `{}` are not ASCII, and XGBoost's file cuts them", strict::cut(name));
            BoosterError::refused(what, "export it from Python with the training frame")
        })
    };
    ends.windows(2).map(text).collect::<Read<_>>().map(|texts| Some(Levels::Text(texts)))
}

/// Codes as XGBoost takes them: of 32 bits, then without their fraction; below 0 is no category.
fn codes(graph: &mut Graph, features: Node, is_code: &[bool]) -> Node {
    if !is_code.contains(&true) {
        return features;
    }
    let columns: Vec<_> = is_code
        .iter()
        .zip(0..)
        .map(|(&is_code, column)| {
            let one = graph.select(features, column);
            if !is_code {
                return one;
            }
            let single = graph.map(one, "float32");
            graph.map(single, "floor")
        })
        .collect();
    graph.concat(&columns)
}

/// How many trees count: of a scikit-learn estimator's file, those up to its best round.
fn rounds(learner: &At<'_>, model: &At<'_>, trees: usize) -> Read<usize> {
    let Some(attributes) = learner.get("attributes")? else { return Ok(trees) };
    let (Some(best), Some(_)) = (attributes.get("best_iteration")?, attributes.get("scikit_learn")?) else {
        return Ok(trees);
    };
    let bounds = model.member("iteration_indptr")?;
    let ends = bounds.numbers()?;
    match ends.get(best.count(ends.len().saturating_sub(1))? + 1) {
        Some(&end) => bounds.whole(end, trees + 1),
        None => Err(best.wrong("one of the rounds", "another")),
    }
}

/// Adds one tree.
fn tree(told: &At<'_>, features: usize, target: usize, weight: Option<f32>, forest: &mut Forest) -> Read<()> {
    let parameters = told.member("tree_param")?;
    if parameters.member("size_leaf_vector")?.count(usize::MAX)? > 1 {
        return Err(BoosterError::refused(
            "one tree answers several targets",
            "train it with multi_strategy=\"one_output_per_tree\"",
        ));
    }
    let left_children = told.member("left_children")?;
    let left = left_children.numbers()?;
    let count = left.len();
    let list = |name: &str| told.member(name).and_then(|list| list.numbers_of(count));
    let (right, conditions, indexes) = (list("right_children")?, list("split_conditions")?, list("split_indices")?);
    let (default_left, kinds) = (list("default_left")?, told.get("split_type")?);
    let kinds = kinds.map(|kinds| kinds.numbers_of(count)).transpose()?;
    let sets = sets(told, count, forest)?;
    let single: Vec<f32> = conditions.iter().map(|&x| x as f32).collect();
    let leaves: Vec<f64> = single.iter().map(|&x| f64::from(weight.map_or(x, |weight| x * weight))).collect();
    let wrong = |expected: &str, at: usize| told.wrong(expected, format!("another at node {at}"));
    let target = u32::try_from(target).unwrap_or(u32::MAX);
    forest.add(count, target, 0, |at: usize| {
        let split = (left.get(at), right.get(at), single.get(at), indexes.get(at), default_left.get(at));
        let (Some(&left), Some(&right), Some(&condition), Some(&feature), Some(&default_left)) = split else {
            return Err(wrong("a root", at));
        };
        if left < 0.0 {
            let leaf = leaves.get(at..=at).filter(|leaf| leaf.iter().all(|x| x.is_finite()));
            return leaf.map(Part::Leaf).ok_or_else(|| wrong("leaves that are finite", at));
        }
        let missing = if default_left != 0.0 { MISSING_LEFT } else { 0 };
        let is_categorical = kinds.is_some_and(|kinds| kinds.get(at).is_some_and(|&kind| kind != 0.0));
        let (flags, threshold, set) = if is_categorical {
            let set = sets.get(at).copied().flatten().ok_or_else(|| wrong("a set for each categorical split", at))?;
            (missing | CATEGORICAL | MEMBERS_RIGHT, 0.0, set)
        } else {
            (missing | STRICT, f64::from(condition), 0)
        };
        let feature = told.member("split_indices")?.whole(feature, features)?;
        let (left, right) = (left_children.whole(left, count)?, left_children.whole(right, count)?);
        Ok(Part::Split(Split { flags, feature, threshold, set, left, right }))
    })
}

/// The number of each node's set of categories.
fn sets(told: &At<'_>, count: usize, forest: &mut Forest) -> Read<Vec<Option<u32>>> {
    let mut sets = vec![None; count];
    let Some(nodes) = told.get("categories_nodes")? else { return Ok(sets) };
    let (segments, sizes) = (told.member("categories_segments")?, told.member("categories_sizes")?);
    let categories = told.member("categories")?;
    let (places, all) = (nodes.numbers()?, categories.numbers()?);
    let starts = segments.numbers_of(places.len())?;
    for ((&place, &start), &size) in places.iter().zip(starts).zip(sizes.numbers_of(places.len())?) {
        let (start, size) = (segments.whole(start, all.len() + 1)?, sizes.whole(size, all.len() + 1)?);
        let members = all.get(start..start + size).ok_or_else(|| sizes.wrong("as many as `categories` has", size))?;
        let mut words = vec![0u32];
        for &category in members {
            let category = categories.whole(category, CATEGORY_MAX)?;
            words.resize(words.len().max(category / 32 + 1), 0);
            if let Some(word) = words.get_mut(category / 32) {
                *word |= 1 << (category % 32);
            }
        }
        if let Some(set) = sets.get_mut(nodes.whole(place, count)?) {
            *set = Some(forest.add_set(&words)?);
        }
    }
    Ok(sets)
}

/// Where the sums begin: the base score before the objective's function.
fn base(told: &At<'_>, objective: &str, width: usize) -> Read<Vec<f64>> {
    let list = match strict::value(told.text()?.as_bytes()) {
        Ok(Value::Array(list)) => list,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    };
    let margin = |value: &Value| {
        let base = value.as_f64()? as f32;
        let margin = match objective {
            logit if LOGIT.contains(&logit) => -(1.0 / base - 1.0).ln(),
            log if LOG.contains(&log) => base.ln(),
            _ => base,
        };
        Some(f64::from(margin)).filter(|margin| margin.is_finite())
    };
    let margins: Option<Vec<f64>> = list.iter().map(margin).collect();
    match margins {
        Some(one) if one.len() == 1 => Ok(one.repeat(width)),
        Some(each) if each.len() == width => Ok(each),
        _ => Err(told.wrong(format!("a number of which the margin is finite, or {width}"), told.text()?)),
    }
}

/// What the objective makes of the margins, in 32 bits.
fn answer(graph: &mut Graph, margins: Node, objective: &str) -> Read<Answer> {
    Ok(match (objective, margins.width) {
        ("binary:logistic", 1) => {
            let made = graph.map(margins, "sigmoid_f32");
            let both = graph.complement(made);
            let (index, probabilities) = (graph.map_with(made, "greater", 0.5), graph.map(both, "float32"));
            Answer::Classes { index, probabilities: Some(probabilities), names: Names::count(2) }
        }
        ("binary:hinge", 1) => {
            let index = graph.map_with(margins, "greater", 0.0);
            Answer::Classes { index, probabilities: None, names: Names::count(2) }
        }
        ("multi:softprob" | "multi:softmax", 2..) => {
            let probabilities = graph.node("softmax", &[margins], margins.width, json!({"precision": "f32"}));
            let index = graph.argmax(probabilities);
            Answer::Classes { index, probabilities: Some(probabilities), names: Names::count(margins.width) }
        }
        ("binary:logitraw" | "rank:ndcg" | "rank:map" | "rank:pairwise", 1) => Answer::Score(margins),
        ("reg:logistic", _) => Answer::Prediction(graph.map(margins, "sigmoid_f32")),
        ("count:poisson" | "reg:gamma" | "reg:tweedie", _) => Answer::Prediction(graph.map(margins, "exp_f32")),
        (
            "reg:squarederror"
            | "reg:squaredlogerror"
            | "reg:absoluteerror"
            | "reg:pseudohubererror"
            | "reg:quantileerror",
            _,
        ) => Answer::Prediction(margins),
        _ => {
            return Err(BoosterError::refused(
                format!("its objective `{}` is not known, with a width of {}", strict::cut(objective), margins.width),
                "train it for one of reg:squarederror, count:poisson, binary:logistic, multi:softprob or rank:ndcg",
            ));
        }
    })
}
