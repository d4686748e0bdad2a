//! Files of boosters, without Python: LightGBM's text, XGBoost's JSON and UBJ, CatBoost's JSON, and models of
//! scikit-learn or of boosters in ONNX.
//!
//! From bytes to a model file, by the rules of the Python exporter: what cannot be exact is
//! refused by name. Pure. Never runs a model, and never trusts a number of a file.

mod booster;
mod catboost;
mod document;
mod error;
mod forest;
mod lightgbm;
mod onnxml;
mod ubj;
mod xgboost;

pub use error::BoosterError;

use super::onnx;
use document::At;
use scry_graph::Parts;
use std::fmt;

/// The form of a booster's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// LightGBM's text.
    LightGbm,
    /// XGBoost's or CatBoost's JSON: its members say which.
    Json,
    /// XGBoost's UBJ.
    Ubj,
    /// ONNX with operators of `ai.onnx.ml`.
    Onnx,
}

impl Form {
    /// The form that bytes begin like.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        match file {
            [b't', b'r', b'e', b'e', b'\n' | b'\r', ..] => Some(Self::LightGbm),
            [b'{', b'L' | b'i' | b'U' | b'I' | b'l', ..] => Some(Self::Ubj),
            file if onnx::is_classic(file) => Some(Self::Onnx),
            file if file.trim_ascii_start().first() == Some(&b'{') => Some(Self::Json),
            _ => None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LightGbm => "LightGBM text",
            Self::Json => "JSON of a booster",
            Self::Ubj => "UBJ of XGBoost",
            Self::Onnx => "ONNX of ai.onnx.ml",
        })
    }
}

/// Reads a file: the model, and the words of a card without a name.
pub(super) fn parts(form: Form, file: &[u8]) -> Result<Parts, BoosterError> {
    let booster = match form {
        Form::LightGbm => lightgbm::read(file)?,
        Form::Onnx => onnxml::read(file)?,
        Form::Ubj => xgboost::read(&At::root(&ubj::from_ubj(file)?))?,
        Form::Json => {
            let document = document::from_json(file)?;
            let root = At::root(&document);
            match (root.get("learner")?, root.get("features_info")?) {
                (Some(_), _) => xgboost::read(&root)?,
                (None, Some(_)) => catboost::read(&root)?,
                (None, None) => {
                    let expected = "`learner` (XGBoost, saved by `save_model`) or `features_info` (CatBoost)";
                    return Err(BoosterError::wrong(expected, "neither"));
                }
            }
        }
    };
    Ok(booster.parts())
}

#[cfg(test)]
mod tests;
