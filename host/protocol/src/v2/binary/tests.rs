use super::*;
use crate::v2::tests::values;
use proptest::prelude::*;
use scry_card::Echo;

/// What a client's bytes become, or what is wrong with them.
fn one(datatype: &str, shape: &[u64], bytes: &[u8]) -> Result<Tensor, String> {
    let read = read("x".into(), datatype, shape.to_vec(), bytes, &mut Interrupt::never()).unwrap();
    read.map(|named| named.tensor).map_err(|misread| misread.told(Echo::default()).to_string())
}

fn written(values: &Values) -> Vec<u8> {
    let mut bytes = vec![7];
    write(values, &mut bytes, &mut Interrupt::never()).unwrap();
    assert_eq!(bytes.len(), 1 + size(values));
    bytes.split_off(1)
}

/// `tobytes()` of numpy's little-endian arrays, and tritonclient's `serialize_byte_tensor`.
#[test]
fn bytes_are_those_of_numpy_and_tritonclient() {
    let text = Values::Bytes(Text::new(vec![1, 1, 5], "aüé".into()).unwrap());
    for (values, bytes) in [
        (Values::Bool(vec![true, false]), "0100"),
        (Values::Int8(vec![-1, 127]), "ff7f"),
        (Values::Int16(vec![-2, 300]), "feff2c01"),
        (Values::Int32(vec![-3, 1 << 20]), "fdffffff00001000"),
        (Values::Int64(vec![i64::MIN]), "0000000000000080"),
        (Values::Uint8(vec![0, 255]), "00ff"),
        (Values::Uint16(vec![65_534]), "feff"),
        (Values::Uint32(vec![4_000_000_000]), "00286bee"),
        (Values::Uint64(vec![u64::MAX - 1]), "feffffffffffffff"),
        (Values::Fp32(vec![0.1, -0.0]), "cdcccc3d00000080"),
        (Values::Fp64(vec![0.1, f64::NEG_INFINITY]), "9a9999999999b93f000000000000f0ff"),
        (text, "01000000610000000004000000c3bcc3a9"),
    ] {
        let hex: String = written(&values).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, bytes, "{values:?}");
        let tensor = one(values.datatype().name(), &[values.len() as u64], &written(&values)).unwrap();
        assert_eq!(tensor.values, values);
    }
}

/// `numpy.frombuffer(…, numpy.float16)`, and all others by the standard's formula.
#[test]
fn halves_are_read_without_loss() {
    let half = |bits: u16| one("FP16", &[1], &bits.to_le_bytes()).map(|tensor| tensor.values);
    for (bits, value) in [
        (0x3c00, 1.0),
        (0x3555, 0.333_251_95),
        (0x7bff, 65_504.0),
        (0x0001, 5.960_464_5e-8),
        (0x83ff, -6.097_555e-5),
        (0x7c00, f32::INFINITY),
        (0xfc00, f32::NEG_INFINITY),
    ] {
        assert_eq!(half(bits), Ok(Values::Fp32(vec![value])), "{bits:#x}");
    }
    for bits in 0..=u16::MAX {
        let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
        let Ok(Values::Fp32(read)) = half(bits) else { panic!("{bits:#x}") };
        assert_eq!(read[0].is_sign_negative(), bits & 0x8000 != 0, "{bits:#x}");
        match exponent {
            31 => assert_eq!((read[0].is_nan(), read[0].is_infinite()), (fraction != 0.0, fraction == 0.0)),
            0 => assert_eq!(f64::from(read[0]).abs(), fraction / 1024.0 * 2f64.powi(-14), "{bits:#x}"),
            _ => {
                assert_eq!(f64::from(read[0]).abs(), (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15), "{bits:#x}")
            }
        }
        let Ok(Values::Fp32(read)) = one("BF16", &[1], &bits.to_le_bytes()).map(|tensor| tensor.values) else {
            panic!("{bits:#x}")
        };
        assert_eq!(read[0].to_bits(), u32::from(bits) << 16);
    }
}

