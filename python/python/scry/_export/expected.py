"""What the original model answers, in the form in which the component answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Answers = dict[str, np.ndarray]


@contextmanager
def one_thread(model: Any) -> Iterator[None]:
    """Lets scikit-learn's estimators work in one thread, in which they add in one order."""
    changed = []
    try:
        for estimator in parts(model):
            if vars(estimator).get("n_jobs") not in (None, 1) and type(estimator).__module__.startswith("sklearn."):
                changed.append((estimator, estimator.n_jobs))
                estimator.n_jobs = 1
        yield
    finally:
        for estimator, jobs in changed:
            estimator.n_jobs = jobs


def parts(model: Any) -> Iterator[Any]:
    """A model and all estimators within it."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, np.ndarray) and value.dtype == object:
            waiting.extend(value.ravel().tolist())
        elif hasattr(value, "get_params") and not isinstance(value, type):
            yield value
            waiting.extend(vars(value).values())


def answers(model: Any, x: Any, outputs: list[dict[str, Any]], classes: Any = None) -> Answers:
    """The answers of the original to rows, by the names of the component's outputs."""
    told: Answers = {}
    with one_thread(model):
        for kind in dict.fromkeys(output["kind"] for output in outputs):
            asked = [output for output in outputs if output["kind"] == kind]
            values = _ask(model, x, kind)
            for output in asked:
                told[output["name"]] = _shaped(values, output, len(asked), classes)
    return told


def _ask(model: Any, x: Any, kind: str) -> Any:
    if kind == "probabilities":
        return model.predict_proba(x)
    if kind == "score":
        return model.score_samples(x) if hasattr(model, "score_samples") else model.decision_function(x)
    if kind == "features":
        return dense(model.transform(x))
    return _predict(model, x)


def _predict(model: Any, x: Any) -> Any:
    kind = f"{type(model).__module__.split('.')[0]}.{type(model).__name__}"
    if kind == "xgboost.Booster":
        import xgboost

        return model.predict(xgboost.DMatrix(x, enable_categorical=True))
    return model.predict(x)


def dense(values: Any) -> np.ndarray:
    """A frame, array or sparse matrix as an array."""
    made = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(made.to_numpy() if hasattr(made, "to_numpy") else made)


def _shaped(values: Any, output: dict[str, Any], count: int, classes: Any) -> np.ndarray:
    if count > 1:
        at = output["target"]
        values = values[at] if isinstance(values, list) else np.asarray(values)[:, at]
    made = np.asarray(values)
    if output["kind"] != "label":
        made = made.astype(np.float64)
    elif classes is not None:
        made = np.asarray(classes)[made.astype(np.int64)]
    width = output["shape"]
    return made.reshape(len(made), -1) if width else made.reshape(len(made))
