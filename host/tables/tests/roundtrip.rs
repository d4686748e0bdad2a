//! Whatever batch is written is read back, bit for bit, and NaN as missing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;
use scry_card::{Batch, Datatype, Element, Field, Tensor, Text, Values, element_count};
use scry_tables::{Format, Reader, Writer};

fn datatype() -> impl Strategy<Value = Datatype> {
    use Datatype::*;
    prop::sample::select(vec![Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Fp32, Fp64, Bytes])
}

fn field(format: Format) -> impl Strategy<Value = Field> {
    let dims = if format == Format::Csv { 0..1 } else { 0..3usize };
    (datatype(), prop::collection::vec(1..4u64, dims), any::<bool>()).prop_map(|(datatype, shape, nullable)| Field {
        name: String::new(),
        description: String::new(),
        datatype,
        shape,
        nullable,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    })
}

fn wrapped<T: Element>(count: usize, element: impl Strategy<Value = T>) -> impl Strategy<Value = Values> {
    prop::collection::vec(element, count).prop_map(T::wrap)
}

fn values(format: Format, datatype: Datatype, count: usize) -> BoxedStrategy<Values> {
    let fp64 = any::<u64>().prop_map(f64::from_bits);
    let fp32 = any::<u32>().prop_map(f32::from_bits);
    match datatype {
        Datatype::Bool => wrapped(count, any::<bool>()).boxed(),
        Datatype::Int8 => wrapped(count, any::<i8>()).boxed(),
        Datatype::Int16 => wrapped(count, any::<i16>()).boxed(),
        Datatype::Int32 => wrapped(count, any::<i32>()).boxed(),
        Datatype::Int64 => wrapped(count, any::<i64>()).boxed(),
        Datatype::Uint8 => wrapped(count, any::<u8>()).boxed(),
        Datatype::Uint16 => wrapped(count, any::<u16>()).boxed(),
        Datatype::Uint32 => wrapped(count, any::<u32>()).boxed(),
        Datatype::Uint64 => wrapped(count, any::<u64>()).boxed(),
        // What each format says of numbers that are none.
        Datatype::Fp64 => match format {
            Format::Parquet => wrapped(count, fp64).boxed(),
            Format::Csv => wrapped(count, fp64).boxed(),
            Format::Ndjson => wrapped(count, fp64.prop_map(|v| if v.is_infinite() { -0.0 } else { v })).boxed(),
        },
        Datatype::Fp32 => match format {
            Format::Parquet => wrapped(count, fp32).boxed(),
            Format::Csv => wrapped(count, fp32).boxed(),
            Format::Ndjson => wrapped(count, fp32.prop_map(|v| if v.is_infinite() { -0.0 } else { v })).boxed(),
        },
        Datatype::Bytes => prop::collection::vec("[a-c,;\"\n\r \\\\ü\u{feff}\u{0}]{0,6}", count)
            .prop_map(|strings| {
                let mut text = Text::default();
                strings.iter().for_each(|string| text.push(string).unwrap());
                Values::Bytes(text)
            })
            .boxed(),
    }
}

/// Neutral where missing, as readers give it.
fn neutral(values: Values, flags: &[bool]) -> Values {
    macro_rules! by_type {
        ($($variant:ident),*) => {
            match values {
                $(Values::$variant(list) => {
                    let pairs = list.into_iter().zip(flags);
                    Values::$variant(pairs.map(|(v, &there)| if there { v } else { Default::default() }).collect())
                })*
                Values::Bytes(list) => {
                    let mut text = Text::default();
                    list.iter().zip(flags).for_each(|(v, &there)| text.push(if there { v } else { "" }).unwrap());
                    Values::Bytes(text)
                }
            }
        };
    }
    by_type!(Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Fp32, Fp64)
}

fn tensor(format: Format, field: &Field, rows: usize) -> impl Strategy<Value = Tensor> + use<> {
    let shape = field.batch_shape(rows as u64);
    let count = element_count(&shape).unwrap();
    let flags = if field.nullable { 0.5 } else { 1.0 };
    let flags = prop::collection::vec(prop::bool::weighted(flags), count);
    (values(format, field.datatype, count), flags).prop_map(move |(values, flags)| Tensor {
        shape: shape.clone(),
        values: neutral(values, &flags),
        validity: flags.contains(&false).then_some(flags),
    })
}

fn table(format: Format) -> impl Strategy<Value = (Vec<Field>, Vec<Batch>)> {
    let names = prop::collection::hash_set("[a-c,;\"\n |\u{feff}ü]{1,4}", 5);
    let fields = prop::collection::vec(field(format), 1..=5);
    (names, fields, prop::collection::vec(0..40usize, 1..4)).prop_flat_map(move |(names, mut fields, rows)| {
        fields.iter_mut().zip(names).for_each(|(field, name)| field.name = name);
        let batch = |rows: usize| {
            let columns: Vec<_> = fields.iter().map(|field| tensor(format, field, rows)).collect();
            columns.prop_map(move |columns| Batch { rows, columns })
        };
        let batches: Vec<_> = rows.into_iter().map(batch).collect();
        (Just(fields.clone()), batches)
    })
}

