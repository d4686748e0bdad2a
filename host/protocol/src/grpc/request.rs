//! A `ModelInferRequest`: what the host needs before it reads the rows, and the rows.

use super::{Fault, contents, parameter, text};
use crate::error::ProtocolError;
use crate::format::{Decoded, ReplyForm};
use crate::options::{InvalidRows, Options};
use crate::protobuf::{Fields, Value, numbers};
use crate::rows::Rows;
use crate::v2::{OutputForm, Outputs, binary, check_parameter};
use scry_card::strict::Error;
use scry_card::{FIELDS_MAX, Interrupt};
use std::time::Duration;

/// Fields of a message, those of parameters included: more are not looked at.
const MESSAGE_MAX_FIELDS: usize = 4 * FIELDS_MAX;

/// What is asked of whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// The model's name.
    pub model: &'a str,
    /// A number, an alias or a digest; empty where the routed version is meant.
    pub version: &'a str,
    /// The request's id; empty where it has none.
    pub id: &'a str,
    /// The deadline that the message itself sets.
    pub timeout: Option<Duration>,
}

/// Reads what a message asks, and of which model. Takes a time that does not grow with its rows.
pub fn head(message: &[u8]) -> Result<Head<'_>, ProtocolError> {
    Ok(read_head(message)?)
}

/// The model that a message names, by its first bytes alone: none where they do not.
pub fn model_of(beginning: &[u8]) -> Option<&str> {
    let mut known = Fields::of(beginning).map_while(Result::ok);
    known.find_map(|field| match field.value_of(1)? {
        Value::Bytes(name) => text(name).ok(),
        _ => None,
    })
}

fn read_head(message: &[u8]) -> Result<Head<'_>, Fault> {
    let mut head = Head::default();
    for field in fields(message) {
        match field? {
            (1, Value::Bytes(name)) => head.model = text(name).map_err(|error| error.within("model_name"))?,
            (2, Value::Bytes(version)) => {
                head.version = text(version).map_err(|error| error.within("model_version"))?
            }
            (3, Value::Bytes(id)) => head.id = text(id).map_err(|error| error.within("id"))?,
            (4, Value::Bytes(entry)) => {
                if let ("timeout", value) = parameter(entry)? {
                    head.timeout = value.as_u64().map(Duration::from_micros);
                }
            }
            _ => {}
        }
    }
    Ok(head)
}

/// The fields of a message that has not too many.
fn fields(message: &[u8]) -> impl Iterator<Item = Result<(u64, Value<'_>), Fault>> {
    Fields::of(message).take(MESSAGE_MAX_FIELDS + 1).enumerate().map(|(at, field)| match at {
        MESSAGE_MAX_FIELDS => Err(Error::wrong(format!("at most {MESSAGE_MAX_FIELDS} fields"), "more").into()),
        _ => Ok(field.map(|field| (field.number, field.value))?),
    })
}

/// One input, before its elements are read.
#[derive(Default)]
struct Input<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: Vec<u64>,
    /// An `InferTensorContents`.
    contents: Option<&'a [u8]>,
}

/// Reads a request. A tensor whose data is not what it says does not keep the others from being read.
pub(crate) fn decode<'a>(message: &[u8], interrupt: &Interrupt<'_>) -> Result<Decoded<'a>, ProtocolError> {
    Ok(read(message, &mut interrupt.fork())?)
}

fn read<'a>(message: &[u8], interrupt: &mut Interrupt<'_>) -> Result<Decoded<'a>, Fault> {
    let (mut options, mut id, mut outputs) = (Options::default(), "", Outputs::all_binary());
    let (mut inputs, mut raw) = (Vec::new(), Vec::new());
    for field in fields(message) {
        interrupt.spend(STEPS_OF_A_FIELD)?;
        match field? {
            (3, Value::Bytes(bytes)) => id = text(bytes).map_err(|error| error.within("id"))?,
            (4, Value::Bytes(entry)) => {
                let (name, value) = parameter(entry)?;
                options.set(name, value).map_err(|error| error.within(name).within("parameters"))?;
            }
            (5, Value::Bytes(tensor)) => {
                few(inputs.len(), "inputs")?;
                let at = inputs.len();
                inputs.push(input(tensor, interrupt).map_err(|error| error.within_list("inputs", at))?);
            }
            (6, Value::Bytes(output)) => {
                few(outputs.forms.len(), "outputs")?;
                let (name, form) = self::output(output)?;
                outputs.insert(name.to_owned(), form)?;
            }
            (7, Value::Bytes(bytes)) => {
                few(raw.len(), "raw_input_contents")?;
                raw.push(bytes);
            }
            _ => {}
        }
    }
    if inputs.is_empty() {
        return Err(Error::missing("inputs", "a list of tensors").into());
    }
    Ok(Decoded {
        rows: rows(inputs, &raw, interrupt)?,
        timeout: options.timeout.map(Duration::from_micros),
        key: options.key,
        by_row: options.invalid_rows == InvalidRows::RefuseRow,
        reply: ReplyForm { id: (!id.is_empty()).then(|| id.to_owned()), outputs, ..ReplyForm::default() },
        sent: None,
    })
}

