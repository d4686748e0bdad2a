//! Placeholders in a card: text that the template wrote, or that is to be replaced.
//!
//! Never refuses a component: it warns.

use scry_card::Card;

/// Where the words come from that `scry new` writes.
const TEMPLATE: &str = include_str!("../../template/Cargo.toml.in");

/// Warns of placeholders in a card, on stderr.
pub(super) fn warn(card: &Card) {
    warnings(card).iter().for_each(|warning| super::warn(warning));
}

fn warnings(card: &Card) -> Vec<String> {
    let members = [
        ("owner", card.owner.as_deref(), "[package.metadata.scry]"),
        ("description", Some(card.description.as_str()), "[package]"),
    ];
    let found = members.into_iter().filter_map(|(key, text, table)| {
        let text = text.filter(|text| is_placeholder(key, text))?;
        let shown: String = text.chars().take(80).collect();
        Some(match shown.trim() {
            "" => format!("the card has no {key}; set `{key}` in {table} of Cargo.toml"),
            _ => format!("the card's {key} is a placeholder, {shown:?}; set `{key}` in {table} of Cargo.toml"),
        })
    });
    found.collect()
}

fn is_placeholder(key: &str, text: &str) -> bool {
    const STARTS: [&str; 6] = ["todo", "fixme", "tbd", "xxx", "changeme", "change me"];
    // Reserved for examples (RFC 2606).
    const DOMAINS: [&str; 3] = ["@example.com", "@example.net", "@example.org"];
    let text = text.trim().to_lowercase();
    let is_templates = || template(key).is_some_and(|written| written.to_lowercase() == text);
    text.is_empty()
        || STARTS.iter().any(|start| text.starts_with(start))
        || DOMAINS.iter().any(|domain| text.contains(domain))
        || is_templates()
}

/// What the template says of a member.
fn template(key: &str) -> Option<&'static str> {
    let line = TEMPLATE.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    line.map(|text| text.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(owner: Option<&str>, description: &str) -> Card {
        let schema = serde_json::json!({ "inputs": [], "features": [], "outputs": [] });
        let card = serde_json::json!({
            "card_version": 1, "name": "m", "description": description, "owner": owner, "schema": schema,
        });
        serde_json::from_value(card).unwrap()
    }

    #[test]
    fn what_stands_for_other_words_is_warned_of_and_nothing_else() {
        for owner in ["you@example.com", "TODO", "Ann <ann@example.org>", " ", "FIXME: who?", "ChangeMe"] {
            let warnings = warnings(&card(Some(owner), "Riders per hour."));
            assert!(warnings.len() == 1 && warnings[0].contains("`owner` in [package.metadata.scry]"), "{warnings:?}");
        }
        for description in ["", "TODO: say what", "Whether a customer leaves.", "tbd"] {
            let warnings = warnings(&card(None, description));
            assert!(warnings.len() == 1 && warnings[0].contains("`description` in [package]"), "{warnings:?}");
        }
        for (owner, description) in
            [(None, "Riders per hour."), (Some("risk@bank.example.bank"), "Which customers leave the XXX-large plan.")]
        {
            assert_eq!(warnings(&card(owner, description)), [""; 0]);
        }
    }
}
