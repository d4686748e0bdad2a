//! An ONNX file: whatever the bytes, an error, or weights that lie where the graph says; of operators of `ai.onnx.ml`,
//! an error, or a model file that reads and answers, or says why not.
//! `.ci/fuzz 60 onnx_file`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    scry_fuzz::translate(bytes);
    let Ok(placed) = scry::import::placed(bytes) else { return };
    let (begins, rest) = placed.split_first_chunk().expect("eight bytes say where the graph begins");
    let begins = usize::try_from(u64::from_le_bytes(*begins)).expect("within the memory");
    let graph = placed.get(begins..).expect("the graph is behind the weights");
    // Nothing grows but by the names of places, and room up to the next multiple of 64.
    assert!(rest.len() <= 3 * bytes.len() + 64, "{} from {}", rest.len(), bytes.len());
    // Once taken apart, the graph has weights elsewhere, or it stays as it is.
    match scry::import::placed(graph) {
        Err(scry::import::OnnxError::External(_)) => assert!(begins > 64),
        again => assert_eq!(again.expect("what was written reads").get(64..), Some(graph)),
    }
});
