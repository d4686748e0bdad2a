//! What a Parquet column means, from the file's schema.
//!
//! Never guesses at bytes without a type: what is not listed here is refused
//! by the name that the file has for it.

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, Type};
use scry_card::Datatype;

/// What the stored values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Bool,
    Signed(Datatype),
    Unsigned(Datatype),
    Float(Datatype),
    Half,
    Text,
    /// Days since 1970.
    Date,
    /// Since 1970, in a unit of `unit_ns` nanoseconds.
    Timestamp {
        unit_ns: i64,
        utc: bool,
    },
    /// Whole numbers to be divided by a power of ten.
    Decimal {
        scale: i32,
    },
    /// Missing values alone.
    Nothing,
}

/// One column of values, which may be lists.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Where it is among the file's columns of values.
    pub(super) index: usize,
    pub(super) meaning: Meaning,
    /// How deep lists are nested; 0: scalars.
    pub(super) depth: usize,
    pub(super) max_def: i16,
    /// Whether an element may be missing.
    pub(super) optional: bool,
    /// Whether a row's value as a whole may be missing.
    pub(super) root_optional: bool,
}

impl Leaf {
    /// Reads the schema; the error names what cannot be read.
    pub(super) fn of(root: &Type, column: &ColumnDescriptor, index: usize) -> Result<Self, String> {
        let meaning = Meaning::of(column)?;
        let depth = list_depth(root)?;
        if depth != usize::try_from(column.max_rep_level()).unwrap_or(0) {
            return Err("lists that the file's schema contradicts".into());
        }
        Ok(Self {
            index,
            meaning,
            depth,
            max_def: column.max_def_level(),
            optional: column.self_type().is_optional(),
            root_optional: root.is_optional(),
        })
    }

    /// Whether anything of the column may be missing.
    pub(super) fn nullable(&self) -> bool {
        self.optional || self.root_optional
    }
}

impl Meaning {
    fn of(column: &ColumnDescriptor) -> Result<Self, String> {
        let physical = column.physical_type();
        let meaning = match (column.logical_type_ref(), column.converted_type()) {
            (Some(logical), _) => Self::of_logical(logical, physical),
            (None, ConvertedType::NONE) => Self::of_physical(physical),
            (None, converted) => Self::of_converted(converted, physical, column.type_scale()),
        };
        meaning.ok_or_else(|| match (column.logical_type_ref(), column.converted_type()) {
            (Some(logical), _) => format!("the Parquet type {physical} as {logical:?}"),
            (None, ConvertedType::NONE) => format!("the Parquet type {physical}, without a meaning"),
            (None, converted) => format!("the Parquet type {physical} as {converted}"),
        })
    }

    fn of_physical(physical: Physical) -> Option<Self> {
        Some(match physical {
            Physical::BOOLEAN => Self::Bool,
            Physical::INT32 => Self::Signed(Datatype::Int32),
            Physical::INT64 => Self::Signed(Datatype::Int64),
            Physical::FLOAT => Self::Float(Datatype::Fp32),
            Physical::DOUBLE => Self::Float(Datatype::Fp64),
            // Only ever used for timestamps, without saying so.
            Physical::INT96 => Self::Timestamp { unit_ns: 1, utc: false },
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => return None,
        })
    }

    fn of_logical(logical: &LogicalType, physical: Physical) -> Option<Self> {
        match (logical, physical) {
            (LogicalType::Integer(int), Physical::INT32 | Physical::INT64) => {
                Self::integer(int.bit_width, int.is_signed)
            }
            (LogicalType::String | LogicalType::Enum | LogicalType::Json, Physical::BYTE_ARRAY) => Some(Self::Text),
            (LogicalType::Date, Physical::INT32) => Some(Self::Date),
            (LogicalType::Timestamp(timestamp), Physical::INT64) => {
                let unit_ns = match timestamp.unit {
                    TimeUnit::MILLIS => 1_000_000,
                    TimeUnit::MICROS => 1_000,
                    TimeUnit::NANOS => 1,
                };
                Some(Self::Timestamp { unit_ns, utc: timestamp.is_adjusted_to_u_t_c })
            }
            (LogicalType::Decimal(decimal), _) => Self::decimal(decimal.scale, physical),
            (LogicalType::Float16, Physical::FIXED_LEN_BYTE_ARRAY) => Some(Self::Half),
            (LogicalType::Unknown, _) => Some(Self::Nothing),
            _ => None,
        }
    }

