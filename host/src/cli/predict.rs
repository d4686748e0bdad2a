//! `scry predict`

use super::CliError;
use super::client::{Client, Host, read, segment};
use crate::catalog::Reference;
use scry_card::{Batch, Card, Records, batch_from_records, strict};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Send rows to a model.
///
/// The input is a JSON list of rows, `{"instances": [rows]}`, one row alone,
/// or a V2 request as it stands. Predictions are printed as rows too; a V2
/// request gets its V2 answer.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model: `fraud`, `fraud@3`, `fraud@champion` or `fraud@sha256:…`.
    model: Reference,
    /// The rows; `-` reads them from stdin.
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let client = args.host.client()?;
    let url = client.prediction_url()?;
    let sent = read_input(&args.input)?;
    let wrong = |error: strict::Error| CliError::from(format!("{}: {error}", args.input.display()));
    let input = strict::value(&sent).map_err(wrong)?;
    if input.get("inputs").is_some() {
        let answer: Value = read(client.infer(&url, &infer_path(&args.model), &sent)?)?;
        println!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(());
    }
    let rows = rows(input).map_err(wrong)?;
    let card = card(&client, &args.model.model)?;
    let batch = batch_from_records(&card.schema.inputs, &rows)?;
    let response = client.infer(&url, &infer_path(&args.model), v2_request(&card, &batch)?.as_bytes())?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (model, version, degraded) = (header("scry-model"), header("scry-version"), header("scry-degraded"));
    let answer: Value = read(response)?;
    if let Some(reason) = degraded {
        let (model, version) = (model.unwrap_or_default(), version.unwrap_or_default());
        eprintln!("note: {model}@{version} answered instead of {} ({reason})", args.model);
    }
    println!("{}", serde_json::to_string_pretty(&records(&answer)?)?);
    Ok(())
}

fn read_input(path: &Path) -> Result<Vec<u8>, CliError> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|e| format!("{}: {e}", path.display()).into())
}

/// The rows of any of the accepted forms.
fn rows(input: Value) -> Result<Vec<Map<String, Value>>, strict::Error> {
    let (list, is_member) = match input {
        Value::Array(list) => (list, false),
        Value::Object(mut object) => match object.remove("instances") {
            Some(Value::Array(list)) => (list, true),
            Some(other) => {
                return Err(strict::Error::wrong("a list of rows", strict::found(&other)).within("instances"));
            }
            None => return Ok(vec![object]),
        },
        other => return Err(strict::Error::wrong("a list of rows, each an object", strict::found(&other))),
    };
    let row = |(i, value): (usize, Value)| match value {
        Value::Object(row) => Ok(row),
        other => {
            let error = strict::Error::wrong("an object with a member for each field", strict::found(&other)).at(i);
            Err(if is_member { error.within("instances") } else { error })
        }
    };
    list.into_iter().enumerate().map(row).collect()
}

/// A model's card, by its live version.
pub(super) fn card(client: &Client, model: &str) -> Result<Card, CliError> {
    let mut shown: Value = client.get(&format!("/v1/models/{}", segment(model)))?;
    let card = shown.get_mut("card").map(Value::take).ok_or("the model's live version is not available")?;
    Ok(serde_json::from_value(card)?)
}

pub(super) fn infer_path(reference: &Reference) -> String {
    let model = segment(&reference.model);
    match &reference.version {
        Some(version) => format!("/v2/models/{model}/versions/{version}/infer"),
        None => format!("/v2/models/{model}/infer"),
    }
}

/// A batch as a V2 request.
pub(super) fn v2_request(card: &Card, batch: &Batch) -> Result<String, CliError> {
    let mut rows: Vec<Map<String, Value>> =
        serde_json::from_value(serde_json::to_value(Records { fields: &card.schema.inputs, batch })?)?;
    let inputs = card.schema.inputs.iter().zip(&batch.columns).map(|(field, tensor)| {
        let data: Vec<Value> = rows.iter_mut().map(|row| row.remove(&field.name).unwrap_or_default()).collect();
        json!({ "name": field.name, "shape": tensor.shape, "datatype": field.datatype, "data": data })
    });
    Ok(json!({ "inputs": inputs.collect::<Vec<_>>() }).to_string())
}

/// A V2 answer as rows.
fn records(answer: &Value) -> Result<Vec<Map<String, Value>>, CliError> {
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for output in answer.get("outputs").and_then(Value::as_array).into_iter().flatten() {
        let name = output.get("name").and_then(Value::as_str).ok_or("an output has no name")?;
        let data = output.get("data").and_then(Value::as_array).ok_or("an output has no data")?;
        let shape = output.get("shape").and_then(Value::as_array).ok_or("an output has no shape")?;
        let count = shape.first().and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        rows.resize_with(count, Map::new);
        let per_row = data.len() / count.max(1);
        for (row, values) in rows.iter_mut().zip(data.chunks(per_row.max(1))) {
            let value = match (shape.len(), values) {
                (1, [value]) => value.clone(),
                _ => Value::Array(values.to_vec()),
            };
            row.insert(name.to_owned(), value);
        }
    }
    Ok(rows)
}
