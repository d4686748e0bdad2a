//! `scry predict`

use super::client::{Client, Host, Predictions, segment};
use super::failure::{Malformed, Refused, Usage};
use super::print::counted;
use super::progress::Reading;
use super::{CliError, list, print_json};
use crate::config::Config;
use crate::offline::Progress;
use scry_card::{Batch, Card, Field, Records, batch_from_records, strict};
use scry_catalog::Reference;
use scry_tables::{Format, Reader, Writer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Send rows to a model.
///
/// The rows are a CSV, NDJSON or Parquet file (`.csv`, `.ndjson`, `.jsonl`,
/// `.parquet`), sent in batches however long it is; or JSON: a list of rows,
/// `{"instances": [rows]}`, one row alone, or a V2 request as it stands.
/// Predictions are printed as JSON rows, or written to a file of any of the three
/// formats; a V2 request gets its V2 answer.
///
/// No admin token is needed, and no other where the host has no token file. Without `--url`, a command that has one asks the
/// admin listener where the host answers predictions.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The model: `fraud`, `fraud@3`, `fraud@champion` or `fraud@sha256:…`.
    model: Reference,
    /// The rows; `-` reads JSON from stdin.
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
    /// The predictions to write, in the format that the name says [default: JSON on stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The host's prediction listener [default: where the admin listener says, else http://127.0.0.1:8080].
    #[arg(long, value_name = "URL", env = "SCRY_URL")]
    url: Option<String>,
    /// A token with the scope `predict`, for a host that asks for one [default: the admin token, where the admin
    /// listener said where to ask].
    #[arg(long, value_name = "TOKEN", env = "SCRY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Rows of a table that one request carries.
    #[arg(long, value_name = "ROWS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch_rows: u32,
    /// An input that a table may lack: all of its values are then missing. May be given several times.
    #[arg(long, value_name = "COLUMN")]
    allow_missing: Vec<String>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

const EXAMPLES: &str = "\
Examples:
  scry predict fraud --input rows.json
  scry predict fraud@champion --input day.parquet -o scores.ndjson --url https://scores.example";

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let started = Instant::now();
    let mut asked =
        Asked { host: args.predictions()?, path: infer_path(&args.model), requests: 0, degraded: BTreeMap::new() };
    let rows = match Format::of(&args.input) {
        Ok(_) => asked.table(args)?,
        Err(_) => asked.json(args)?,
    };
    asked.tell_degraded(&args.model);
    match &args.output {
        Some(path) if args.json => {
            let degraded: Vec<_> = asked
                .degraded
                .iter()
                .map(|((by, reason), requests)| json!({ "by": by, "reason": reason, "requests": requests }))
                .collect();
            print_json(&json!({
                "path": path, "rows": rows, "seconds": started.elapsed().as_secs_f64(),
                "requests": asked.requests, "degraded": degraded,
            }))
        }
        Some(path) => {
            println!("{}  {}  {:.1} s", path.display(), counted(rows, "row"), started.elapsed().as_secs_f64());
            Ok(())
        }
        None => Ok(()),
    }
}

impl Args {
    fn predictions(&self) -> Result<Predictions, CliError> {
        let admin = self.host.client_if_any();
        let url = match (&self.url, &admin) {
            (Some(url), _) => url.clone(),
            (None, Some(admin)) => admin.prediction_url()?,
            (None, None) if self.host.is_named() => {
                return Err("no admin token, so that the host cannot be asked where it answers predictions: give \
                            `--url`, or set SCRY_ADMIN_TOKEN"
                    .into());
            }
            (None, None) => format!("http://{}", Config::default().prediction.listen),
        };
        // A token that came by TLS does not go on without it.
        let goes_along = |admin: &&Client| self.url.is_none() && (url.starts_with("https:") || !admin.is_tls());
        let token =
            self.token.clone().or_else(|| admin.as_ref().filter(goes_along).map(|admin| admin.token().to_owned()));
        Ok(Predictions::new(self.host.agent()?, &url, token, admin))
    }
}

