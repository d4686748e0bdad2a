//! What training data looked like, a line a column.

use scry_card::stats::{CategoricalReference, Kind, Reference, References};

/// Categories that are shown of a column.
const CATEGORIES_SHOWN: usize = 4;

pub(super) fn print(references: &References) {
    let sides = [
        ("inputs", Some(&references.inputs)),
        ("features", references.features.as_ref()),
        ("outputs", references.outputs.as_ref()),
    ];
    for (side, reference) in sides {
        if let Some(reference) = reference.filter(|reference| !reference.columns.is_empty()) {
            println!("reference of {side}");
            print_columns(reference);
        }
    }
}

fn print_columns(reference: &Reference) {
    for column in &reference.columns {
        let missing = share(column.missing_count(), column.count);
        let values = match &column.kind {
            Kind::Numeric(numeric) => {
                let [low, high, mean] = [numeric.minimum, numeric.maximum, numeric.mean].map(|value| {
                    // Numbers with an origin are whole, but for the mean.
                    numeric
                        .origin
                        .map_or_else(|| short(value), |origin| origin.saturating_add(value as i128).to_string())
                });
                format!("{low} to {high}, mean {mean}, std {}", short(numeric.std_dev))
            }
            Kind::Categorical(categorical) => categories(categorical),
        };
        println!("  {:<20} {missing:>7} missing  {values}", column.name);
    }
}

fn categories(categorical: &CategoricalReference) -> String {
    let counts = &categorical.counts;
    let total = counts.iter().map(|category| category.count).sum::<u64>() + categorical.other_count;
    let shown = counts.iter().take(CATEGORIES_SHOWN);
    let mut parts: Vec<_> =
        shown.map(|category| format!("{} {}", cut(&category.value), share(category.count, total))).collect();
    let more = counts.len().saturating_sub(CATEGORIES_SHOWN);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    if categorical.other_count > 0 {
        parts.push(format!("other {}", share(categorical.other_count, total)));
    }
    parts.join(", ")
}

fn share(count: u64, total: u64) -> String {
    format!("{:.1} %", 100.0 * count as f64 / total.max(1) as f64)
}

/// A text that fits a line, whatever is in it.
fn cut(text: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 24;
    let start: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

fn short(value: f64) -> String {
    let plain = value == 0.0 || (1e-3..1e7).contains(&value.abs());
    if plain {
        format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, short};

    #[test]
    fn numbers_and_texts_are_shown_in_few_characters() {
        let shown = [0.0, 1.0, -0.25, 143.79, 12_345_678.0, 1.5e-9].map(short);
        assert_eq!(shown, ["0", "1", "-0.25", "143.79", "1.235e7", "1.500e-9"]);
        assert_eq!(cut("a\u{1b}[2J"), "a\\u{1b}[2J");
        assert_eq!(cut(&"ü".repeat(30)), "ü".repeat(24) + "…");
    }
}
