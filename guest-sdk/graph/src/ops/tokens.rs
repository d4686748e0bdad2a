//! Text to counts of words or of their parts, as scikit-learn's CountVectorizer.

use super::encode::Terms;
use super::letters::{Letters, Ranges};
use super::op::{Made, Op, Stop, made};
use crate::error::wrong;
use crate::spec::Spec;
use crate::value::{Operands, Shape};

#[derive(Debug, Clone, Copy)]
enum Unit {
    /// Runs of characters of words.
    Word,
    Character,
    /// Characters within words, with a space at both ends.
    Within,
}

/// Counts of terms.
#[derive(Debug)]
pub(super) struct Tokens {
    vocabulary: Terms,
    /// Words that do not count.
    stop: Terms,
    letters: Letters,
    /// What words are made of.
    words: Ranges,
    unit: Unit,
    /// Characters of a word, at least.
    minimum: usize,
    /// Words or characters of a term.
    lengths: (usize, usize),
    is_binary: bool,
}

impl Tokens {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        const LENGTH_MAX: usize = 64;
        if spec.of != [Shape::Text] {
            return wrong("`of` with 1 node of text", "others");
        }
        let vocabulary = Terms::read(spec.texts("vocabulary")?, "vocabulary")?;
        let stop = match spec.has("stop") {
            true => Terms::read(spec.texts("stop")?, "stop")?,
            false => Terms::default(),
        };
        let unit = [("word", Unit::Word), ("char", Unit::Character), ("char_wb", Unit::Within)];
        let unit = spec.choice("unit", &unit)?;
        let (words, minimum) = match unit {
            Unit::Word => (spec.words("words")?, spec.count("minimum", LENGTH_MAX)?),
            _ => (Vec::new(), 1),
        };
        let (letters, words) = (Letters::read(spec)?, Ranges::read(&words, "words")?);
        let lengths = (spec.count("shortest", LENGTH_MAX)?, spec.count("longest", LENGTH_MAX)?);
        let is_binary = spec.choice("binary", &[("no", false), ("yes", true)])?;
        let width = vocabulary.len();
        if width == 0 || lengths.0 > lengths.1 {
            return wrong("`vocabulary` with a term, and `shortest` at most `longest`", format!("{width} terms"));
        }
        made(Self { vocabulary, stop, letters, words, unit, minimum, lengths, is_binary }, width)
    }

    /// Counts a term of the text.
    fn count(&self, term: &str, counts: &mut [f64]) {
        if let Some(count) = self.vocabulary.find(term).and_then(|at| counts.get_mut(at as usize)) {
            *count = if self.is_binary { 1.0 } else { *count + 1.0 };
        }
    }

    fn count_words(&self, text: &str, counts: &mut [f64]) {
        let runs = text.split(|character| !self.words.contains(character));
        let is_token = |run: &&str| run.chars().nth(self.minimum - 1).is_some() && self.stop.find(run).is_none();
        let tokens: Vec<&str> = runs.filter(|run| !run.is_empty()).filter(is_token).collect();
        let mut term = String::new();
        for length in self.lengths.0..=self.lengths.1.min(tokens.len()) {
            for window in tokens.windows(length) {
                if let [token] = window {
                    self.count(token, counts);
                } else {
                    term.clear();
                    for (i, token) in window.iter().enumerate() {
                        term.push_str(if i > 0 { " " } else { "" });
                        term.push_str(token);
                    }
                    self.count(&term, counts);
                }
            }
        }
    }

    /// Counts each part of so many characters.
    fn count_parts(&self, text: &str, length: usize, counts: &mut [f64]) {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for window in ends.windows(length + 1) {
            if let (Some(&start), Some(&end)) = (window.first(), window.last()) {
                self.count(text.get(start..end).unwrap_or_default(), counts);
            }
        }
    }

    fn count_row(&self, text: &str, counts: &mut [f64]) {
        let text = &*self.letters.apply(text);
        match self.unit {
            Unit::Word => self.count_words(text, counts),
            Unit::Character => {
                let text = spaces_joined(text);
                (self.lengths.0..=self.lengths.1).for_each(|length| self.count_parts(&text, length, counts));
            }
            Unit::Within => {
                for word in text.split(is_space).filter(|word| !word.is_empty()) {
                    let word = format!(" {word} ");
                    let characters = word.chars().count();
                    for length in self.lengths.0..=self.lengths.1 {
                        if length >= characters {
                            // What is too short counts once.
                            self.count(&word, counts);
                            break;
                        }
                        self.count_parts(&word, length, counts);
                    }
                }
            }
        }
    }
}

/// What Python takes for space.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// Two spaces or more become one plain one; one stays as it is.
fn spaces_joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if is_space(character) && characters.next_if(|&next| is_space(next)).is_some() {
            while characters.next_if(|&next| is_space(next)).is_some() {}
            joined.push(' ');
        } else {
            joined.push(character);
        }
    }
    joined
}

impl Op for Tokens {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let Some(column) = of.text() else { return Ok(()) };
        let width = self.vocabulary.len();
        out.resize(of.rows * width, 0.0);
        for (row, counts) in out.chunks_exact_mut(width).enumerate() {
            match column.get(row) {
                Some(text) => self.count_row(text, counts),
                None => return Err(Stop { row, message: "expected a text, found nothing".into() }),
            }
        }
        Ok(())
    }
}
