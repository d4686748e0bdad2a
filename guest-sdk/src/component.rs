//! The bridge between a `Model` and the contract in `wit/`.
//!
//! Moves lists, never copies or interprets their elements.

use crate::{ColumnModel, Failure, Model, Record};
use scry_card::{Datatype, Field, Tensor, Text, Values};

/// What `export!` calls.
#[doc(hidden)]
#[allow(missing_docs)]
pub mod runtime {
    use super::*;
    use crate::Batch;
    use crate::bindings::scry::model::types as wit;

    pub use wit_bindgen::rt as wit_bindgen;

    /// Inputs to predictions, through the model's own pipeline.
    pub fn predict<M: Model>(model: &M, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        let inputs = Batch::<M::Input>::new(M::Input::read(inputs)?)?;
        let rows = inputs.len();
        let outputs = model.predict(model.transform(inputs)?)?;
        if outputs.len() != rows {
            return Err(Failure::Failed(format!("{rows} rows came in, {} predictions came out", outputs.len())));
        }
        Ok(M::Output::write(outputs.into_columns()))
    }

    /// Inputs to features.
    pub fn transform<M: Model>(model: &M, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        let inputs = Batch::<M::Input>::new(M::Input::read(inputs)?)?;
        Ok(M::Features::write(model.transform(inputs)?.into_columns()))
    }

    /// The schema that the three records make.
    pub fn schema<M: Model>() -> scry_card::Schema {
        scry_card::Schema { inputs: M::Input::fields(), features: M::Features::fields(), outputs: M::Output::fields() }
    }

    impl<M: Model> ColumnModel for M {
        fn load() -> Result<Self, crate::LoadError> {
            <M as Model>::load()
        }
        fn schema(&self) -> scry_card::Schema {
            schema::<M>()
        }
        fn transform(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
            transform(self, inputs)
        }
        fn predict(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
            predict(self, inputs)
        }
    }

    /// Loads the model, or logs why not and traps: the snapshot's init
    /// function has no other way to fail.
    pub fn load<M: ColumnModel>() -> M {
        std::panic::set_hook(Box::new(|panic| crate::logging::log(crate::logging::Level::Error, panic)));
        match M::load() {
            Ok(model) => model,
            #[expect(clippy::panic, reason = "the init function has no other way to fail")]
            Err(error) => {
                crate::logging::log(crate::logging::Level::Error, format!("the model could not be loaded: {error}"));
                // The panic is not the model's own, so its location says nothing.
                std::panic::set_hook(Box::new(|_| {}));
                panic!("the model could not be loaded: {error}")
            }
        }
    }

    pub fn to_wit_schema(schema: scry_card::Schema) -> wit::Schema {
        let fields = |fields: Vec<Field>| fields.into_iter().map(to_wit_field).collect();
        wit::Schema {
            inputs: fields(schema.inputs),
            features: fields(schema.features),
            outputs: fields(schema.outputs),
        }
    }

    fn to_wit_field(field: Field) -> wit::Field {
        wit::Field {
            name: field.name,
            description: field.description,
            datatype: to_wit_datatype(field.datatype),
            shape: field.shape,
            nullable: field.nullable,
            unit: field.unit,
            minimum: field.minimum,
            maximum: field.maximum,
            categories: field.categories,
        }
    }

    fn to_wit_datatype(datatype: Datatype) -> wit::Datatype {
        match datatype {
            Datatype::Bool => wit::Datatype::Boolean,
            Datatype::Int8 => wit::Datatype::Int8,
            Datatype::Int16 => wit::Datatype::Int16,
            Datatype::Int32 => wit::Datatype::Int32,
            Datatype::Int64 => wit::Datatype::Int64,
            Datatype::Uint8 => wit::Datatype::Uint8,
            Datatype::Uint16 => wit::Datatype::Uint16,
            Datatype::Uint32 => wit::Datatype::Uint32,
            Datatype::Uint64 => wit::Datatype::Uint64,
            Datatype::Fp32 => wit::Datatype::Fp32,
            Datatype::Fp64 => wit::Datatype::Fp64,
            Datatype::Bytes => wit::Datatype::Bytes,
        }
    }

