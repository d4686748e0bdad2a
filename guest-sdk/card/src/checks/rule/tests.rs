//! Rules against what was recorded of the engine that ran them before, and
//! against an evaluator that does it the simple way.

use super::super::{Policy, Rule};
use super::Compiled;
use super::value::Fault;
use crate::{Batch, Datatype, Field, Interrupt, Tensor, Text, Values};
use proptest::prelude::*;

/// Two columns of each kind that rules tell apart.
const COLUMNS: [(&str, Datatype); 10] = [
    ("i", Datatype::Int64),
    ("j", Datatype::Int64),
    ("n", Datatype::Int8),
    ("u", Datatype::Uint64),
    ("x", Datatype::Fp64),
    ("y", Datatype::Fp64),
    ("f", Datatype::Fp32),
    ("p", Datatype::Bool),
    ("q", Datatype::Bool),
    ("s", Datatype::Bytes),
];

type Row = (i64, i64, i8, u64, f64, f64, f32, bool, bool, &'static str);

/// The rows that the recorded verdicts are about.
const ROWS: [Row; 16] = [
    (0, 0, 0, 0, 0.0, 0.0, 0.0, false, false, ""),
    (1, 2, 3, 4, 0.5, 1.5, 2.5, true, false, "a"),
    (-1, -2, -3, 1, -0.5, -1.5, -2.5, false, true, "b"),
    (7, 2, 5, 9, 2.0, 3.0, 0.1, true, true, "ab"),
    (2, 7, -5, 3, 3.0, 2.0, -0.1, true, false, "ä"),
    (i64::MAX, 1, 127, u64::MAX, f64::MAX, 1e-20, f32::MAX, false, true, "aä b"),
    (i64::MIN, -1, -128, 1 << 63, f64::MIN, -1e-20, f32::MIN, true, true, "A"),
    (
        1 << 53,
        (1 << 53) + 1,
        1,
        i64::MAX as u64,
        9_007_199_254_740_992.0,
        9_007_199_254_740_993.0,
        1e-20,
        false,
        false,
        "1",
    ),
    (3, 3, 3, 3, 3.0, 3.0, 3.0, true, true, "12"),
    (10, 0, 2, 0, f64::NAN, 1.0, f32::NAN, false, true, "1.5"),
    (-7, 2, -7, 2, f64::INFINITY, f64::NEG_INFINITY, f32::INFINITY, true, false, " 7 "),
    (7, -2, 7, 5, -0.0, 0.0, -0.0, false, false, "-3"),
    (100, 12, 10, 12, 0.1, 0.2, 0.3, true, true, "aaaa"),
    (62, 2, 64, 63, 2.0, 62.0, 10.0, false, true, "hello"),
    (-4, 3, -2, 6, -2.5, 2.5, -3.5, true, false, "o"),
    (5, 4, 1, 1, 1e308, 10.0, 1e38, false, false, "\"quoted\""),
];

fn fields() -> Vec<Field> {
    let field = |(name, datatype): (&str, Datatype)| Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: Vec::new(),
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    };
    COLUMNS.map(field).to_vec()
}

fn batch(rows: &[Row]) -> Batch {
    let mut text = Text::default();
    rows.iter().for_each(|row| text.push(row.9).unwrap());
    let values = [
        Values::Int64(rows.iter().map(|row| row.0).collect()),
        Values::Int64(rows.iter().map(|row| row.1).collect()),
        Values::Int8(rows.iter().map(|row| row.2).collect()),
        Values::Uint64(rows.iter().map(|row| row.3).collect()),
        Values::Fp64(rows.iter().map(|row| row.4).collect()),
        Values::Fp64(rows.iter().map(|row| row.5).collect()),
        Values::Fp32(rows.iter().map(|row| row.6).collect()),
        Values::Bool(rows.iter().map(|row| row.7).collect()),
        Values::Bool(rows.iter().map(|row| row.8).collect()),
        Values::Bytes(text),
    ];
    let column = |values| Tensor { shape: vec![rows.len() as u64], values, validity: None };
    Batch { rows: rows.len(), columns: values.map(column).to_vec() }
}