/// A model that is asked, and who answered.
struct Asked {
    host: Predictions,
    path: String,
    requests: u64,
    /// How many requests others answered, by who and why.
    degraded: BTreeMap<(String, String), u64>,
}

/// The form of a model's tensors, as the prediction listener tells it.
struct Form {
    inputs: Vec<Field>,
    outputs: Vec<Field>,
}

impl Asked {
    /// Rows of a file, a batch a request. What is written appears when all rows are in it.
    fn table(&mut self, args: &Args) -> Result<u64, CliError> {
        let form = self.form()?;
        let mut reader = Reader::open(&args.input)?;
        reader.set_rows_max(usize::try_from(args.batch_rows)?);
        reader.allow_absent(&args.allow_missing);
        let mut sink = Sink::open(args, &form.outputs)?;
        let mut batches = reader.batches(&form.inputs)?;
        let mut reading = Reading::quiet();
        let mut first_row = 0;
        while let Some(batch) = batches.next().transpose()? {
            let body = v2_request(&form.inputs, &batch)?;
            let answer =
                self.infer(body.as_bytes()).map_err(|error| placed(error, &args.input, first_row, batch.rows))?;
            sink.write(&records(&answer, &form.outputs)?)?;
            first_row += batch.rows as u64;
            reading.at(Progress { doing: "predicting", path: &args.input, position: batches.position() });
        }
        drop(reading);
        sink.finish()?;
        Ok(first_row)
    }

    /// JSON of any of its forms, in one request.
    fn json(&mut self, args: &Args) -> Result<u64, CliError> {
        let sent = read_input(&args.input)?;
        let wrong = |error| Malformed { path: args.input.clone(), error };
        let input = strict::value(&sent).map_err(wrong)?;
        if input.get("inputs").is_some() {
            if args.output.is_some() {
                let message = "a V2 request gets a V2 answer, which no table holds: leave `-o` out, or send rows";
                return Err(Usage(message.into()).into());
            }
            let answer = self.infer(&sent)?;
            print_value(&answer, args.json)?;
            return Ok(0);
        }
        let rows = rows(input).map_err(wrong)?;
        let form = self.form()?;
        let batch = batch_from_records(&form.inputs, &rows)?;
        let answer = self.infer(v2_request(&form.inputs, &batch)?.as_bytes())?;
        let answered = records(&answer, &form.outputs)?;
        match &args.output {
            Some(_) => {
                let mut sink = Sink::open(args, &form.outputs)?;
                sink.write(&answered)?;
                sink.finish()?;
            }
            None => print_value(&answered, args.json)?,
        }
        Ok(rows.len() as u64)
    }

    fn form(&self) -> Result<Form, CliError> {
        let path = self.path.strip_suffix("/infer").unwrap_or(&self.path);
        let told: Value = self.host.get(path)?;
        let fields = |side: &str| list(&told, side).iter().map(field).collect::<Result<Vec<_>, _>>();
        Ok(Form { inputs: fields("inputs")?, outputs: fields("outputs")? })
    }

    fn infer(&mut self, body: &[u8]) -> Result<Value, CliError> {
        let response = self.host.infer(&self.path, body)?;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if response.headers().contains_key("scry-degraded") {
            let who = format!("{}@{}", header("scry-model"), header("scry-version"));
            *self.degraded.entry((who, header("scry-degraded").to_owned())).or_default() += 1;
        }
        self.requests += 1;
        self.host.read(response)
    }

    fn tell_degraded(&self, model: &Reference) {
        for ((who, reason), count) in &self.degraded {
            let all = self.requests;
            let of = if all > 1 { format!(" in {count} of {all} requests") } else { String::new() };
            eprintln!("note: {who} answered instead of {model} ({reason}){of}");
        }
    }
}

/// A tensor's form as a field. Whether values may be missing, and which are
/// allowed, is the host's to say.
fn field(told: &Value) -> Result<Field, CliError> {
    let is_scalar = told.pointer("/parameters/scalar") == Some(&Value::Bool(true));
    let shape = list(told, "shape").get(1..).filter(|_| !is_scalar).unwrap_or_default();
    let field = json!({ "name": told.get("name"), "datatype": told.get("datatype"), "shape": shape, "nullable": true });
    Ok(serde_json::from_value(field)?)
}