    /// The host has checked its inputs; a text that is not UTF-8 is its bug.
    pub fn from_wit(tensors: Vec<wit::Tensor>) -> Result<Vec<Tensor>, Failure> {
        tensors
            .into_iter()
            .map(|tensor| {
                let values = match tensor.values {
                    wit::Values::Boolean(list) => Values::Bool(list),
                    wit::Values::Int8(list) => Values::Int8(list),
                    wit::Values::Int16(list) => Values::Int16(list),
                    wit::Values::Int32(list) => Values::Int32(list),
                    wit::Values::Int64(list) => Values::Int64(list),
                    wit::Values::Uint8(list) => Values::Uint8(list),
                    wit::Values::Uint16(list) => Values::Uint16(list),
                    wit::Values::Uint32(list) => Values::Uint32(list),
                    wit::Values::Uint64(list) => Values::Uint64(list),
                    wit::Values::Fp32(list) => Values::Fp32(list),
                    wit::Values::Fp64(list) => Values::Fp64(list),
                    wit::Values::Bytes(text) => {
                        Values::Bytes(Text::new(text.ends, text.utf8).map_err(Failure::Failed)?)
                    }
                };
                Ok(Tensor { shape: tensor.shape, values, validity: tensor.validity })
            })
            .collect()
    }

    pub fn to_wit(result: Result<Vec<Tensor>, Failure>) -> Result<Vec<wit::Tensor>, wit::Failure> {
        match result {
            Ok(tensors) => Ok(tensors.into_iter().map(to_wit_tensor).collect()),
            Err(Failure::InvalidInput { input, row, message }) => {
                Err(wit::Failure::InvalidInput(wit::InvalidInput { input, row, message }))
            }
            Err(Failure::Failed(message)) => Err(wit::Failure::Failed(message)),
        }
    }

    fn to_wit_tensor(tensor: Tensor) -> wit::Tensor {
        let values = match tensor.values {
            Values::Bool(list) => wit::Values::Boolean(list),
            Values::Int8(list) => wit::Values::Int8(list),
            Values::Int16(list) => wit::Values::Int16(list),
            Values::Int32(list) => wit::Values::Int32(list),
            Values::Int64(list) => wit::Values::Int64(list),
            Values::Uint8(list) => wit::Values::Uint8(list),
            Values::Uint16(list) => wit::Values::Uint16(list),
            Values::Uint32(list) => wit::Values::Uint32(list),
            Values::Uint64(list) => wit::Values::Uint64(list),
            Values::Fp32(list) => wit::Values::Fp32(list),
            Values::Fp64(list) => wit::Values::Fp64(list),
            Values::Bytes(text) => {
                let (ends, utf8) = text.into_parts();
                wit::Values::Bytes(wit::Text { ends, utf8 })
            }
        };
        wit::Tensor { shape: tensor.shape, values, validity: tensor.validity }
    }
}

/// Makes a model a component: `scry_guest::export!(MyModel);`, once a crate.
#[macro_export]
macro_rules! export {
    ($model:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::{ColumnModel, bindings, bindings::exports::scry::model::predictor, runtime};

            static MODEL: ::std::sync::OnceLock<$model> = ::std::sync::OnceLock::new();

            struct Component;

            impl bindings::Guest for Component {
                fn load() {
                    MODEL.get_or_init(runtime::load::<$model>);
                }
            }

            impl predictor::Guest for Component {
                fn describe() -> predictor::Schema {
                    let model = MODEL.get_or_init(runtime::load::<$model>);
                    runtime::to_wit_schema(ColumnModel::schema(model))
                }
                fn transform(
                    inputs: ::std::vec::Vec<predictor::Tensor>,
                ) -> ::core::result::Result<::std::vec::Vec<predictor::Tensor>, predictor::Failure> {
                    let model = MODEL.get_or_init(runtime::load::<$model>);
                    runtime::to_wit(runtime::from_wit(inputs).and_then(|inputs| ColumnModel::transform(model, inputs)))
                }
                fn predict(
                    inputs: ::std::vec::Vec<predictor::Tensor>,
                ) -> ::core::result::Result<::std::vec::Vec<predictor::Tensor>, predictor::Failure> {
                    let model = MODEL.get_or_init(runtime::load::<$model>);
                    runtime::to_wit(runtime::from_wit(inputs).and_then(|inputs| ColumnModel::predict(model, inputs)))
                }
            }

    bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}