/// Values as bits, so that NaNs compare.
fn bits(batch: &Batch) -> Vec<String> {
    let column = |tensor: &Tensor| match &tensor.values {
        Values::Fp64(list) => format!("{:?}", list.iter().map(|v| v.to_bits()).collect::<Vec<_>>()),
        Values::Fp32(list) => format!("{:?}", list.iter().map(|v| v.to_bits()).collect::<Vec<_>>()),
        values => format!("{values:?}"),
    };
    batch.columns.iter().map(|tensor| format!("{:?} {} {:?}", tensor.shape, column(tensor), tensor.validity)).collect()
}

fn returns(format: Format, fields: &[Field], batches: &[Batch]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let mut writer = Writer::create_as(&path, format, fields).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    let rows = writer.finish().unwrap();
    let mut reader = Reader::open_as(&path, format).unwrap();
    reader.set_rows_max(usize::MAX);
    let all = reader.batches(fields).unwrap().map(|batch| batch.unwrap()).collect::<Vec<_>>();
    let written = as_read(Batch::join(&batches.iter().collect::<Vec<_>>()).unwrap());
    prop_assert_eq!(rows, written.rows as u64);
    if rows == 0 {
        prop_assert!(all.is_empty());
        return Ok(());
    }
    prop_assert_eq!(bits(&Batch::join(&all.iter().collect::<Vec<_>>()).unwrap()), bits(&without_flags(written)));
    // In small pieces, the same.
    reader.set_rows_max(7);
    let pieces = reader.batches(fields).unwrap().map(|batch| batch.unwrap()).collect::<Vec<_>>();
    prop_assert!(pieces.iter().all(|batch| batch.rows <= 7));
    let joined = without_flags(Batch::join(&pieces.iter().collect::<Vec<_>>()).unwrap());
    prop_assert_eq!(bits(&joined), bits(&all[0]));
    // As found: types may be narrower or wider, but the rows are the same.
    if let Ok(found) = reader.found_fields(&mut |_| ()) {
        let found_rows: usize = reader.batches(&found).unwrap().map(|batch| batch.unwrap().rows).sum();
        prop_assert_eq!(found_rows, written_rows(&all));
    }
    prop_assert_eq!(reader.rows_total(), Some(rows));
    Ok(())
}

fn written_rows(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.rows).sum()
}

/// NaN is a missing number, whatever its bits.
fn as_read(mut batch: Batch) -> Batch {
    for tensor in &mut batch.columns {
        let is_nan: Vec<bool> = match &tensor.values {
            Values::Fp64(list) => list.iter().map(|value| value.is_nan()).collect(),
            Values::Fp32(list) => list.iter().map(|value| value.is_nan()).collect(),
            _ => continue,
        };
        let flags: Vec<_> = is_nan.iter().enumerate().map(|(at, is_nan)| tensor.is_valid(at) && !is_nan).collect();
        tensor.values = neutral(tensor.values.clone(), &flags);
        tensor.validity = Some(flags);
    }
    batch
}

/// Joined batches may have flags that say nothing is missing.
fn without_flags(mut batch: Batch) -> Batch {
    for tensor in &mut batch.columns {
        tensor.validity = tensor.validity.take().filter(|flags| flags.contains(&false));
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn csv((fields, batches) in table(Format::Csv)) {
        returns(Format::Csv, &fields, &batches)?;
    }

    #[test]
    fn ndjson((fields, batches) in table(Format::Ndjson)) {
        returns(Format::Ndjson, &fields, &batches)?;
    }

    #[test]
    fn parquet((fields, batches) in table(Format::Parquet)) {
        returns(Format::Parquet, &fields, &batches)?;
    }
}

/// Other tools read what a pipeline computed, bit for bit.
#[test]
fn nan_keeps_its_bits_in_parquet() {
    use parquet::column::reader::ColumnReader;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let field: Field = serde_json::from_str(r#"{ "name": "x", "datatype": "FP64" }"#).unwrap();
    let values = [0x7ff8_0000_0000_0000, 0xfff0_0000_0000_0001, 0x7ff8_dead_beef_0001].map(f64::from_bits);
    let mut writer = Writer::create(&path, &[field]).unwrap();
    let columns = vec![Tensor { shape: vec![3], values: Values::Fp64(values.to_vec()), validity: None }];
    writer.write(&Batch { rows: 3, columns }).unwrap();
    writer.finish().unwrap();
    let file = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let group = file.get_row_group(0).unwrap();
    let ColumnReader::DoubleColumnReader(mut reader) = group.get_column_reader(0).unwrap() else { unreachable!() };
    let mut read = Vec::new();
    reader.read_records(3, None, None, &mut read).unwrap();
    assert_eq!(read.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), values.map(f64::to_bits));
}
