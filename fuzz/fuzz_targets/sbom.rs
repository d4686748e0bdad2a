//! A software bill of materials: whatever the bytes, an error of a few lines, or a summary within its limits; one that Scry
//! could have written is written as it was read.
//! `.ci/fuzz 60 sbom`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_sbom::{Document, PACKAGES_MAX, Summary};

const TEXT_MAX_BYTES: usize = 1024;

fuzz_target!(|bytes: &[u8]| {
    match Summary::of(bytes) {
        Ok((text, summary)) => {
            assert_eq!(text.as_bytes(), bytes);
            assert!(summary.packages + summary.excluded <= PACKAGES_MAX);
            assert!(summary.built_with.iter().chain([&summary.format]).all(|told| told.len() <= TEXT_MAX_BYTES));
        }
        Err(error) => assert!(error.to_string().len() <= TEXT_MAX_BYTES),
    }
    if let Ok(document) = Document::from_json(bytes) {
        let Ok(json) = document.to_json() else { return };
        assert_eq!(Document::from_json(&json).expect("and is read again"), document);
    }
});
