//! One tensor of a request: from its members to a column.
//!
//! Never changes the order of elements: `data` is flat, or nested exactly as `shape` says, and
//! bytes are row-major.

use super::outputs::{SHARED_MEMORY, no_shared_memory};
use super::place::{per_row, placed};
use super::{binary, plain};
use scry_card::strict::{Error, Walker, Within, cut, found as found_value, number, space};
use scry_card::{
    CheckKind, Column, ColumnBuilder, Datatype, Found, Interrupt, Misread, NamedTensor, ShownShape, Tensor,
    element_count,
};
use std::borrow::Cow;

/// The most elements to reserve room for before any is read.
const CAPACITY_MAX: usize = 1 << 16;

/// `data`, as far as it could be read where it came.
enum Data<'a> {
    Column(Column),
    /// Read once all members are known.
    Text(&'a str),
}

/// The bytes behind a request's JSON, tensor after tensor.
#[derive(Debug)]
pub(super) struct Tail<'a>(Option<&'a [u8]>);

impl<'a> Tail<'a> {
    /// All of the request is JSON.
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Some(bytes))
    }

    pub(super) fn left_bytes(&self) -> usize {
        self.0.map_or(0, <[u8]>::len)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let wrong = |expected: &'static str, found| {
            Err(Error::wrong(expected, found).within("binary_data_size").within("parameters"))
        };
        let Some(left) = self.0 else {
            return wrong("a request with the header `inference-header-content-length`", "one without".to_owned());
        };
        let Some((bytes, left)) = left.split_at_checked(count) else {
            return wrong("no more bytes than are left behind the JSON", format!("{count} of {}", left.len()));
        };
        self.0 = Some(left);
        Ok(bytes)
    }
}

/// How a tensor's data came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Flat,
    Nested,
    /// As bytes, or not at all.
    Binary,
}

/// What a JSON pointer to a part of a tensor's data needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTensor {
    /// Its name.
    pub name: String,
    shape: Vec<u64>,
    data: Sent,
}

impl SentTensor {
    /// Reads no more of a tensor than this.
    pub(super) fn read(walker: &mut Walker<'_>) -> Result<Self, Error> {
        let (mut name, mut shape, mut data) = (None, Vec::new(), Sent::Binary);
        walker.object(&["name", "shape", "data"], |walker, member| {
            match member {
                "name" => name = Some(walker.text()?.into_owned()),
                "shape" => shape = dimensions(walker)?,
                _ => {
                    data = sent(walker);
                    walker.skip()?;
                }
            }
            Ok::<_, Error>(())
        })?;
        Ok(Self { name: name.ok_or_else(|| Error::missing("name", "a string"))?, shape, data })
    }

    /// From the tensor to a row's value, or to an element of it.
    pub(crate) fn pointer(&self, row: usize, element: Option<usize>) -> String {
        let inner = self.shape.get(1..).unwrap_or_default();
        let per_row = element_count(inner).unwrap_or(0);
        match self.data {
            Sent::Nested => {}
            Sent::Flat => {
                let at = row.saturating_mul(per_row).saturating_add(element.unwrap_or(0));
                return format!("/data/{at}");
            }
            // JSON has no part of it.
            Sent::Binary => return String::new(),
        }
        let mut pointer = format!("/data/{row}");
        let (mut rest, mut size) = (element.unwrap_or(0), per_row);
        for &dimension in inner.iter().filter(|_| element.is_some()) {
            size = size.checked_div(usize::try_from(dimension).unwrap_or(usize::MAX)).unwrap_or(0);
            pointer.push_str(&format!("/{}", rest.checked_div(size).unwrap_or(0)));
            rest = rest.checked_rem(size).unwrap_or(0);
        }
        pointer
    }
}

/// Whether a list comes next that begins with another.
fn sent(walker: &mut Walker<'_>) -> Sent {
    let begins = |list: &[u8]| list.strip_prefix(b"[").is_some_and(|inside| space(inside).first() == Some(&b'['));
    let mut data = Sent::Flat;
    let _: Option<()> = walker.by(|text| {
        data = if begins(text) { Sent::Nested } else { Sent::Flat };
        None
    });
    data
}