fn rule(expression: &str) -> Rule {
    Rule { name: "r".into(), expression: expression.into(), policy: None }
}

fn compiled(expression: &str) -> Result<Compiled, String> {
    Compiled::new(&rule(expression), Policy::Reject, &fields()).map_err(|error| error.found)
}

fn verdicts(rule: &Compiled, batch: &Batch) -> Vec<Result<bool, Fault>> {
    let mut verdicts = Vec::new();
    rule.each_row(batch, &mut Interrupt::never(), |_, _, verdict| verdicts.push(verdict)).unwrap();
    verdicts
}

/// One letter per row: true, false, or an error.
fn letters<E>(verdicts: impl IntoIterator<Item = Result<bool, E>>) -> String {
    let letter = |verdict| match verdict {
        Ok(true) => 't',
        Ok(false) => 'f',
        Err(_) => 'e',
    };
    verdicts.into_iter().map(letter).collect()
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3i64..4, 1 => prop::sample::select(&[i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1][..])]
}

fn float() -> impl Strategy<Value = f64> {
    let special = [0.0, -0.0, 1e-20, 0.1, f64::NAN, f64::INFINITY, f64::MAX, 9007199254740993.0];
    prop_oneof![3 => (-3i64..4).prop_map(|n| n as f64), 2 => prop::sample::select(special.to_vec()), 1 => any::<f64>()]
}

fn row() -> impl Strategy<Value = Row> {
    let uint = prop_oneof![0u64..3, Just(u64::MAX), Just(1u64 << 63)];
    let text = prop::sample::select(&["", "a", "b", "ä", "ab", "12", " 7 ", "1e3"][..]);
    let numbers = (int(), int(), any::<i8>(), uint, float(), float(), any::<f32>());
    (numbers, any::<bool>(), any::<bool>(), text)
        .prop_map(|((i, j, n, u, x, y, f), p, q, s)| (i, j, n, u, x, y, f, p, q, s))
}

/// Recorded verdicts of the earlier engine; `null` for rules that it refused.
#[derive(serde::Deserialize)]
struct Recorded {
    expression: String,
    verdicts: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../../tests/rules_recorded.json")).unwrap()
}

#[test]
fn rules_mean_what_they_meant() {
    let (recorded, batch) = (recorded(), batch(&ROWS));
    assert!(recorded.len() >= 2_000, "{}", recorded.len());
    for Recorded { expression, verdicts: before } in recorded {
        let Some(before) = before else { continue };
        let rule = compiled(&expression).unwrap_or_else(|found| panic!("{expression}: {found}"));
        let now = letters(verdicts(&rule, &batch));
        let matches = before.chars().zip(now.chars()).all(|(before, now)| before == UNSAID || before == now);
        assert!(matches && before.len() == now.len(), "{expression}: {before} before, {now} now");
    }
}

/// Of a row whose whole numbers that engine cut to 32 bits before it raised a real one to their power.
const UNSAID: char = '.';

