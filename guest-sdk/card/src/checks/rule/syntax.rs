//! The syntax of rules: CEL's operators, calls, methods, lists and `? :`, and
//! what rules could say before they were CEL: `**`, `!in`, operators on bits,
//! texts between backticks, `if … { … } else { … }`.
//!
//! Never knows fields, functions or types. How deep it goes is bounded.

use super::token::{Kind, Token, tokens};

/// Expressions within each other.
const DEPTH_MAX: usize = 256;

/// A part of a rule, and the character it begins at.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) column: usize,
    pub(super) form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<(Expr, Expr)>),
    /// A call; of a method, the receiver is the first argument.
    Call(String, Vec<Expr>),
    /// A condition, and what it is if that is true and if it is false.
    Choice(Box<(Expr, Expr, Expr)>),
    List(Vec<Expr>),
}

/// How tightly operators bind; those of one line from the left, `**` from the
/// right. Ordering binds tighter than equality, as in C; in CEL they are alike.
/// Operators on bits bind as they did in rules before CEL, not as in C.
fn power(sign: &str) -> Option<u8> {
    Some(match sign {
        "||" | "|" | "^" => 1,
        "&&" | "&" => 2,
        "==" | "!=" => 3,
        "in" | "!in" => 4,
        "<" | "<=" | ">" | ">=" => 5,
        "+" | "-" => 6,
        "*" | "/" | "%" => 7,
        "**" => 8,
        "<<" | ">>" => 9,
        _ => return None,
    })
}