/// Reads a tensor. What is wrong with its form is an error of the request; what is wrong with
/// its data is the tensor's own. What was sent is kept where that is wanted.
pub(super) fn read(
    walker: &mut Walker<'_>,
    all_sent: Option<&mut Vec<SentTensor>>,
    tail: &mut Tail<'_>,
) -> Result<Result<NamedTensor, Misread>, Error> {
    let (mut name, mut shape, mut kind, mut data) = (None, None, None, None);
    let (mut binary_bytes, mut how) = (None, Sent::Binary);
    walker.object(&["name", "shape", "datatype", "data", "parameters"], |walker, member| {
        match member {
            "name" => name = Some(walker.text()?),
            "shape" => shape = Some(dimensions(walker)?),
            "datatype" => kind = Some(walker.text()?),
            "parameters" => binary_bytes = binary_size(walker)?,
            _ => {
                how = if all_sent.is_some() { sent(walker) } else { Sent::Flat };
                let interrupt = walker.interrupt();
                let column = walker.by(|text| column(text, kind.as_deref()?, shape.as_deref()?, interrupt));
                data = Some(column.map_or_else(|| walker.skip().map(Data::Text), |column| Ok(Data::Column(column)))?);
            }
        }
        Ok::<_, Error>(())
    })?;
    let name = name.ok_or_else(|| Error::missing("name", "a string"))?.into_owned();
    let shape = shape.ok_or_else(|| Error::missing("shape", "a list of whole numbers"))?;
    let kind = kind.ok_or_else(|| Error::missing("datatype", "a string"))?;
    if let Some(all_sent) = all_sent {
        all_sent.push(SentTensor { name: name.clone(), shape: shape.clone(), data: how });
    }
    let read = match (data, binary_bytes) {
        (Some(data), None) => tensor(name, shape, &kind, data, &walker.interrupt()),
        (None, Some(count)) => binary::read(name, &kind, shape, tail.take(count)?, &mut walker.interrupt())?,
        (None, None) => return Err(Error::missing("data", "a list of elements")),
        (Some(_), Some(_)) => return Err(Error::wrong("`data` or `binary_data_size`", "both")),
    };
    if read.is_err() {
        // A wrong form may be all that there is.
        walker.interrupt().ask()?;
    }
    Ok(read)
}

/// Reads a tensor's parameters: how many bytes it has, where it comes as bytes.
fn binary_size(walker: &mut Walker<'_>) -> Result<Option<usize>, Error> {
    let mut count = None;
    let [region, offset, size] = SHARED_MEMORY;
    walker.object(&["binary_data_size", "content_type", region, offset, size], |walker, member| {
        match (member, walker.value()?) {
            ("binary_data_size", value) => {
                let bytes = value.as_u64().and_then(|bytes| usize::try_from(bytes).ok());
                count = Some(bytes.ok_or_else(|| Error::wrong("a number of bytes", found_value(&value)))?);
                Ok(())
            }
            (name, value) => check_parameter(name, &value),
        }
    })?;
    Ok(count)
}

/// Refuses a parameter of a tensor that makes it something else than what was sent.
pub(crate) fn check_parameter(name: &str, value: &serde_json::Value) -> Result<(), Error> {
    match name {
        // Of MLServer's types of content, the only one whose elements are not what they stand for.
        "content_type" if value == "base64" => Err(Error::wrong("texts as they are", "base64")),
        name if SHARED_MEMORY.contains(&name) => Err(no_shared_memory(value)),
        _ => Ok(()),
    }
}

fn dimensions(walker: &mut Walker<'_>) -> Result<Vec<u64>, Error> {
    const EXPECTED: &str = "a whole number";
    let mut shape = Vec::new();
    walker.list(|walker, _| {
        let written = match walker.peek() {
            Some(b'-' | b'0'..=b'9') => walker.number()?,
            _ => return Err(walker.other(EXPECTED)),
        };
        let dimension = if written == "-0" { Ok(0) } else { written.parse() };
        shape.push(dimension.map_err(|_| Error::wrong(EXPECTED, cut(written)))?);
        Ok(())
    })?;
    Ok(shape)
}

/// Plain numbers, in one go.
fn column<'a>(text: &'a [u8], kind: &str, shape: &[u64], interrupt: Interrupt<'_>) -> Option<(Column, &'a [u8])> {
    let capacity = element_count(shape)?.min(CAPACITY_MAX);
    plain::column(Datatype::of(kind)?, shape, text, capacity, interrupt)
}