/// By the table of precedences in the book of the engine before: `||`, `|`, `^`; `&&`, `&`; `==`, `!=`; `in`, `!in`;
/// `<`, …; `+`, `-`; `*`, `/`, `%`; `**`; `<<`, `>>`; each from the left but `**`.
#[test]
fn operators_bind_as_they_did() {
    let batch = batch(&ROWS);
    for (written, meant) in [
        ("1 + i << 1 == 3", "(1 + (i << 1)) == 3"),
        ("j ** 1 << 1 >= 4", "(j ** (1 << 1)) >= 4"),
        ("i << 1 << 1 == 4", "((i << 1) << 1) == 4"),
        ("-n >> 1 < 0", "((-n) >> 1) < 0"),
        ("p & i == j", "p & (i == j)"),
        ("p | q & p == q", "p | (q & (p == q))"),
        ("p ^ q | p", "(p ^ q) | p"),
        ("p | q ^ p", "(p | q) ^ p"),
        ("p && q | p ^ q", "((p && q) | p) ^ q"),
        ("p & q || q", "(p & q) || q"),
        ("(i & j) == 0 & p", "((i & j) == 0) & p"),
        ("s !in 'ab' == p", "(!(s in 'ab')) == p"),
        ("i + 1 !in [1, 2] && p", "!((i + 1) in [1, 2]) && p"),
        ("'a'!in s", "!(s.contains('a'))"),
        ("p && !q", "p && (!q)"),
        ("s == `a`", "s == 'a'"),
        ("`` in s", "true"),
        ("s == `a\\x41`", "s == 'a\\\\x41'"),
        ("`a\nb` == 'a\\nb' && `\r\na` == 'a' && `\na` == 'a' && `$a` == '$a'", "true"),
        ("`a``b` == 'a\\`b'", "true"),
    ] {
        let said = |text: &str| {
            let rule = compiled(text).unwrap_or_else(|found| panic!("{text}: {found}"));
            letters(verdicts(&rule, &batch))
        };
        assert_eq!(said(written), said(meant), "{written}");
    }
    for (refused, says) in [
        ("i & 1 == 1", "column 3: `&` of a whole number and a truth value"),
        ("(x & i) == 1", "column 4: `&` of a real number and a whole number"),
        ("(p << 1) == 1", "column 4: `<<` of a truth value and a whole number"),
        ("s == `${s}`", "column 6: `${`: an expression within a text"),
        ("s == `a", "column 6: a text without its closing `"),
        ("s ! in 'a'", "column 3: `!` instead of an operator or the end"),
    ] {
        assert_eq!(compiled(refused).unwrap_err(), says, "{refused}");
    }
    // Above the whole numbers with a sign there are only real ones.
    assert_eq!(letters(verdicts(&compiled("(u & 1) == 1").unwrap(), &batch)), "ffttteettfftftft");
}

