//! Reading CSV takes the memory of the columns that it becomes, however many cells it has. Alone in its program, whose
//! peak it measures.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![cfg(target_os = "linux")]

use scry_card::{Datatype, Detail, Field, Interrupt};
use scry_protocol::Format;

const BODY_BYTES: usize = 16 << 20;
const COLUMNS: usize = 4_096;
/// An FP64, and a flag.
const CELL_BYTES: usize = 9;
const SLACK_BYTES: usize = 8 << 20;

fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

fn field(name: String) -> Field {
    let (unit, minimum, maximum) = (None, None, None);
    let (shape, description, categories, nullable) = (vec![], String::new(), vec![], true);
    Field { name, description, datatype: Datatype::Fp64, shape, nullable, unit, minimum, maximum, categories }
}

/// A body of commas under a header of `COLUMNS` names, and its rows.
fn commas(names: &[String]) -> (String, usize) {
    let row = ",".repeat(COLUMNS - 1) + "\n";
    let rows = BODY_BYTES / row.len();
    let mut body = names.join(",") + "\n";
    // No copy of it is made, which would hide as much in the peak.
    body.reserve_exact(BODY_BYTES);
    (0..rows).for_each(|_| body.push_str(&row));
    (body, rows)
}

/// The bytes by which the peak grows.
fn growth_bytes(body: &str, fields: &[Field], is_good: bool) -> usize {
    let before_bytes = peak_bytes();
    let rows = Format::Csv.decode(body.as_bytes(), &Interrupt::never()).unwrap().rows;
    let batch = rows.in_order(fields, &Detail::default(), &mut Interrupt::never()).unwrap();
    assert_eq!(batch.is_ok(), is_good);
    peak_bytes() - before_bytes
}

#[test]
fn commas_take_no_more_than_their_columns() {
    let names: Vec<_> = (0..COLUMNS).map(|at| format!("x{at}")).collect();
    let fields: Vec<_> = names.iter().cloned().map(field).collect();
    // One column has a name: the others are no cells.
    let (body, rows) = commas(&[vec!["x0".to_owned()], vec![String::new(); COLUMNS - 1]].concat());
    let grown_bytes = growth_bytes(&body, &fields[..1], true);
    assert!(grown_bytes <= rows * CELL_BYTES + SLACK_BYTES, "{grown_bytes} bytes more");
    let (body, rows) = commas(&names);
    // None is a field's.
    let grown_bytes = growth_bytes(&body, &[field("y".into())], false);
    assert!(grown_bytes <= SLACK_BYTES, "{grown_bytes} bytes more");
    // Each is a field's.
    let grown_bytes = growth_bytes(&body, &fields, true);
    assert!(grown_bytes <= rows * COLUMNS * CELL_BYTES + SLACK_BYTES, "{grown_bytes} bytes more");
}