/// An error of a batch, with the file's rows that it is about.
fn placed(error: CliError, path: &Path, first_row: u64, rows: usize) -> CliError {
    let last_row = first_row + (rows as u64).saturating_sub(1);
    match error.downcast::<Refused>() {
        Ok(mut refused) => {
            let message = &refused.message;
            refused.message = format!("{}, rows {first_row} to {last_row}: {message}", path.display());
            refused
        }
        Err(error) => error,
    }
}

/// Where predictions of a table go.
enum Sink<'a> {
    File(Writer, &'a [Field]),
    /// A list: what stands before its next row, and between two.
    Stdout {
        before: &'static str,
        between: &'static str,
    },
}

impl<'a> Sink<'a> {
    fn open(args: &Args, outputs: &'a [Field]) -> Result<Self, CliError> {
        Ok(match &args.output {
            Some(path) => Self::File(Writer::create(path, outputs)?, outputs),
            None => Self::Stdout { before: "[", between: if args.json { "," } else { ",\n " } },
        })
    }

    fn write(&mut self, rows: &[Map<String, Value>]) -> Result<(), CliError> {
        match self {
            Self::File(writer, fields) => writer.write(&batch_from_records(fields, rows)?)?,
            Self::Stdout { before, between } => {
                for row in rows {
                    print!("{before}{}", serde_json::to_string(row)?);
                    *before = between;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), CliError> {
        match self {
            Self::File(writer, _) => drop(writer.finish()?),
            Self::Stdout { before: "[", .. } => println!("[]"),
            Self::Stdout { .. } => println!("]"),
        }
        Ok(())
    }
}

fn print_value(value: &impl serde::Serialize, is_one_line: bool) -> Result<(), CliError> {
    if is_one_line {
        return print_json(value);
    }
    println!("{}", serde_json::to_string_pretty(value)?);
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

/// A model's card, by its live version, as operators see it.
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
pub(super) fn v2_request(fields: &[Field], batch: &Batch) -> Result<String, CliError> {
    let mut rows: Vec<Map<String, Value>> = serde_json::from_value(serde_json::to_value(Records { fields, batch })?)?;
    let inputs = fields.iter().zip(&batch.columns).map(|(field, tensor)| {
        let data: Vec<Value> = rows.iter_mut().map(|row| row.remove(&field.name).unwrap_or_default()).collect();
        json!({ "name": field.name, "shape": tensor.shape, "datatype": field.datatype, "data": data })
    });
    Ok(json!({ "inputs": inputs.collect::<Vec<_>>() }).to_string())
}

/// A V2 answer as rows of these fields.
fn records(answer: &Value, fields: &[Field]) -> Result<Vec<Map<String, Value>>, CliError> {
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for output in list(answer, "outputs") {
        let name = output.get("name").and_then(Value::as_str).ok_or("an output has no name")?;
        let data = output.get("data").and_then(Value::as_array).ok_or("an output has no data")?;
        let shape = output.get("shape").and_then(Value::as_array).ok_or("an output has no shape")?;
        let count = shape.first().and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        rows.resize_with(count, Map::new);
        // Another version may answer more than this one.
        if !fields.iter().any(|field| field.name == name) {
            continue;
        }
        let per_row = data.len() / count.max(1);
        for (row, values) in rows.iter_mut().zip(data.chunks(per_row.max(1))) {
            row.insert(name.to_owned(), nested(values, shape.get(1..).unwrap_or_default()));
        }
    }
    Ok(rows)
}

/// One row's elements in their shape.
fn nested(values: &[Value], shape: &[Value]) -> Value {
    match (shape, values) {
        ([], [value]) => value.clone(),
        ([] | [_], _) => Value::Array(values.to_vec()),
        ([first, rest @ ..], _) => {
            let parts = first.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1);
            let size = (values.len() / parts).max(1);
            Value::Array(values.chunks(size).map(|part| nested(part, rest)).collect())
        }
    }
}
