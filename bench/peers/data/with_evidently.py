"""Evidently: its presets for a summary and for drift, and tests of single columns."""

from evidently import DataDefinition, Dataset, Report
from evidently.metrics import MaxValue, MinValue, MissingValueCount
from evidently.presets import DataDriftPreset, DataSummaryPreset
from evidently.tests import eq, gte, lte

from turn import answer, fields, read


def dataset(path):
    table = read(path)
    return Dataset.from_pandas(table, data_definition=DataDefinition(numerical_columns=list(table)))


def metrics(report, current, reference=None):
    return report.run(current, reference).dict()["metrics"]


def of_kind(found, kind):
    """A metric's values by column."""
    ours = [metric for metric in found if metric["config"]["type"].endswith(f":{kind}")]
    return {metric["config"]["column"]: metric["value"] for metric in ours}


def profile(path):
    found = metrics(Report([DataSummaryPreset()]), dataset(path))
    missing, mean, minimum, maximum = (
        of_kind(found, kind) for kind in ("MissingValueCount", "MeanValue", "MinValue", "MaxValue")
    )
    columns = {
        name: {
            "missing": missing[name]["count"],
            "mean": float(mean[name]),
            "minimum": float(minimum[name]),
            "maximum": float(maximum[name]),
        }
        for name in missing
    }
    rows = next(metric["value"] for metric in found if metric["metric_name"] == "RowCount()")
    return {"rows": int(rows), "columns": columns}


def validate(path, expected):
    checks = []
    for field in fields(expected):
        name = field["name"]
        checks.append(MinValue(column=name, tests=[gte(field["minimum"])]))
        checks.append(MaxValue(column=name, tests=[lte(field["maximum"])]))
        if not field.get("nullable"):
            checks.append(MissingValueCount(column=name, tests=[eq(0)]))
    found = Report(checks).run(dataset(path), None).dict()["tests"]
    failed = [test for test in found if test["status"].value != "SUCCESS"]
    return {"named": sorted({test["metric_config"]["params"]["column"] for test in failed})}


def drift(older, newer):
    found = metrics(Report([DataDriftPreset()]), dataset(newer), dataset(older))
    # For tables of this size it is the normed Wasserstein distance.
    drifting = [
        metric["config"]["column"]
        for metric in found
        if metric["config"]["type"].endswith(":ValueDrift") and metric["value"] >= metric["config"]["threshold"]
    ]
    return {"named": sorted(drifting)}


answer("evidently", {"profile": profile, "validate": validate, "drift": drift})
