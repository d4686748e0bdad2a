//! Reads the text that LightGBM's `Booster.save_model` writes.

use super::Trees;
use super::trees::{Objective, Split, Tree};
use std::collections::BTreeMap;

/// Why a model text could not be read.
#[derive(Debug)]
pub struct LightGbmError(String);

impl std::fmt::Display for LightGbmError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LightGBM model: {}", self.0)
    }
}

impl std::error::Error for LightGbmError {}

type Section<'a> = BTreeMap<&'a str, &'a str>;

/// The ensemble in a model text. Objectives: regression, regression_l1,
/// huber, fair, quantile, mape, binary, cross_entropy, multiclass, poisson,
/// gamma, tweedie.
pub fn trees_from_lightgbm(text: &str) -> Result<Trees, LightGbmError> {
    read(text).map_err(LightGbmError)
}

fn read(text: &str) -> Result<Trees, String> {
    let body = text.split("\nend of trees").next().unwrap_or(text);
    let mut sections = body.split("\nTree=");
    let header = section(sections.next().unwrap_or_default());
    let features =
        number::<usize>(&header, "max_feature_idx")?.checked_add(1).ok_or("`max_feature_idx` is too large")?;
    let classes: usize = number(&header, "num_tree_per_iteration")?;
    let objective = objective(header.get("objective").copied().unwrap_or("regression"))?;
    let average = body.split("\nTree=").next().is_some_and(|head| head.lines().any(|line| line == "average_output"));
    let trees = sections
        .enumerate()
        .map(|(i, text)| tree(&section(text)).map_err(|e| format!("tree {i}: {e}")))
        .collect::<Result<Vec<_>, _>>()?;
    Trees::new(features, classes, objective, average, trees)
}

fn section(text: &str) -> Section<'_> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

fn objective(text: &str) -> Result<Objective, String> {
    let mut words = text.split_whitespace();
    let slope = || {
        let given = text.split_whitespace().find_map(|word| word.strip_prefix("sigmoid:"));
        given.map_or(Ok(1.0), |slope| slope.parse().map_err(|_| format!("objective `{text}`")))
    };
    Ok(match words.next().unwrap_or_default() {
        "regression" if words.any(|word| word == "sqrt") => {
            return Err("objective `regression sqrt` is not known".into());
        }
        "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" => Objective::Identity,
        "binary" => Objective::Sigmoid(slope()?),
        "cross_entropy" => Objective::Sigmoid(1.0),
        "multiclass" => Objective::Softmax,
        "poisson" | "gamma" | "tweedie" => Objective::Exp,
        other => return Err(format!("objective `{other}` is not known")),
    })
}

fn tree(section: &Section<'_>) -> Result<Tree, String> {
    if section.get("is_linear").is_some_and(|&linear| linear != "0") {
        return Err("linear trees are not known".into());
    }
    let leaves = list::<f64>(section, "leaf_value")?;
    if number::<usize>(section, "num_leaves")? <= 1 {
        return Ok(Tree { splits: Vec::new(), leaves });
    }
    let features = list::<usize>(section, "split_feature")?;
    let thresholds = list::<f64>(section, "threshold")?;
    let decisions = list::<u8>(section, "decision_type")?;
    let left = list::<i32>(section, "left_child")?;
    let right = list::<i32>(section, "right_child")?;
    let sets = bit_sets(section)?;
    if [thresholds.len(), decisions.len(), left.len(), right.len()].iter().any(|&len| len != features.len()) {
        return Err("lists of different length".into());
    }
    let splits = (0..features.len())
        .map(|i| Ok((features[i], split(decisions[i], thresholds[i], &sets)?, [left[i], right[i]])))
        .collect::<Result<_, String>>()?;
    Ok(Tree { splits, leaves })
}

/// `decision_type`: bit 0 categorical, bit 1 default left, bits 2 and 3 what
/// counts as missing (none, zero, NaN).
fn split(decision: u8, threshold: f64, sets: &[Vec<u32>]) -> Result<Split, String> {
    if decision & 1 == 1 {
        let members = sets.get(threshold as usize).ok_or("a categorical split without its set")?.clone();
        return Ok(Split::Categorical { members });
    }
    let default_left = decision & 2 != 0;
    match decision >> 2 & 3 {
        // Nothing is missing: NaN is read as 0.
        0 => Ok(Split::Numeric { threshold, missing_left: 0.0 <= threshold }),
        1 => Ok(Split::ZeroMissing { threshold, missing_left: default_left }),
        2 => Ok(Split::Numeric { threshold, missing_left: default_left }),
        other => Err(format!("missing type {other}")),
    }
}

fn bit_sets(section: &Section<'_>) -> Result<Vec<Vec<u32>>, String> {
    if section.get("num_cat").is_none_or(|&count| count == "0") {
        return Ok(Vec::new());
    }
    let bounds = list::<usize>(section, "cat_boundaries")?;
    let words = list::<u32>(section, "cat_threshold")?;
    let set = |pair: &[usize]| words.get(pair[0]..pair[1]).map(<[u32]>::to_vec).ok_or_else(|| "cat_boundaries".into());
    bounds.windows(2).map(set).collect()
}

fn number<T: std::str::FromStr>(section: &Section<'_>, key: &str) -> Result<T, String> {
    let text = section.get(key).ok_or_else(|| format!("`{key}` is missing"))?;
    text.parse().map_err(|_| format!("`{key}` is {text:?}"))
}

fn list<T: std::str::FromStr>(section: &Section<'_>, key: &str) -> Result<Vec<T>, String> {
    let text = section.get(key).ok_or_else(|| format!("`{key}` is missing"))?;
    text.split_whitespace().map(|word| word.parse().map_err(|_| format!("`{key}` holds {word:?}"))).collect()
}

#[cfg(test)]
mod tests;
