"""whylogs, from tables in memory: row by row it is far slower."""

import whylogs
from whylogs.core.constraints import ConstraintsBuilder
from whylogs.core.constraints.factories import greater_than_number, no_missing_values, smaller_than_number
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from turn import answer, fields, read


def statistics(path):
    return whylogs.log(read(path)).view()


def profile(path):
    view = statistics(path)

    def column(name):
        found = view.get_column(name).to_summary_dict()
        keys = {
            "missing": "counts/null",
            "mean": "distribution/mean",
            "minimum": "distribution/min",
            "maximum": "distribution/max",
        }
        return {ours: found[theirs] for ours, theirs in keys.items()}

    names = view.get_columns().keys()
    rows = max(view.get_column(name).to_summary_dict()["counts/n"] for name in names)
    return {"rows": rows, "columns": {name: column(name) for name in names}}


def validate(path, expected):
    builder = ConstraintsBuilder(statistics(path))
    for field in fields(expected):
        name = field["name"]
        builder.add_constraint(greater_than_number(name, field["minimum"]))
        builder.add_constraint(smaller_than_number(name, field["maximum"]))
        if not field.get("nullable"):
            builder.add_constraint(no_missing_values(name))
    # Each is a name, then how often it held, then how often it did not.
    failed = [constraint.name for constraint in builder.build().generate_constraints_report() if constraint.failed]
    return {"named": sorted({name.split()[0] for name in failed})}


def drift(older, newer):
    before, after = statistics(older), statistics(newer)
    scores = calculate_drift_scores(after, before, with_thresholds=True)
    drifting = [name for name, score in scores.items() if score and score["drift_category"] == "DRIFT"]
    return {"named": sorted(drifting)}


answer("whylogs", {"profile": profile, "validate": validate, "drift": drift})
