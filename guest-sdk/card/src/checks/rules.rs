//! Rules across fields: Rhai expressions, run on one row at a time.
//!
//! A rule is an expression over the row's values and nothing else: no loops,
//! statements, functions of its own, state, clock or I/O. What it may cost is
//! bounded. A rule one of whose fields is missing in a row holds, as a CHECK
//! does in SQL.

use super::plain::{Plain, Value, element};
use super::scan::one_of;
use super::verdict::Draft;
use super::{CheckKind, Policy, Rule};
use crate::{Batch, Datatype, Echo, Field, Invalid, Tensor};
use rhai::packages::{ArithmeticPackage, BasicMathPackage, LogicPackage, Package};
use rhai::{AST, Dynamic, Engine, EvalAltResult, ImmutableString, OptimizationLevel, ParseErrorType, Scope};
use std::sync::LazyLock;

/// Steps of one rule in one row: far more than a thousand characters can need.
const OPERATIONS_MAX: u64 = 10_000;
/// A text that a rule itself makes.
const STRING_MAX_BYTES: usize = 4_096;
/// Operators and calls within each other.
const DEPTH_MAX: usize = 64;
/// What an error of the engine may take in a message.
const PROBLEM_MAX_CHARS: usize = 200;

/// A rule that can be run.
#[derive(Debug)]
pub(crate) struct Compiled {
    rule: Rule,
    policy: Policy,
    ast: AST,
    /// The same, where it can be run without the engine.
    plain: Option<Plain>,
    /// The inputs that it names, and their columns.
    inputs: Vec<(String, usize)>,
}

impl Compiled {
    /// Compiles a rule and tries it on made-up rows, so that one which could
    /// never hold is refused here.
    pub(crate) fn new(rule: &Rule, policy: Policy, fields: &[Field]) -> Result<Self, Invalid> {
        let wrong = |found: String| {
            let known = fields.iter().filter(|field| field.shape.is_empty()).map(|field| field.name.as_str());
            let expected = format!("an expression that is true or false, over {}", one_of(known));
            Invalid::new(CheckKind::Rule, &rule.name, expected, found)
        };
        let mut inputs: Vec<(String, usize)> = Vec::new();
        // Whatever name the compiler does not know is looked for among the fields.
        let ast = loop {
            let error = match ENGINE.compile_expression_with_scope(&trial_row(&inputs, fields, 0), &rule.expression) {
                Ok(ast) => break ast,
                Err(error) => error,
            };
            let ParseErrorType::VariableUndefined(name) = &*error.0 else {
                return Err(wrong(bounded(&error.to_string())));
            };
            match fields.iter().enumerate().find(|(_, field)| field.name == *name) {
                Some((_, field)) if !field.shape.is_empty() => {
                    return Err(wrong(format!("`{name}`, which has the shape {:?}", field.shape)));
                }
                Some((column, _)) if !inputs.iter().any(|(known, _)| known == name) => {
                    inputs.push((name.clone(), column));
                }
                _ => return Err(wrong(format!("an unknown `{name}`"))),
            }
        };
        for trial in 0..TRIALS {
            let result = ENGINE.eval_ast_with_scope::<Dynamic>(&mut trial_row(&inputs, fields, trial), &ast);
            match result {
                Ok(value) if !value.is_bool() => return Err(wrong(format!("one that is {}", value.type_name()))),
                // A trial row may well divide by zero; a real one need not.
                Err(error) if is_of_types(&error) => return Err(wrong(bounded(&error.to_string()))),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(Self { rule: rule.clone(), policy, plain: Plain::new(&ast, &inputs), ast, inputs })
    }

    /// Runs the rule on every row. The columns have their fields' form.
    pub(super) fn check(&self, batch: &Batch, draft: &mut Draft) {
        self.each_row(batch, |row, tensors, result| {
            if !matches!(result, Ok(true)) {
                let echo = draft.detail().echo;
                let describe = || self.describe(row, tensors, echo, result.err());
                draft.add((&self.rule.name, CheckKind::Rule), self.policy, Some(row), describe);
            }
        });
    }

    /// The rows of which it is true: not those where a field is missing.
    pub(crate) fn rows_where(&self, batch: &Batch) -> Vec<usize> {
        let mut rows = Vec::new();
        self.each_row(batch, |row, _, result| rows.extend(matches!(result, Ok(true)).then_some(row)));
        rows
    }

    fn each_row(&self, batch: &Batch, mut found: impl FnMut(usize, &[&Tensor], Result<bool, Box<EvalAltResult>>)) {
        let tensors: Vec<_> = self.inputs.iter().filter_map(|(_, column)| batch.columns.get(*column)).collect();
        let mut scope = Scope::new();
        for row in 0..batch.rows {
            if !tensors.iter().all(|tensor| tensor.is_valid(row)) {
                continue;
            }
            let plain = self.plain.as_ref().and_then(|plain| plain.holds(&tensors, row));
            found(row, &tensors, plain.map_or_else(|| self.ask_engine(&tensors, row, &mut scope), Ok));
        }
    }

    fn ask_engine(
        &self,
        tensors: &[&Tensor],
        row: usize,
        scope: &mut Scope<'static>,
    ) -> Result<bool, Box<EvalAltResult>> {
        for ((name, _), tensor) in self.inputs.iter().zip(tensors) {
            let value = dynamic(tensor, row);
            match scope.get_mut(name) {
                Some(known) => *known = value,
                None => drop(scope.push_dynamic(name.as_str(), value)),
            }
        }
        ENGINE.eval_ast_with_scope::<bool>(scope, &self.ast)
    }

    #[cfg(test)]
    pub(super) fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// What a plain rule says of the first row, and what the engine does.
    #[cfg(test)]
    pub(super) fn both(&self, batch: &Batch) -> (Option<bool>, Result<bool, Box<EvalAltResult>>) {
        let tensors: Vec<_> = self.inputs.iter().filter_map(|(_, column)| batch.columns.get(*column)).collect();
        let plain = self.plain.as_ref().and_then(|plain| plain.holds(&tensors, 0));
        (plain, self.ask_engine(&tensors, 0, &mut Scope::new()))
    }

    fn describe(&self, row: usize, tensors: &[&Tensor], echo: Echo, error: Option<Box<EvalAltResult>>) -> Invalid {
        let values = self
            .inputs
            .iter()
            .zip(tensors)
            .map(|((name, _), tensor)| format!("{name} = {}", echo.element(tensor, row)));
        let mut found = values.collect::<Vec<_>>().join(", ");
        match error {
            None => {}
            // It may quote values.
            Some(_) if echo.max_chars == 0 => found += ": an error",
            Some(error) => found = format!("{found}: {}", bounded(&error.to_string())),
        }
        Invalid::new(CheckKind::Rule, &self.rule.name, &self.rule.expression, found).at_row(row)
    }
}

fn bounded(problem: &str) -> String {
    problem.chars().take(PROBLEM_MAX_CHARS).collect()
}

/// Holds nothing of a model or a row.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut engine = Engine::new_raw();
    engine.register_global_module(ArithmeticPackage::new().as_shared_module());
    engine.register_global_module(BasicMathPackage::new().as_shared_module());
    engine.register_global_module(LogicPackage::new().as_shared_module());
    engine.register_fn("len", |text: &str| text.chars().count() as i64);
    engine.register_fn("contains", |text: &str, part: &str| text.contains(part));
    engine.register_fn("starts_with", |text: &str, part: &str| text.starts_with(part));
    engine.register_fn("ends_with", |text: &str, part: &str| text.ends_with(part));
    compare_exactly(&mut engine);
    engine
        .set_strict_variables(true)
        .set_allow_looping(false)
        .set_allow_shadowing(false)
        .set_optimization_level(OptimizationLevel::None)
        .set_max_operations(OPERATIONS_MAX)
        .set_max_string_size(STRING_MAX_BYTES)
        .set_max_strings_interned(0)
        .set_max_expr_depths(DEPTH_MAX)
        .disable_symbol("eval");
    engine
});

