//! What was measured beside what is stored: pure.

use std::collections::BTreeMap;

/// Instructions a call, by case.
pub(super) type Figures = BTreeMap<String, u64>;
/// Figures, by what they were measured with.
pub(super) type Stored = BTreeMap<String, Figures>;

/// A change that is let pass, in percent.
const CHANGE_MAX: f64 = 3.0;
const ACCEPT: &str = "`CARGO_INCREMENTAL=0 cargo run -p scry-bench -- instructions --accept`";

/// What to tell.
#[derive(Debug)]
pub(super) struct Report {
    /// Markdown.
    pub(super) text: String,
    /// Whether that is a failure.
    pub(super) is_worse: bool,
}

/// Compares. Figures that were measured with something else are shown, and
/// hold nobody to anything.
pub(super) fn compare(stored: &Stored, measured_with: &str, measured: &Figures) -> Report {
    let ours = stored.get(measured_with);
    let figures = ours.or_else(|| stored.values().next());
    let mut table = String::from("| case | stored | measured | change |\n|---|--:|--:|--:|\n");
    let (mut remarks, mut is_worse) = (String::new(), false);
    for (case, &now) in measured {
        let Some(&before) = figures.and_then(|figures| figures.get(case)) else {
            table += &format!("| {case} |  | {now} |  |\n");
            remarks += &format!("\n{case}: no figure is stored. {ACCEPT} stores it.\n");
            continue;
        };
        let change = (now as f64 - before as f64) * 100.0 / before as f64;
        table += &format!("| {case} | {before} | {now} | {change:+.2} % |\n");
        if ours.is_none() || change.abs() <= CHANGE_MAX {
            continue;
        }
        let numbers = format!("{case}: {before} instructions a call are stored, {now} were measured");
        if change > 0.0 {
            is_worse = true;
            remarks += &format!(
                "\n{numbers}: {change:.1} % worse, and {CHANGE_MAX} % are let pass. Find out what became dearer; \
                 where that is meant, {ACCEPT} stores the new figure.\n"
            );
        } else {
            remarks += &format!("\n{numbers}: {:.1} % better. Keep it: {ACCEPT} stores the new figure.\n", -change);
        }
    }
    if ours.is_none() {
        let other = stored.keys().next().map_or("nothing", String::as_str);
        remarks += &format!("\nNOT HELD to the stored figures: those were measured with {other}.\n");
    }
    Report { text: format!("Measured with {measured_with}.\n\n{table}{remarks}"), is_worse }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "valgrind-1";

    fn stored(with: &str, figure: u64) -> Stored {
        Stored::from([(with.to_owned(), Figures::from([("a case".to_owned(), figure)]))])
    }

    fn measured(figure: u64) -> Report {
        compare(&stored(HERE, 1000), HERE, &Figures::from([("a case".to_owned(), figure)]))
    }

    #[test]
    fn more_than_three_percent_worse_fails_with_both_numbers() {
        let report = measured(1031);
        assert!(report.is_worse);
        assert!(report.text.contains("1000 instructions a call are stored, 1031 were measured: 3.1 % worse"));
    }

    #[test]
    fn three_percent_either_way_are_let_pass_without_a_word() {
        for figure in [970, 1000, 1030] {
            let report = measured(figure);
            assert!(!report.is_worse && !report.text.contains("--accept"), "{}", report.text);
        }
    }

    #[test]
    fn what_became_better_should_be_stored() {
        let report = measured(900);
        assert!(!report.is_worse);
        assert!(report.text.contains("10.0 % better"), "{}", report.text);
    }

    #[test]
    fn another_machine_is_told_and_not_failed() {
        let report = compare(&stored("valgrind-2", 1000), HERE, &Figures::from([("a case".to_owned(), 2000)]));
        assert!(!report.is_worse);
        assert!(report.text.contains("+100.00 %") && report.text.contains("NOT HELD"), "{}", report.text);
    }

    #[test]
    fn a_case_without_a_figure_is_told() {
        let report = compare(&Stored::new(), HERE, &Figures::from([("a case".to_owned(), 2000)]));
        assert!(!report.is_worse && report.text.contains("no figure is stored"), "{}", report.text);
    }
}
