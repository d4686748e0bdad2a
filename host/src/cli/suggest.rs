//! "Did you mean": the name that was probably meant by one that is not there.

/// The nearest of the names that are there, if it is near enough to be a slip:
/// one change for every three characters, and one in any case.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (given.chars().count() / 3).max(1);
    let lower = given.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    // Neither costs more than it is worth, whatever a file or a host says.
    const LEN_MAX_BYTES: usize = 128;
    const NAMES_MAX: usize = 10_000;
    if given.len() > LEN_MAX_BYTES {
        return None;
    }
    let near = known.into_iter().take(NAMES_MAX).filter(|name| name.len() <= LEN_MAX_BYTES && *name != given);
    let near = near
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= most && *distance < name.chars().count());
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// A message with a suggestion at its end, where there is one.
pub(super) fn with<'a>(message: &str, given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(given, known) {
        Some(name) => format!("{}; did you mean `{name}`?", message.trim_end()),
        None => message.to_owned(),
    }
}

/// A message that lists the known names, with a suggestion at its end. The readers of
/// configurations, documents, rows and tables write such messages.
pub(super) fn member(message: &str) -> String {
    match unknown(message) {
        Some((given, known)) => with(message, given, known),
        None => message.to_owned(),
    }
}

/// The name that a message finds wrong, and those that it lists instead.
fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let between = |start: &str, middle: &str| {
        let (_, rest) = message.split_once(start)?;
        let (given, rest) = rest.split_once('`')?;
        let (_, list) = rest.split_once(middle)?;
        Some((given, list))
    };
    if let Some((given, list)) = between("field `", ": expected one of ")
        && let Some((list, _)) = list.split_once(", found an unknown field")
    {
        let list = list.rsplit_once(" and ").filter(|(_, more)| more.ends_with(" more")).map_or(list, |(list, _)| list);
        return Some((given, list.split(", ").collect()));
    }
    let forms =
        [("unknown field `", ", expected "), ("unknown variant `", ", expected "), ("column `", "is not there")];
    let (given, list) = forms.into_iter().find_map(|(start, middle)| between(start, middle))?;
    Some((given, list.lines().next()?.split('`').skip(1).step_by(2).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let models = ["fraud", "churn", "bikeshare", "bikeshare-linear"];
        for (given, meant) in [("frauds", "fraud"), ("fruad", "fraud"), ("Churn", "churn"), ("bikeshar", "bikeshare")] {
            assert_eq!(nearest(given, models), Some(meant), "{given}");
        }
        for given in ["", "x", "fr", "nobody", "digits", "fraud"] {
            assert_eq!(nearest(given, models), None, "{given}");
        }
        assert_eq!(nearest("b", ["a"]), None, "one letter for another is no slip");
        assert_eq!(nearest(&"a".repeat(200), ["a"]), None);
    }

    #[test]
    fn a_list_of_names_in_a_message_is_enough() {
        let message = "scry.toml: unknown field `deadlin_ms`, expected one of `deadline_ms`, `fuel`\n";
        assert!(member(message).ends_with("`fuel`; did you mean `deadline_ms`?"));
        assert_eq!(member("unknown field `nothing`, expected `fuel`"), "unknown field `nothing`, expected `fuel`");
        assert_eq!(member("another thing"), "another thing");
        let row = "field `huor`, row 0: expected one of hour, day and 3 more, found an unknown field";
        assert!(member(row).ends_with("; did you mean `hour`?"));
        let table = "new.csv, column `citi`: is not there; the file has `city`, `x`";
        assert!(member(table).ends_with("; did you mean `city`?"));
    }
}