/// An expression with its types, to be evaluated the simple way.
#[derive(Debug, Clone)]
enum Tree {
    /// `i`, `j`, `n`
    Whole(usize),
    /// `x`, `y`, `f`
    Real(usize),
    Truth(usize),
    Number(i64),
    Sum(Box<Tree>, Box<Tree>),
    Product(Box<Tree>, Box<Tree>),
    Quotient(Box<Tree>, Box<Tree>),
    Rest(Box<Tree>, Box<Tree>),
    Negative(Box<Tree>),
    /// An operator on bits, of `i`, `j` or `n` and a number.
    Bits(&'static str, usize, i64),
    Less(Box<Tree>, Box<Tree>),
    Same(Box<Tree>, Box<Tree>),
    Both(Box<Tree>, Box<Tree>),
    Any(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    If(Box<Tree>, Box<Tree>, Box<Tree>),
    Among(Box<Tree>, Vec<i64>),
    Within(&'static str),
    Long(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Simple {
    Whole(i128),
    Real(f64),
    Truth(bool),
}

impl Tree {
    /// Written with all its parentheses.
    fn text(&self) -> String {
        let two = |a: &Tree, sign: &str, b: &Tree| format!("({} {sign} {})", a.text(), b.text());
        match self {
            Self::Whole(at) => ["i", "j", "n"][*at].into(),
            Self::Real(at) => ["x", "y", "f"][*at].into(),
            Self::Truth(at) => ["p", "q"][*at].into(),
            Self::Number(number) => number.to_string(),
            Self::Sum(a, b) => two(a, "+", b),
            Self::Product(a, b) => two(a, "*", b),
            Self::Quotient(a, b) => two(a, "/", b),
            Self::Rest(a, b) => two(a, "%", b),
            Self::Negative(a) => format!("(-{})", a.text()),
            Self::Bits(sign, at, number) => format!("({} {sign} ({number}))", ["i", "j", "n"][*at]),
            Self::Less(a, b) => two(a, "<", b),
            Self::Same(a, b) => two(a, "==", b),
            Self::Both(a, b) => two(a, "&&", b),
            Self::Any(a, b) => two(a, "||", b),
            Self::Not(a) => format!("(!{})", a.text()),
            Self::If(condition, a, b) => format!("({} ? {} : {})", condition.text(), a.text(), b.text()),
            Self::Among(a, items) => format!("({} in {items:?})", a.text()),
            Self::Within(part) => format!("s.contains({part:?})"),
            Self::Long(than) => format!("(size(s) > {than})"),
        }
    }

    /// `None` is an error; whole numbers have no bounds until they are looked at.
    fn simple(&self, row: &Row) -> Option<Simple> {
        use Simple::{Real, Truth, Whole};
        let whole = |value: i128| i64::try_from(value).ok().map(|_| Whole(value));
        let two =
            |a: &Tree, b: &Tree, of_whole: &dyn Fn(i128, i128) -> Option<i128>, of_real: &dyn Fn(f64, f64) -> f64| {
                match (a.simple(row)?, b.simple(row)?) {
                    (Whole(a), Whole(b)) => whole(of_whole(a, b)?),
                    (a, b) => Some(Real(of_real(a.real(), b.real()))),
                }
            };
        Some(match self {
            Self::Whole(at) => Whole([row.0.into(), row.1.into(), row.2.into()][*at]),
            Self::Real(at) => Real([row.4, row.5, f64::from(row.6)][*at]),
            Self::Truth(at) => Truth([row.7, row.8][*at]),
            Self::Number(number) => Whole((*number).into()),
            Self::Sum(a, b) => two(a, b, &|a, b| Some(a + b), &|a, b| a + b)?,
            Self::Product(a, b) => two(a, b, &|a, b| Some(a * b), &|a, b| a * b)?,
            Self::Quotient(a, b) => two(a, b, &|a, b| a.checked_div(b), &|a, b| a / b)?,
            // The remainder of the smallest number by -1 is 0; processors fault on it.
            Self::Rest(a, b) => {
                two(a, b, &|a, b| a.checked_rem(b).filter(|_| (a, b) != (i64::MIN.into(), -1)), &|a, b| a % b)?
            }
            Self::Negative(a) => match a.simple(row)? {
                Whole(a) => whole(-a)?,
                a => Real(-a.real()),
            },
            Self::Bits(sign, at, number) => {
                let of: i64 = [row.0, row.1, row.2.into()][*at];
                // By one bit after the other.
                let shifted = |left: bool| {
                    (0..number.unsigned_abs().min(99))
                        .fold(of, |of, _| if left { of.wrapping_mul(2) } else { of.div_euclid(2) })
                };
                Whole(i128::from(match *sign {
                    "<<" => shifted(*number >= 0),
                    ">>" => shifted(*number < 0),
                    "&" => of & number,
                    "|" => of | number,
                    _ => of ^ number,
                }))
            }
            Self::Less(a, b) => Truth(match (a.simple(row)?, b.simple(row)?) {
                (Whole(a), Whole(b)) => a < b,
                (Truth(a), Truth(b)) => !a && b,
                (a, b) => a.real() < b.real(),
            }),
            Self::Same(a, b) => Truth(match (a.simple(row)?, b.simple(row)?) {
                (Whole(a), Whole(b)) => a == b,
                (Truth(a), Truth(b)) => a == b,
                (a, b) => a.real() == b.real(),
            }),
            Self::Both(a, b) => {
                if a.simple(row)? == Truth(true) {
                    b.simple(row)?
                } else {
                    Truth(false)
                }
            }
            Self::Any(a, b) => {
                if a.simple(row)? == Truth(true) {
                    Truth(true)
                } else {
                    b.simple(row)?
                }
            }
            Self::Not(a) => Truth(a.simple(row)? == Truth(false)),
            Self::If(condition, a, b) => if condition.simple(row)? == Truth(true) { a } else { b }.simple(row)?,
            Self::Among(a, items) => Truth(match a.simple(row)? {
                Whole(a) => items.iter().any(|item| i128::from(*item) == a),
                a => items.iter().any(|item| *item as f64 == a.real()),
            }),
            Self::Within(part) => Truth(row.9.contains(part)),
            Self::Long(than) => Truth(row.9.chars().count() > *than),
        })
    }
}

impl Simple {
    fn real(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Real(value) => value,
            Self::Truth(_) => f64::NAN,
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let number = prop_oneof![
        3 => (0..3_usize).prop_map(Tree::Whole),
        3 => (0..3_usize).prop_map(Tree::Real),
        2 => (0..5_i64).prop_map(Tree::Number),
        1 => Just(Tree::Number(i64::MAX)),
        1 => (
            prop::sample::select(&["<<", ">>", "&", "|", "^"][..]),
            0..3_usize,
            prop_oneof![-70..70_i64, Just(i64::MIN), any::<i64>()],
        )
            .prop_map(|(sign, at, number)| Tree::Bits(sign, at, number)),
    ];
    let of_two = |make: fn(Box<Tree>, Box<Tree>) -> Tree| move |(a, b): (Tree, Tree)| make(a.into(), b.into());
    let number = number.prop_recursive(4, 16, 2, move |inner| {
        let pair = || (inner.clone(), inner.clone());
        prop_oneof![
            2 => pair().prop_map(of_two(Tree::Sum)),
            2 => pair().prop_map(of_two(Tree::Product)),
            2 => pair().prop_map(of_two(Tree::Quotient)),
            2 => pair().prop_map(of_two(Tree::Rest)),
            1 => inner.clone().prop_map(|a| Tree::Negative(a.into())),
            1 => (0..2_usize, pair()).prop_map(|(at, (a, b))| Tree::If(Tree::Truth(at).into(), a.into(), b.into())),
        ]
    });
    let pair = (number.clone(), number.clone());
    let truth = prop_oneof![
        3 => pair.clone().prop_map(of_two(Tree::Less)),
        3 => pair.prop_map(of_two(Tree::Same)),
        2 => (number, prop::collection::vec(-3..4_i64, 0..4)).prop_map(|(a, items)| Tree::Among(a.into(), items)),
        1 => (0..2_usize).prop_map(Tree::Truth),
        1 => prop::sample::select(&["a", "", "ä", "1"][..]).prop_map(Tree::Within),
        1 => (0..3_usize).prop_map(Tree::Long),
    ];
    truth.prop_recursive(4, 16, 2, move |inner| {
        let pair = || (inner.clone(), inner.clone());
        prop_oneof![
            3 => pair().prop_map(of_two(Tree::Both)),
            3 => pair().prop_map(of_two(Tree::Any)),
            1 => pair().prop_map(of_two(Tree::Less)),
            1 => pair().prop_map(of_two(Tree::Same)),
            1 => inner.clone().prop_map(|a| Tree::Not(a.into())),
            1 => (inner.clone(), pair()).prop_map(|(c, (a, b))| Tree::If(c.into(), a.into(), b.into())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_rule_says_what_it_means(tree in tree(), rows in prop::collection::vec(row(), 1..6)) {
        let text = tree.text();
        prop_assume!(text.len() <= 1_000);
        let rule = compiled(&text);
        prop_assert!(rule.is_ok(), "{}: {:?}", text, rule.err());
        let expected = rows.iter().map(|row| tree.simple(row).map(|value| value == Simple::Truth(true)).ok_or(()));
        prop_assert_eq!(letters(verdicts(&rule.unwrap(), &batch(&rows))), letters(expected), "{} of {:?}", text, rows);
    }

    /// Steps only lead on, so that none is taken twice: a row never costs more than was said.
    #[test]
    fn no_step_leads_back(tree in tree()) {
        let Ok(rule) = compiled(&tree.text()) else { return Ok(()) };
        prop_assert!(rule.program.only_leads_on());
    }
}
