//! A table sent as CSV is the batch that the same text is as a file, to the bit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use proptest::prelude::*;
use scry_card::{Batch, Datatype, Detail, Field, Interrupt, Values};
use scry_protocol::Format;
use scry_tables::Reader;
use std::io::Write;

fn field(name: &str, datatype: Datatype, nullable: bool) -> Field {
    let (unit, minimum, maximum) = (None, None, None);
    let (name, shape, description, categories) = (name.to_owned(), vec![], String::new(), vec![]);
    Field { name, description, datatype, shape, nullable, unit, minimum, maximum, categories }
}

fn fields() -> Vec<Field> {
    use Datatype::*;
    [("a", Bytes), ("b", Fp32), ("c", Fp64), ("d", Bool), ("e", Int64), ("f", Uint64), ("g", Int8), ("h", Bytes)]
        .map(|(name, datatype)| field(name, datatype, name != "h"))
        .into()
}

fn sent(fields: &[Field], text: &str) -> Result<Batch, String> {
    let decoded = Format::Csv.decode(text.as_bytes(), &Interrupt::never()).map_err(|error| error.to_string())?;
    let batch = decoded.rows.in_order(fields, &Detail::default(), &mut Interrupt::never()).unwrap();
    batch.map_err(|unfit| unfit.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// The rows of a file; none where it has none. What it lacks may be missing: that is for checks to judge.
fn filed(fields: &[Field], text: &str) -> Result<Option<Batch>, String> {
    let fields: Vec<_> = fields.iter().map(|field| Field { nullable: true, ..field.clone() }).collect();
    let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut reader = Reader::open(file.path()).map_err(|error| error.to_string())?;
    reader.allow_absent(&fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>());
    let batches = reader.batches(&fields).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let batches = batches.map_err(|error| error.to_string())?;
    Ok(Batch::join(&batches.iter().collect::<Vec<_>>()))
}

/// A batch whose floats are bits.
fn bits(batch: &Batch) -> String {
    let columns = batch.columns.iter().map(|column| match &column.values {
        Values::Fp32(list) => format!("{:?}", list.iter().map(|x| x.to_bits()).collect::<Vec<_>>()),
        Values::Fp64(list) => format!("{:?}", list.iter().map(|x| x.to_bits()).collect::<Vec<_>>()),
        others => format!("{others:?}"),
    } + &format!("{:?} {:?}", column.shape, column.validity));
    format!("{} {:?}", batch.rows, columns.collect::<Vec<_>>())
}

fn same(fields: &[Field], text: &str) -> Result<(), TestCaseError> {
    match (sent(fields, text), filed(fields, text)) {
        (Ok(sent), Ok(Some(filed))) => prop_assert_eq!(bits(&sent), bits(&filed), "{:?}", text),
        (Ok(sent), Ok(None)) => prop_assert_eq!(sent.rows, 0, "{:?}", text),
        (Err(_), Err(_)) => {}
        (sent, filed) => prop_assert!(false, "{:?}: sent {:?}, filed {:?}", text, sent, filed),
    }
    Ok(())
}

/// Just above the middle between two neighbors, which an FP64 rounds to the middle.
fn above_a_tie() -> impl Strategy<Value = (String, f32)> {
    (any::<u32>(), 100..140_u32).prop_map(|(bits, exponent)| {
        let below = f32::from_bits((bits & 0x807f_fffe) | (exponent << 23));
        let above = f32::from_bits(below.to_bits() + 1);
        let middle = f64::midpoint(below.into(), above.into());
        (format!("{middle:.80}1"), above)
    })
}

fn cell() -> impl Strategy<Value = String> {
    let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
    prop_oneof![
        Just(String::new()),
        Just("\"\"".to_owned()),
        "[ \t]?(true|True|FALSE|yes|NaN|nan|-?inf|Infinity|-0|-0.0|3.0|1e3|1e39|1e400)[ \t]?",
        any::<i64>().prop_map(|whole| whole.to_string()),
        any::<u64>().prop_map(|whole| whole.to_string()),
        "[+-]?[0-9]{1,20}(\\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?",
        above_a_tie().prop_map(|(text, _)| text),
        "[a-zé\"' ]{0,4}",
        "[a-zé,\"\r\n ]{0,6}".prop_map(quoted),
    ]
}

/// What a column of this type mostly holds.
fn fitting(datatype: Datatype) -> BoxedStrategy<String> {
    let fits = match datatype {
        Datatype::Bytes => "[a-z]{1,3}|\"[a-z,\n]{0,3}(\"\")?\"".boxed(),
        Datatype::Bool => "true|False|".boxed(),
        Datatype::Fp32 | Datatype::Fp64 => {
            prop_oneof![above_a_tie().prop_map(|(text, _)| text), Just(String::new()), "-?[0-9]{1,9}\\.[0-9]{1,30}"]
                .boxed()
        }
        _ => "[0-9]{1,2}(\\.0)?|\"[0-9]\"|".boxed(),
    };
    prop_oneof![40 => fits, 1 => cell()].boxed()
}

/// A table with at least two of the columns, in any order, and perhaps an index.
fn table() -> impl Strategy<Value = String> {
    let names = prop::sample::subsequence(fields(), 1..=8).prop_shuffle();
    (names, any::<bool>(), prop_oneof![Just("\n"), Just("\r\n")], any::<bool>()).prop_flat_map(
        |(columns, has_index, end, has_end)| {
            let has_index = has_index || columns.len() == 1;
            let row: Vec<_> = columns.iter().map(|field| fitting(field.datatype)).collect();
            prop::collection::vec(row, 0..8).prop_map(move |rows| {
                let mut text = if has_index { "," } else { "" }.to_owned();
                text += &columns.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(",");
                for (at, row) in rows.iter().enumerate() {
                    text += end;
                    text += &if has_index { format!("{at},") } else { String::new() };
                    text += &row.join(",");
                }
                if has_end { text + end } else { text }
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_table_is_the_same_sent_and_in_a_file(text in table()) {
        same(&fields(), &text)?;
    }

    #[test]
    fn any_text_is_the_same_sent_and_in_a_file(text in "h,[abc](\r\n|\n)([a1.e,\"\r\n -]|\u{feff}){0,40}") {
        same(&fields(), &text)?;
    }

    #[test]
    fn a_narrow_float_is_rounded_once((text, expected) in above_a_tie()) {
        let batch = sent(&[field("x", Datatype::Fp32, false)], &format!("x\n{text}\n")).unwrap();
        prop_assert_eq!(&batch.columns[0].values, &Values::Fp32(vec![expected]), "{}", text);
    }
}

#[test]
fn a_number_between_two_floats_is_the_nearer_one() {
    let fields = [field("x", Datatype::Fp32, false), field("y", Datatype::Fp32, false)];
    let text = "x,y\n1.00000017881393432617187499,1.00000017881393432617187501\n";
    let expected = [0x3f80_0001, 0x3f80_0002].map(|bits| Values::Fp32(vec![f32::from_bits(bits)]));
    let batch = sent(&fields, text).unwrap();
    assert_eq!(batch.columns.iter().map(|column| column.values.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(bits(&batch), bits(&filed(&fields, text).unwrap().unwrap()));
}

#[test]
fn nothing_in_quotes_is_empty_text_in_a_file_of_one_column() {
    // A file that Scry wrote has empty texts there, and blank lines for missing ones; a request comes of Python, which
    // writes quotes for missing ones.
    let (fields, text) = ([field("x", Datatype::Bytes, true)], "x\n\"\"\n\ny\n");
    assert_eq!(filed(&fields, text).unwrap().unwrap().columns[0].validity, Some(vec![true, false, true]));
    assert_eq!(sent(&fields, text).unwrap().columns[0].validity, Some(vec![false, false, true]));
}