/// Numbers compare as IEEE 754 has it; what does not compare is an error. The
/// engine's own operators would allow for rounding, so that `1e-20 > 0` is
/// false, and call a text and a number unequal.
fn compare_exactly(engine: &mut Engine) {
    engine.set_fast_operators(false);
    macro_rules! comparison {
        ($($operator:tt)*) => {$(
            engine.register_fn(stringify!($operator), |a: f64, b: f64| a $operator b);
            engine.register_fn(stringify!($operator), |a: i64, b: f64| (a as f64) $operator b);
            engine.register_fn(stringify!($operator), |a: f64, b: i64| a $operator (b as f64));
            incomparable!($operator ImmutableString, i64, "text with a number");
            incomparable!($operator ImmutableString, f64, "text with a number");
            incomparable!($operator ImmutableString, bool, "text with a truth value");
            incomparable!($operator bool, i64, "a truth value with a number");
            incomparable!($operator bool, f64, "a truth value with a number");
        )*};
    }
    macro_rules! incomparable {
        ($operator:tt $a:ty, $b:ty, $what:literal) => {
            let error = || -> Result<bool, Box<EvalAltResult>> { Err(concat!("a comparison of ", $what).into()) };
            engine.register_fn(stringify!($operator), move |_: $a, _: $b| error());
            engine.register_fn(stringify!($operator), move |_: $b, _: $a| error());
        };
    }
    comparison!(== != < <= > >=);
}

/// Rows that a rule is tried on.
const TRIALS: i64 = 3;

fn trial_row(inputs: &[(String, usize)], fields: &[Field], trial: i64) -> Scope<'static> {
    let mut scope = Scope::new();
    for (name, column) in inputs {
        let value = match fields.get(*column).map(|field| field.datatype) {
            Some(Datatype::Bool) => Dynamic::from(trial % 2 == 0),
            Some(Datatype::Bytes) => Dynamic::from("1".repeat(trial as usize)),
            Some(Datatype::Fp32 | Datatype::Fp64) => Dynamic::from(1.0 - trial as f64),
            _ => Dynamic::from(1 - trial),
        };
        scope.push_dynamic(name.as_str(), value);
    }
    scope
}

fn is_of_types(error: &EvalAltResult) -> bool {
    use EvalAltResult as E;
    matches!(
        error,
        E::ErrorFunctionNotFound(..)
            | E::ErrorMismatchDataType(..)
            | E::ErrorMismatchOutputType(..)
            | E::ErrorRuntime(..)
    )
}

/// One value as the engine sees it.
fn dynamic(tensor: &Tensor, row: usize) -> Dynamic {
    match element(tensor, row) {
        Some(Value::Bool(value)) => value.into(),
        Some(Value::Int(value)) => value.into(),
        Some(Value::Float(value)) => value.into(),
        Some(Value::Text(value)) => value.into(),
        None => Dynamic::UNIT,
    }
}