/// Steps that a field of a message takes.
const STEPS_OF_A_FIELD: usize = 16;

/// No model has more: looking for each would take long.
fn few(before: usize, what: &str) -> Result<(), Error> {
    match before {
        FIELDS_MAX.. => Err(Error::wrong(format!("at most {FIELDS_MAX} {what}"), "more")),
        _ => Ok(()),
    }
}

/// Takes each input's elements from where they are: from its own contents, or from the next of the raw ones.
fn rows<'a>(inputs: Vec<Input<'_>>, raw: &[&[u8]], interrupt: &mut Interrupt<'_>) -> Result<Rows<'a>, Fault> {
    let without = inputs.iter().filter(|input| input.contents.is_none()).count();
    if !raw.is_empty() && raw.len() != without {
        let expected = format!("one for each of {without} inputs without `contents`");
        return Err(Error::wrong(expected, raw.len().to_string()).within("raw_input_contents").into());
    }
    let (mut named, mut misread, mut raw) = (Vec::with_capacity(inputs.len()), Vec::new(), raw.iter());
    for Input { name, datatype, shape, contents } in inputs {
        let next = if contents.is_none() { raw.next() } else { None };
        let read = match next {
            Some(bytes) => binary::read(name.to_owned(), datatype, shape, bytes, interrupt)?,
            None => contents::read(name.to_owned(), datatype, shape, contents.unwrap_or_default(), interrupt)?,
        };
        match read {
            Ok(tensor) => named.push(tensor),
            Err(wrong) => misread.push(wrong),
        }
    }
    Ok(Rows::Columns(named, misread))
}

fn input<'a>(tensor: &'a [u8], interrupt: &mut Interrupt<'_>) -> Result<Input<'a>, Fault> {
    let mut input = Input::default();
    for field in Fields::of(tensor) {
        interrupt.spend(STEPS_OF_A_FIELD)?;
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Bytes(name)) => input.name = text(name).map_err(|error| error.within("name"))?,
            (2, Value::Bytes(kind)) => input.datatype = text(kind).map_err(|error| error.within("datatype"))?,
            (3, Value::Number(dimension)) => input.shape.push(self::dimension(dimension)?),
            (3, Value::Bytes(packed)) => {
                for dimension in numbers(packed) {
                    interrupt.spend(1)?;
                    input.shape.push(self::dimension(dimension?)?);
                }
            }
            (4, Value::Bytes(entry)) => {
                let (name, value) = parameter(entry)?;
                check_parameter(name, &value).map_err(|error| error.within(name).within("parameters"))?;
            }
            (5, Value::Bytes(contents)) if input.contents.is_none() => input.contents = Some(contents),
            (5, _) => return Err(Error::wrong("it once", "it twice").within("contents").into()),
            _ => {}
        }
    }
    Ok(input)
}

fn dimension(number: u64) -> Result<u64, Error> {
    let signed = number.cast_signed();
    u64::try_from(signed).map_err(|_| Error::wrong("a whole number", signed.to_string()).within("shape"))
}

fn output(output: &[u8]) -> Result<(&str, OutputForm), Fault> {
    let (mut name, mut form) = ("", OutputForm::default());
    for field in Fields::of(output) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => name = text(bytes).map_err(|error| error.within("name").within("outputs"))?,
            (2, Value::Bytes(entry)) => {
                let (name, value) = parameter(entry)?;
                let within = |error: Error| error.within(name).within("parameters").within("outputs");
                form.set(name, &value).map_err(within)?;
            }
            _ => {}
        }
    }
    Ok((name, form))
}