    fn of_converted(converted: ConvertedType, physical: Physical, scale: i32) -> Option<Self> {
        match (converted, physical) {
            (ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON, Physical::BYTE_ARRAY) => Some(Self::Text),
            (ConvertedType::DATE, Physical::INT32) => Some(Self::Date),
            (ConvertedType::TIMESTAMP_MILLIS, Physical::INT64) => {
                Some(Self::Timestamp { unit_ns: 1_000_000, utc: true })
            }
            (ConvertedType::TIMESTAMP_MICROS, Physical::INT64) => Some(Self::Timestamp { unit_ns: 1_000, utc: true }),
            (ConvertedType::DECIMAL, _) => Self::decimal(scale, physical),
            (ConvertedType::INT_8, Physical::INT32) => Self::integer(8, true),
            (ConvertedType::INT_16, Physical::INT32) => Self::integer(16, true),
            (ConvertedType::INT_32, Physical::INT32) => Self::integer(32, true),
            (ConvertedType::INT_64, Physical::INT64) => Self::integer(64, true),
            (ConvertedType::UINT_8, Physical::INT32) => Self::integer(8, false),
            (ConvertedType::UINT_16, Physical::INT32) => Self::integer(16, false),
            (ConvertedType::UINT_32, Physical::INT32) => Self::integer(32, false),
            (ConvertedType::UINT_64, Physical::INT64) => Self::integer(64, false),
            _ => None,
        }
    }

    fn integer(bits: i8, is_signed: bool) -> Option<Self> {
        Some(match (bits, is_signed) {
            (8, true) => Self::Signed(Datatype::Int8),
            (16, true) => Self::Signed(Datatype::Int16),
            (32, true) => Self::Signed(Datatype::Int32),
            (64, true) => Self::Signed(Datatype::Int64),
            (8, false) => Self::Unsigned(Datatype::Uint8),
            (16, false) => Self::Unsigned(Datatype::Uint16),
            (32, false) => Self::Unsigned(Datatype::Uint32),
            (64, false) => Self::Unsigned(Datatype::Uint64),
            _ => return None,
        })
    }

    fn decimal(scale: i32, physical: Physical) -> Option<Self> {
        let stored = !matches!(physical, Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE | Physical::INT96);
        (stored && (0..=76).contains(&scale)).then_some(Self::Decimal { scale })
    }

    /// The type that holds every value of it.
    pub(super) fn datatype(self) -> Datatype {
        match self {
            Self::Bool => Datatype::Bool,
            Self::Signed(datatype) | Self::Unsigned(datatype) | Self::Float(datatype) => datatype,
            Self::Half => Datatype::Fp32,
            Self::Text | Self::Date | Self::Timestamp { .. } | Self::Nothing => Datatype::Bytes,
            Self::Decimal { .. } => Datatype::Fp64,
        }
    }

    /// What is assumed of a column, where anything is.
    pub(super) fn note(self) -> Option<&'static str> {
        match self {
            Self::Date => Some("holds dates: read as text, RFC 3339"),
            Self::Timestamp { utc: true, .. } => Some("holds timestamps: read as text, RFC 3339 in UTC"),
            Self::Timestamp { utc: false, .. } => {
                Some("holds timestamps without a time zone: taken for UTC, read as text, RFC 3339")
            }
            Self::Decimal { .. } => Some("holds decimal numbers: read as FP64, which may round them"),
            Self::Nothing => Some("has no value: all of them are missing"),
            _ => None,
        }
    }
}

/// How deep the lists of a column are nested. The error says what it is
/// instead of lists of one kind of element.
fn list_depth(root: &Type) -> Result<usize, String> {
    let mut node = root;
    let mut depth = 0;
    loop {
        let info = node.get_basic_info();
        let repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
        depth += usize::from(repeated);
        if node.is_primitive() {
            return Ok(depth);
        }
        let is_list =
            info.logical_type_ref() == Some(&LogicalType::List) || info.converted_type() == ConvertedType::LIST;
        match node.get_fields() {
            [only] if is_list || repeated => node = only,
            _ if matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => {
                return Err("a map".into());
            }
            _ => return Err("a struct".into()),
        }
    }
}
