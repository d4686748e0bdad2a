//! A model file: whatever the bytes, an error, or a model that answers or says why not.
//! `.ci/fuzz 60 model_file`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Tensor, Values};
use scry_graph::{Model, Parts};

fuzz_target!(|bytes: &[u8]| {
    let apart = Parts::of(bytes);
    let Ok(model) = Model::read(bytes) else { return };
    let apart = apart.expect("what reads can be taken apart");
    assert_eq!(Model::read(&apart.model).expect("and its graph reads").schema(), model.schema());
    const ROWS: usize = 3;
    let column = |field: &scry_card::Field| Tensor {
        shape: field.batch_shape(ROWS as u64),
        values: Values::neutral(field.datatype, ROWS),
        validity: field.nullable.then(|| vec![true, false, true]),
    };
    let inputs: Vec<Tensor> = model.schema().inputs.iter().map(column).collect();
    let _ = model.transform(inputs.clone());
    let _ = model.predict(inputs);
});