#[test]
fn every_refusal_names_field_expected_and_found() {
    let text = |lengths_and_texts: &[(u32, &[u8])]| -> Vec<u8> {
        lengths_and_texts.iter().flat_map(|(length, text)| [&length.to_le_bytes()[..], text].concat()).collect()
    };
    for (datatype, shape, bytes, says) in [
        ("FP32", &[2][..], vec![0; 7], "field `x`: expected 8 bytes for FP32 of shape [2], found 7"),
        ("INT8", &[2, 3], vec![0; 8], "field `x`: expected 6 bytes for INT8 of shape [2, 3], found 8"),
        ("FP16", &[1], vec![0; 4], "field `x`: expected 2 bytes for FP16 of shape [1], found 4"),
        ("BOOL", &[2, 2], vec![1, 0, 1, 2], "field `x`, row 1, element 1: expected a BOOL value, found 2"),
        (
            "BYTES",
            &[2],
            text(&[(1, b"a"), (9, b"b")]),
            "field `x`: expected 2 texts with their lengths for BYTES of shape [2], found 10 bytes, which end in text 1",
        ),
        (
            "BYTES",
            &[1],
            text(&[(1, b"a"), (1, b"b")]),
            "field `x`: expected 1 texts with their lengths for BYTES of shape [1], found 5 bytes more",
        ),
        (
            "BYTES",
            &[1 << 40],
            vec![0; 6],
            "field `x`: expected 1099511627776 texts with their lengths for BYTES of shape [1099511627776], found 6 \
             bytes, which end in text 1",
        ),
        (
            "BYTES",
            &[2],
            text(&[(1, b"a"), (2, b"b\xff")]),
            "field `x`, row 1: expected a BYTES value, found the byte 0xff, which is not UTF-8",
        ),
        (
            "FP32",
            &[1 << 32, 1 << 29],
            vec![],
            "field `x`: expected 9223372036854775808 bytes for FP32 of shape [4294967296, 536870912], found 0",
        ),
        (
            "FP64",
            &[1 << 32, 1 << 31],
            vec![],
            "field `x`: expected fewer bytes for FP64 of shape [4294967296, 2147483648], found 0",
        ),
        (
            "FP32",
            &[1 << 32, 1 << 32],
            vec![],
            "field `x`: expected a shape that can be counted, found [4294967296, 4294967296]",
        ),
        (
            "INT4",
            &[1],
            vec![0],
            "field `x`: expected a datatype of BOOL, INT8-64, UINT8-64, FP16, BF16, FP32, FP64, BYTES, found INT4",
        ),
    ] {
        assert_eq!(one(datatype, shape, &bytes).unwrap_err(), says, "{datatype} {shape:?}");
    }
    assert!(one("FP64", &[0, 8], &[]).is_ok() && one("BYTES", &[0], &[]).is_ok());
}

fn field(datatype: Datatype, shape: &[u64]) -> Field {
    Field {
        name: "x".into(),
        description: String::new(),
        datatype,
        shape: shape.to_vec(),
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

#[test]
fn a_body_that_is_one_tensor_has_as_many_rows_as_it_has_room_for() {
    let rows = |datatype, shape: &[u64], bytes: &[u8]| {
        let read = read_rows(&field(datatype, shape), bytes, &mut Interrupt::never()).unwrap();
        read.map(|named| (named.name, named.tensor.shape, named.tensor.values))
            .map_err(|misread| misread.told(Echo::default()).to_string())
    };
    assert_eq!(
        rows(Datatype::Int16, &[2], &[1, 0, 2, 0, 3, 0, 4, 0]),
        Ok(("x".into(), vec![2, 2], Values::Int16(vec![1, 2, 3, 4])))
    );
    let text = Values::Bytes(Text::new(vec![3], "aü".into()).unwrap());
    for shape in [&[][..], &[1]] {
        let (_, found, values) = rows(Datatype::Bytes, shape, "aü".as_bytes()).unwrap();
        assert_eq!((found.len(), &values), (1 + shape.len(), &text));
    }
    for (datatype, shape, bytes, says) in [
        (Datatype::Fp32, &[2][..], &[0; 12][..], "expected rows of 8 bytes as the body, found 12 bytes"),
        (Datatype::Fp32, &[], &[], "expected rows of 4 bytes as the body, found 0 bytes"),
        (Datatype::Bytes, &[2], b"a", "expected a field of one text, where the body is the text, found one of 2"),
        (Datatype::Bytes, &[], b"a\xff", "expected UTF-8 as the body, found the byte 0xff, which is not UTF-8"),
    ] {
        assert_eq!(rows(datatype, shape, bytes).unwrap_err(), format!("field `x`: {says}"));
    }
}

#[test]
fn long_work_is_interrupted() {
    let is_over = || true;
    let long = vec![0; 8 * BLOCK * 4];
    let count = [4 * BLOCK as u64];
    assert!(read("x".into(), "FP64", count.to_vec(), &long, &mut Interrupt::when(&is_over)).is_err());
    let Values::Fp64(list) = one("FP64", &count, &long).unwrap().values else { panic!("numbers") };
    assert!(write(&Values::Fp64(list), &mut Vec::new(), &mut Interrupt::when(&is_over)).is_err());
    let texts = vec![0; 4 * 4 * BLOCK];
    assert!(read("x".into(), "BYTES", count.to_vec(), &texts, &mut Interrupt::when(&is_over)).is_err());
}

proptest! {
    /// To the bit.
    #[test]
    fn what_is_written_is_read(values in values()) {
        let tensor = one(values.datatype().name(), &[values.len() as u64], &written(&values)).unwrap();
        prop_assert_eq!(format!("{:?}", tensor.values), format!("{values:?}"));
    }

    #[test]
    fn any_bytes_are_refused_or_read(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        datatype in prop::sample::select(vec!["BOOL", "INT16", "FP16", "BF16", "FP64", "BYTES"]),
        shape in prop::collection::vec(0..4_u64, 0..3),
    ) {
        if let Ok(tensor) = one(datatype, &shape, &bytes) {
            prop_assert_eq!(tensor.values.len() as u64, shape.iter().product::<u64>());
        }
    }
}
