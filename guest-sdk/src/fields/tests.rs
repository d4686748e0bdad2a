use crate::prelude::*;
use crate::{FieldType, Record};
use proptest::prelude::*;
use scry_card::{Datatype, Tensor, Values};

#[derive(Debug, Clone, Copy, PartialEq, Category)]
enum Weather {
    Clear,
    #[category("light rain/snow")]
    LightRain,
}

#[derive(Debug, Clone, PartialEq, Record)]
struct Row {
    /// A number.
    #[field(unit = "km/h", min = -1, max = 1.5)]
    speed: f64,
    #[field(name = "as clients see it")]
    count: Option<i32>,
    image: [[f32; 3]; 2],
    window: Option<[u16; 2]>,
    label: String,
    note: Option<String>,
    weather: Weather,
    forecast: Option<Weather>,
    open: bool,
}

fn weather() -> impl Strategy<Value = Weather> {
    prop::sample::select(&[Weather::Clear, Weather::LightRain][..])
}

fn row() -> impl Strategy<Value = Row> {
    let scalars = (-1.0..1.5f64, any::<Option<i32>>(), any::<bool>());
    let arrays = (prop::array::uniform2(prop::array::uniform3(-1.0..1.0f32)), any::<Option<[u16; 2]>>());
    let texts = (".{0,8}", prop::option::of(".{0,8}"), weather(), prop::option::of(weather()));
    (scalars, arrays, texts).prop_map(|((speed, count, open), (image, window), (label, note, weather, forecast))| Row {
        speed,
        count,
        image,
        window,
        label,
        note,
        weather,
        forecast,
        open,
    })
}

proptest! {
    #[test]
    fn rows_become_columns_become_tensors_become_rows(rows in prop::collection::vec(row(), 0..9)) {
        let batch: Batch<Row> = rows.iter().cloned().collect();
        let tensors = Row::write(batch.into_columns());
        let columns = scry_card::Batch { rows: rows.len(), columns: tensors.clone() };
        prop_assert_eq!(scry_card::check(&Row::fields(), &columns, 9), vec![]);
        let batch = Batch::<Row>::new(Row::read(tensors).unwrap()).unwrap();
        prop_assert_eq!(batch.rows().collect::<Vec<_>>(), rows);
    }
}

#[test]
fn a_record_describes_its_columns() {
    let fields = Row::fields();
    let field = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
    let speed = field("speed");
    assert_eq!((speed.description.as_str(), speed.unit.as_deref()), ("A number.", Some("km/h")));
    assert_eq!((speed.minimum, speed.maximum, speed.nullable), (Some(-1.0), Some(1.5), false));
    assert_eq!((field("as clients see it").datatype, field("as clients see it").nullable), (Datatype::Int32, true));
    assert_eq!((field("image").datatype, field("image").shape.as_slice()), (Datatype::Fp32, &[2, 3][..]));
    assert_eq!((field("window").shape.as_slice(), field("window").nullable), (&[2][..], true));
    assert_eq!(field("weather").categories, ["clear", "light rain/snow"]);
    assert_eq!(field("forecast").categories, field("weather").categories);
    assert_eq!((field("open").datatype, field("label").datatype), (Datatype::Bool, Datatype::Bytes));
}

#[test]
fn an_array_is_missing_when_any_of_its_elements_is() {
    let tensor = Tensor {
        shape: vec![2, 2],
        values: Values::Uint16(vec![1, 2, 3, 4]),
        validity: Some(vec![true, true, true, false]),
    };
    let column = Option::<[u16; 2]>::read(tensor).unwrap();
    assert_eq!(Option::<[u16; 2]>::get(&column, 0), Some([1, 2]));
    assert_eq!(Option::<[u16; 2]>::get(&column, 1), None);
}

#[test]
fn a_column_of_another_type_names_the_field() {
    let mut tensors = Row::write(Batch::<Row>::from_iter([]).into_columns());
    tensors[1].values = Values::Fp64(vec![]);
    let failure = Row::read(tensors.clone()).err().unwrap().to_string();
    assert!(failure.contains("`as clients see it`") && failure.contains("expected INT32, found FP64"), "{failure}");
    tensors.truncate(1);
    assert!(Row::read(tensors).err().unwrap().to_string().contains("found nothing"));
}

#[test]
fn columns_of_different_length_are_no_batch() {
    let mut columns = <Row as Record>::Columns::default();
    columns.speed.push(1.0);
    assert!(Batch::<Row>::new(columns).is_err());
}
