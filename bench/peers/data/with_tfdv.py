"""TensorFlow Data Validation, from tables in memory: its quickest way, in one process."""

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from turn import answer, fields, read

# The least Jensen-Shannon divergence that is drift. It has no default; this is what others have.
DRIFT_MIN = 0.1


def statistics(path):
    return tfdv.generate_statistics_from_dataframe(read(path), n_jobs=1)


def profile(path):
    dataset = statistics(path).datasets[0]

    def column(feature):
        numbers = feature.num_stats
        return {
            "missing": numbers.common_stats.num_missing,
            "mean": numbers.mean,
            "minimum": numbers.min,
            "maximum": numbers.max,
        }

    columns = {feature.path.step[0]: column(feature) for feature in dataset.features}
    return {"rows": dataset.num_examples, "columns": columns}


def validate(path, expected):
    schema = schema_pb2.Schema()
    for field in fields(expected):
        feature = schema.feature.add(name=field["name"], type=schema_pb2.FLOAT)
        feature.float_domain.min, feature.float_domain.max = field["minimum"], field["maximum"]
        feature.presence.min_fraction = 0.0 if field.get("nullable") else 1.0
    found = tfdv.validate_statistics(statistics(path), schema).anomaly_info
    return {"named": sorted(found)}


def drift(older, newer):
    before = statistics(older)
    schema = tfdv.infer_schema(before)
    for feature in schema.feature:
        feature.drift_comparator.jensen_shannon_divergence.threshold = DRIFT_MIN
    found = tfdv.validate_statistics(statistics(newer), schema, previous_statistics=before).drift_skew_info
    drifting = [each.path.step[0] for each in found if any(m.value > m.threshold for m in each.drift_measurements)]
    return {"named": sorted(drifting)}


answer("tensorflow-data-validation", {"profile": profile, "validate": validate, "drift": drift})