fn tensor(
    name: String,
    shape: Vec<u64>,
    kind: &str,
    data: Data<'_>,
    interrupt: &Interrupt<'_>,
) -> Result<NamedTensor, Misread> {
    let wrong = |check, expected: String, found| Misread::new(check, &name, expected, found);
    let Some(datatype) = Datatype::of(kind) else {
        let expected = "a datatype of BOOL, INT8-64, UINT8-64, FP32, FP64, BYTES".to_owned();
        return Err(wrong(CheckKind::Type, expected, Found::Said(cut(kind))));
    };
    let Some(count) = element_count(&shape) else {
        let expected = "a shape that can be counted".to_owned();
        return Err(wrong(CheckKind::Shape, expected, Found::Said(ShownShape(&shape).to_string())));
    };
    let read = match data {
        Data::Column(column) => Ok(column),
        Data::Text(list) => elements(datatype, &shape, list, interrupt),
    };
    let Column { values, validity } = read.map_err(|stop| match stop {
        Stop::List(found) => wrong(CheckKind::Type, "a list of elements as `data`".into(), found),
        Stop::Nesting(at, found) => {
            let misread = wrong(CheckKind::Shape, format!("data nested as shape {}", ShownShape(&shape)), found);
            misread.at_row(at / per_row(&shape))
        }
        Stop::Element(at, found) => placed(wrong(CheckKind::Type, datatype.value(), found), &shape, at),
        // Its text was read before: only an element can be wrong.
        Stop::Text(error) => wrong(CheckKind::Form, "JSON".into(), Found::Said(error.to_string())),
    })?;
    if values.len() != count {
        let expected = format!("{count} elements for shape {}", ShownShape(&shape));
        return Err(wrong(CheckKind::Shape, expected, Found::Said(values.len().to_string())));
    }
    Ok(NamedTensor { name, tensor: Tensor { shape, values, validity } })
}

/// Why a list is not read to its end.
#[derive(Debug)]
pub(super) enum Stop {
    Text(Error),
    /// It is no list.
    List(Found),
    /// Not nested as it should be, at an element.
    Nesting(usize, Found),
    /// An element of another type.
    Element(usize, Found),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Text(error)
    }
}

/// The element's number says more than its place in the text.
impl Within for Stop {
    fn within(self, _: &str) -> Self {
        self
    }

    fn at(self, _: usize) -> Self {
        self
    }
}

/// Reads a list whose text is whole, element by element.
pub(super) fn elements(
    datatype: Datatype,
    shape: &[u64],
    list: &str,
    interrupt: &Interrupt<'_>,
) -> Result<Column, Stop> {
    let mut walker = Walker::of(list).until(interrupt);
    if walker.peek() != Some(b'[') {
        return Err(Stop::List(found(&mut walker)?));
    }
    let capacity = element_count(shape).unwrap_or(0).min(CAPACITY_MAX);
    let mut builder = ColumnBuilder::new(datatype, capacity);
    let inside = list.get(1..).unwrap_or_default().trim_start();
    if shape.len() > 1 && inside.starts_with('[') {
        nested(&mut walker, shape, &mut builder)?;
    } else {
        walker.list(|walker, _| element(walker, &mut builder))?;
    }
    Ok(builder.finish())
}

/// One level of a nested list, or an element below the last.
fn nested(walker: &mut Walker<'_>, shape: &[u64], builder: &mut ColumnBuilder) -> Result<(), Stop> {
    let Some((&dimension, inner)) = shape.split_first() else { return element(walker, builder) };
    if walker.peek() != Some(b'[') {
        let found = Found::Said(format!("an element in the place of a list of {dimension}"));
        return Err(Stop::Nesting(builder.len(), found));
    }
    let (begin, mut count) = (builder.len(), 0);
    let wrong =
        |length: String| Stop::Nesting(begin, Found::Said(format!("a list of {length} in the place of {dimension}")));
    walker.list(|walker, _| {
        if count == dimension {
            return Err(wrong("more".into()));
        }
        count += 1;
        nested(walker, inner, builder)
    })?;
    if count < dimension { Err(wrong(count.to_string())) } else { Ok(()) }
}

fn element(walker: &mut Walker<'_>, builder: &mut ColumnBuilder) -> Result<(), Stop> {
    let at = builder.len();
    let pushed = match walker.peek() {
        Some(b'[') => return Err(Stop::Nesting(at, Found::Said("a list in the place of an element".into()))),
        Some(b'{') => Err(found(walker)?),
        Some(b'"') => {
            let text = walker.text()?;
            builder.push_str(&text).map_err(|_| Found::Text(text.into_owned()))
        }
        Some(b'-' | b'0'..=b'9') => {
            let written = walker.number()?;
            let pushed = number(written).ok().and_then(|number| builder.push_number(&number).ok());
            pushed.ok_or_else(|| Found::Number(cut(written)))
        }
        _ => match walker.literal()? {
            None => builder.push_null().map_err(Found::Said),
            Some(value) => builder.push_bool(value).map_err(|_| Found::Truth(value)),
        },
    };
    pushed.map_err(|found| Stop::Element(at, found))
}

/// What is there instead of an element or a list.
fn found(walker: &mut Walker<'_>) -> Result<Found, Error> {
    Ok(match walker.peek() {
        Some(b'{') => Found::Said("an object".into()),
        Some(b'[') => Found::Said("a list".into()),
        Some(b'"') => Found::Text(Cow::into_owned(walker.text()?)),
        Some(b'-' | b'0'..=b'9') => Found::Number(cut(walker.number()?)),
        _ => walker.literal()?.map_or(Found::Said("null".into()), Found::Truth),
    })
}
