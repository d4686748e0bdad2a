//! Whether a command said what its page shows.
//!
//! A page shows real output, and digests, times and dates of it differ from run
//! to run: they match their like. `[..]` matches anything within a line, a line
//! `...` any number of lines.

/// What differs from run to run when a number stands before it.
const UNITS: [&str; 8] = ["ms", "µs", "s", "days", "KiB", "MiB", "bytes", "fuel"];
const ANY_LINES: &str = "...";

pub(crate) fn matches(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((first, rest)) if first == ANY_LINES => (0..=actual.len()).any(|at| matches(rest, &actual[at..])),
        Some((first, rest)) => {
            actual.split_first().is_some_and(|(line, more)| line_matches(first, line) && matches(rest, more))
        }
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    let (expected, actual) = (steady(expected), steady(actual));
    let mut parts = expected.split("[..]");
    let Some(mut rest) = actual.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A line without what differs from run to run, and with single spaces.
fn steady(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let unit = |at: usize| words.get(at).is_some_and(|word| UNITS.contains(&bare(word)));
    let steady = words.iter().enumerate().map(|(at, word)| {
        let inner = bare(word);
        if inner.starts_with("sha256:") {
            word.replace(inner, "sha256:#")
        } else if is_record_id(inner) {
            word.replace(inner, "#id")
        } else if is_time(inner) || (unit(at + 1) && inner.parse::<f64>().is_ok()) {
            word.replace(inner, "#")
        } else {
            (*word).to_owned()
        }
    });
    steady.collect::<Vec<_>>().join(" ")
}

/// A word without what stands around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| "()[]{},;.\"'`…".contains(c))
}

/// A date, a time of day, or both: `2026-11-23`, `10:20:30Z`, `2026-11-23T10:20:30.5Z`.
fn is_time(word: &str) -> bool {
    let form: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (date, time) = ("0000-00-00", "00:00:00");
    form == date || form.strip_prefix(date).and_then(|rest| rest.strip_prefix('T')).unwrap_or(&form).starts_with(time)
}

/// A record's id, such as `019385e8-7c1a-7b52-9d0e-3f6f1a2b4c5d`.
fn is_record_id(word: &str) -> bool {
    let lengths: Vec<_> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The output that a page should show: its own lines where they still match, else the command's.
pub(crate) fn updated(expected: &[String], actual: &[String]) -> Vec<String> {
    if matches(expected, actual) {
        return expected.to_vec();
    }
    let (rows, columns) = (expected.len(), actual.len());
    // From the page's line `i` and the command's line `j` on: how many lines of the page change, and the first step.
    let mut best = vec![vec![(0, Step::Keep); columns + 1]; rows + 1];
    for i in (0..=rows).rev() {
        for j in (0..=columns).rev() {
            let (line, said) = (expected.get(i), actual.get(j));
            let any = line.is_some_and(|line| line == ANY_LINES);
            let both = line.zip(said);
            let kept = both.is_some_and(|(line, said)| !any && line_matches(line, said));
            // The first of the best ones is taken.
            let steps = [
                kept.then(|| (best[i + 1][j + 1].0, Step::Keep)),
                (any && said.is_some()).then(|| (best[i][j + 1].0, Step::Within)),
                both.map(|_| (1 + best[i + 1][j + 1].0, Step::Replace)),
                said.map(|_| (1 + best[i][j + 1].0, Step::Add)),
                line.map(|_| (1 + best[i + 1][j].0, Step::Drop)),
            ];
            best[i][j] = steps.into_iter().flatten().min_by_key(|(changes, _)| *changes).unwrap_or((0, Step::Keep));
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while j < columns {
        let step = best[i][j].1;
        match step {
            Step::Keep => lines.push(expected[i].clone()),
            Step::Within if lines.last().is_none_or(|line| line != ANY_LINES) => lines.push(ANY_LINES.to_owned()),
            Step::Within | Step::Drop => {}
            Step::Replace | Step::Add => lines.push(actual[j].clone()),
        }
        i += usize::from(matches!(step, Step::Keep | Step::Replace | Step::Drop));
        j += usize::from(step != Step::Drop);
    }
    lines
}

/// What becomes of the page's next line and the command's next line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The page's line stands for the command's.
    Keep,
    /// The command's line is one of any number.
    Within,
    Replace,
    Add,
    Drop,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_matches_itself_and_what_differs_from_run_to_run() {
        for (expected, actual) in [
            ("live", "live"),
            ("churn@1  sha256:ab12", "churn@1  sha256:99ff0"),
            ("digits  sha256:ab12…  1.5 s", "digits  sha256:0…  20.1 s"),
            ("  golden   churn@1      1.8 ms  2 examples", "  golden   churn@1     10.8 ms  2 examples"),
            ("    3  2026-11-23 10:20:30Z  admin", "    3  2027-01-01 00:00:00Z  admin"),
            ("2026-11-23T10:20:30.123456Z  WARN", "2027-01-01T00:00:00Z  WARN"),
            ("state [..]; to undo", "state 17; to undo"),
            ("[..]", ""),
            ("a[..]b[..]c", "a b b c"),
        ] {
            assert!(line_matches(expected, actual), "{expected:?} {actual:?}");
        }
        for (expected, actual) in [
            ("live", "live: no"),
            ("2 examples", "3 examples"),
            ("churn@1 sha256:ab", "churn@2 sha256:ab"),
            ("a[..]b", "a c"),
            ("[..]b", "b c"),
            ("riders: 4.5", "riders: 4.6"),
        ] {
            assert!(!line_matches(expected, actual), "{expected:?} {actual:?}");
        }
    }

    #[test]
    fn three_dots_are_any_number_of_lines() {
        for (expected, actual, holds) in [
            ("a\n...\nc", "a\nb\nb\nc", true),
            ("a\n...", "a", true),
            ("...\nc", "c", true),
            ("a\n...\nc", "a\nb", false),
            ("a", "a\nb", false),
            ("a\nb", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(&lines(expected), &lines(actual)), holds, "{expected:?} {actual:?}");
        }
    }

    #[test]
    fn an_update_keeps_the_lines_that_still_match() {
        for (expected, actual, new) in [
            ("a [..]\nb", "a 1\nc", "a [..]\nc"),
            ("took 5 ms\nb", "took 9 ms\nc", "took 5 ms\nc"),
            ("a\n...\nz", "b\nx\ny\nz", "b\n...\nz"),
            ("", "a\nb", "a\nb"),
            ("a\nb", "", ""),
            ("a\n...\nc", "a\nb\nc", "a\n...\nc"),
        ] {
            let new: Vec<_> = lines(new);
            let updated = updated(&lines(expected), &lines(actual));
            assert_eq!(updated, new, "{expected:?} {actual:?}");
            assert!(matches(&updated, &lines(actual)));
        }
    }
}