/// Parses an expression; the error says where and why it is none.
pub(super) fn parse(expression: &str) -> Result<Expr, String> {
    let tokens = tokens(expression)?;
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let expr = parser.expression(0)?;
    match parser.peek() {
        Some(Kind::End) | None => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Kind> {
        self.tokens.first().map(|token| &token.kind)
    }

    fn column(&self) -> usize {
        self.tokens.first().map_or(0, |token| token.column)
    }

    fn step(&mut self) {
        if let [_, rest @ ..] = self.tokens {
            self.tokens = rest;
        }
    }

    fn comes(&mut self, sign: &str) -> bool {
        let comes = matches!(self.peek(), Some(Kind::Sign(found)) if *found == sign);
        if comes {
            self.step();
        }
        comes
    }

    fn take(&mut self, sign: &str) -> Result<(), String> {
        if self.comes(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, expected: &str) -> String {
        let found = match self.peek() {
            Some(Kind::Int(_) | Kind::Float(_) | Kind::Least) => "a number".into(),
            Some(Kind::Text(_)) => "a text".into(),
            Some(Kind::Name(name)) => format!("`{name}`"),
            Some(Kind::Sign(sign)) => format!("`{sign}`"),
            Some(Kind::End) | None => "the end".into(),
        };
        format!("column {}: {found} instead of {expected}", self.column())
    }

    /// Parses an expression whose operators all bind at least this tightly.
    fn expression(&mut self, least: u8) -> Result<Expr, String> {
        self.deeper(|parser| {
            let mut left = parser.unary()?;
            loop {
                let (column, sign) = match parser.peek() {
                    Some(Kind::Sign("!")) if parser.is_not_in() => (parser.column(), "!in"),
                    Some(Kind::Sign(sign)) => (parser.column(), *sign),
                    Some(Kind::Name(name)) if name == "in" => (parser.column(), "in"),
                    _ => return Ok(left),
                };
                if sign == "?" && least == 0 {
                    parser.step();
                    let yes = parser.expression(0)?;
                    parser.take(":")?;
                    let form = Form::Choice(Box::new((left, yes, parser.expression(0)?)));
                    return Ok(Expr { column, form });
                }
                let Some(power) = power(sign).filter(|power| *power >= least) else { return Ok(left) };
                parser.step();
                if sign == "!in" {
                    parser.step();
                }
                let right = parser.expression(if sign == "**" { power } else { power + 1 })?;
                let pair = Box::new((left, right));
                let form = match sign {
                    "!in" => Form::Unary("!", Box::new(Expr { column, form: Form::Binary("in", pair) })),
                    sign => Form::Binary(sign, pair),
                };
                left = Expr { column, form };
            }
        })
    }

    /// Whether `!in` comes next, behind a value: two words without a space.
    fn is_not_in(&self) -> bool {
        let [not, name, ..] = self.tokens else { return false };
        name.column == not.column + 1 && matches!(&name.kind, Kind::Name(name) if name == "in")
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= DEPTH_MAX {
            return Err(format!("column {}: expressions within each other, more than {DEPTH_MAX}", self.column()));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let column = self.column();
        for sign in ["!", "-", "+"] {
            if self.comes(sign) {
                if sign == "-" && self.column() == column + 1 && matches!(self.peek(), Some(Kind::Least)) {
                    self.step();
                    return Ok(Expr { column, form: Form::Int(i64::MIN) });
                }
                let of = self.deeper(Self::unary)?;
                let form = match of.form {
                    // What is below the least whole number is real, as what is above the largest.
                    Form::Int(value) if sign == "-" => {
                        value.checked_neg().map_or(Form::Float(-(value as f64)), Form::Int)
                    }
                    Form::Float(value) if sign == "-" => Form::Float(-value),
                    _ => Form::Unary(sign, Box::new(of)),
                };
                return Ok(Expr { column, form });
            }
        }
        let mut expr = self.primary()?;
        while self.comes(".") {
            let column = self.column();
            let Some(Kind::Name(name)) = self.peek() else { return Err(self.unexpected("the name of a method")) };
            self.step();
            self.take("(")?;
            let mut arguments = vec![expr];
            self.list(")", &mut arguments)?;
            expr = Expr { column, form: Form::Call(name.clone(), arguments) };
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let column = self.column();
        let form = match self.peek() {
            Some(Kind::Int(value)) => Form::Int(*value),
            Some(Kind::Float(value)) => Form::Float(*value),
            // Read as real, like any whole number that is too large.
            Some(Kind::Least) => Form::Float(-(i64::MIN as f64)),
            Some(Kind::Text(text)) => Form::Text(text.clone()),
            Some(Kind::Name(name)) => {
                self.step();
                let form = self.named(name)?;
                return Ok(Expr { column, form });
            }
            Some(Kind::Sign("(")) => {
                self.step();
                let expr = self.expression(0)?;
                self.take(")")?;
                return Ok(expr);
            }
            Some(Kind::Sign("[")) => {
                self.step();
                let mut items = Vec::new();
                self.list("]", &mut items)?;
                return Ok(Expr { column, form: Form::List(items) });
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.step();
        Ok(Expr { column, form })
    }

    /// Parses what follows a name that has been read.
    fn named(&mut self, name: &str) -> Result<Form, String> {
        Ok(match name {
            "true" => Form::Bool(true),
            "false" => Form::Bool(false),
            "if" => {
                let condition = self.expression(0)?;
                let yes = self.braced()?;
                if !matches!(self.peek(), Some(Kind::Name(name)) if name == "else") {
                    return Err(self.unexpected("`else`"));
                }
                self.step();
                let column = self.column();
                let no = match self.peek() {
                    Some(Kind::Name(name)) if name == "if" => {
                        self.step();
                        Expr { column, form: self.deeper(|parser| parser.named("if"))? }
                    }
                    _ => self.braced()?,
                };
                Form::Choice(Box::new((condition, yes, no)))
            }
            _ if self.comes("(") => {
                let mut arguments = Vec::new();
                self.list(")", &mut arguments)?;
                Form::Call(name.to_owned(), arguments)
            }
            _ => Form::Name(name.to_owned()),
        })
    }

    fn braced(&mut self) -> Result<Expr, String> {
        self.take("{")?;
        let expr = self.expression(0)?;
        self.take("}")?;
        Ok(expr)
    }

    /// Values with commas between them, to their closing sign.
    fn list(&mut self, closing: &str, items: &mut Vec<Expr>) -> Result<(), String> {
        while !self.comes(closing) {
            items.push(self.expression(0)?);
            if !self.comes(",") {
                return self.take(closing);
            }
        }
        Ok(())
    }
}
