//! Makes the messages and their descriptors of `proto/inference.proto`, without `protoc`.

use std::path::PathBuf;
use std::{env, error, fs, io};

/// Messages that HTTP has as JSON, and that are made of it.
const DOCUMENTS: [&str; 15] = [
    "ServerMetadataResponse",
    "ModelMetadataResponse",
    "ModelConfig",
    "ModelTensorReshape",
    "ModelTransactionPolicy",
    "ModelInput",
    "ModelOutput",
    "ModelStatisticsResponse",
    "ModelStatistics",
    "InferStatistics",
    "InferBatchStatistics",
    "InferResponseStatistics",
    "StatisticDuration",
    "MemoryUsage",
    "RepositoryIndexResponse.ModelIndex",
];

/// Their fields that JSON has by name, and what reads these.
const NAMED: [(&str, &str); 3] =
    [("ModelInput.data_type", "data_type"), ("ModelOutput.data_type", "data_type"), ("ModelInput.format", "format")];

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=proto/inference.proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo has set no OUT_DIR"))?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(false).open_file("inference.proto")?;
    fs::write(out.join("inference.bin"), compiler.encode_file_descriptor_set())?;
    let mut messages = prost_build::Config::new();
    messages.out_dir(&out).btree_map(["."]);
    for name in DOCUMENTS {
        messages.message_attribute(format!(".inference.{name}"), "#[derive(serde::Deserialize)] #[serde(default)]");
    }
    for (field, named) in NAMED {
        messages
            .field_attribute(format!(".inference.{field}"), format!("#[serde(deserialize_with = \"crate::{named}\")]"));
    }
    messages.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
