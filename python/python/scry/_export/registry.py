"""Which translator knows which class: exactly that class, never a subclass.

Classes are named by their public path and looked up among the modules that are imported already, so that no library is
imported here that the model does not need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import ExportError
from .graph import Graph, Node
from .table import Table


@dataclass(frozen=True)
class Outcome:
    """What an estimator answers. Regressors have `prediction`, classifiers `index` (of the class) and `classes`."""

    prediction: Node | None = None
    index: Node | None = None
    classes: np.ndarray | None = None
    probabilities: Node | None = None
    # What `decision_function` or `score_samples` gives.
    score: Node | None = None
    # Whether `score` is one a class, or of two classes one that is above 0 for the second.
    scores_classes: bool = False
    # What the estimator itself reads, where that is not its input as it is.
    features: Table | None = None
    # Of several targets, one outcome each.
    targets: tuple[Outcome, ...] = ()


class Refused(NamedTuple):
    """A class that is known and cannot be exported: why, and what to do."""

    reason: str
    instead: str


Transform = Callable[["Step", Any, Table], Table]
Predict = Callable[["Step", Any, Table], Outcome]

_transforms: dict[str, Transform] = {}
_predicts: dict[str, Predict] = {}
_refused: dict[str, Refused] = {}


def transforms(*classes: str) -> Callable[[Transform], Transform]:
    """Registers a translator of transformers, by their public names."""
    return lambda function: (_transforms.update(dict.fromkeys(classes, function)), function)[1]


def predicts(*classes: str) -> Callable[[Predict], Predict]:
    """Registers a translator of predictors, by their public names."""
    return lambda function: (_predicts.update(dict.fromkeys(classes, function)), function)[1]


def refuses(reason: str, instead: str, *classes: str) -> None:
    """Registers classes that cannot be exported."""
    _refused.update(dict.fromkeys(classes, Refused(reason, instead)))


def _find(known: dict[str, Any], estimator: Any) -> Any:
    kind = type(estimator)
    for path, value in known.items():
        module, _, name = path.rpartition(".")
        if name == kind.__name__ and getattr(sys.modules.get(module), name, None) is kind:
            return value
    return None


def supported() -> list[str]:
    """The public names of all classes that can be exported."""
    return sorted({*_transforms, *_predicts})


@dataclass(frozen=True)
class Step:
    """Where in the model a translator is: the graph that it adds to, and the place's name."""

    graph: Graph
    path: str

    def at(self, suffix: str) -> Step:
        """A part of this step."""
        return Step(self.graph, self.path + suffix)

    def refuse(self, reason: str, instead: str) -> ExportError:
        """The error that says what cannot be exported, why, and what to do."""
        return ExportError(f"{self.path}: {reason}. {instead}.")

    def transform(self, estimator: Any, table: Table) -> Table:
        """What a fitted transformer makes of columns."""
        translate = self._translator(_transforms, estimator, "transformer")
        self._check_columns(estimator, table)
        made = self._translated(translate, estimator, table)
        sparse = made.is_sparse or (table.is_sparse and type(estimator).__name__ in KEEP_SPARSE)
        return made.held(sparse=sparse).renamed(_names_out(estimator, table, made))

    def predict(self, estimator: Any, table: Table) -> Outcome:
        """What a fitted predictor answers."""
        translate = self._translator(_predicts, estimator, "predictor")
        self._check_columns(estimator, table)
        return self._translated(translate, estimator, table)

    def _translated(self, translate: Any, estimator: Any, table: Table) -> Any:
        try:
            return translate(self, estimator, table)
        except AttributeError as error:
            library = type(estimator).__module__.split(".")[0]
            told = f"{type(estimator).__name__} of {library} {sys.modules[library].__version__} has an unknown form"
            raise self.refuse(f"{told} ({error})", "Use a version that this version of scry is tested with") from error

    def can_predict(self, estimator: Any) -> bool:
        """Whether the estimator is a predictor that can be exported."""
        return _find(_predicts, estimator) is not None

    def can_transform(self, estimator: Any) -> bool:
        """Whether the estimator is a transformer that can be exported."""
        return _find(_transforms, estimator) is not None

    def _translator(self, known: dict[str, Any], estimator: Any, role: str) -> Any:
        translate = _find(known, estimator)
        if translate is not None:
            self._check_fitted(estimator)
            return translate
        name = type(estimator).__name__
        refused = _find(_refused, estimator)
        if refused is not None:
            raise self.refuse(f"{name} cannot be exported: {refused.reason}", refused.instead)
        base = next((known.__name__ for known in type(estimator).__mro__[1:] if _is_known(known)), None)
        if base is not None:
            raise self.refuse(f"{name} is a subclass of {base}, which may do anything else", f"Use {base} itself")
        raise self.refuse(
            f"{name} is no {role} that can be exported", "Use one of scry.supported_estimators(), or a Python guest"
        )

    def _check_fitted(self, estimator: Any) -> None:
        if type(estimator).__name__ not in STATELESS and not _is_fitted(estimator):
            raise self.refuse(f"{type(estimator).__name__} is not fitted", "Call fit before you export it")

    def _check_columns(self, estimator: Any, table: Table) -> None:
        fitted = getattr(estimator, "n_features_in_", None)
        if fitted is not None and fitted != len(table) and type(estimator).__name__ not in CHOOSERS:
            raise self.refuse(f"it was fitted on {fitted} columns and gets {len(table)}", "Use the columns of the fit")

    def needs_double(self, table: Table, estimator: Any) -> None:
        """Refuses numbers of less than 64 bits, with which the original computes in less than 64 bits."""
        dtype = table.dtype
        if dtype.kind == "f" and dtype.itemsize < 8:
            raise self.refuse(
                f"{type(estimator).__name__} computes in {dtype}, since its columns are {dtype}",
                'Fit it on X.astype("float64")',
            )

    def numbers(self, estimator: Any, table: Table, double: bool = True) -> Node:
        """The columns as one matrix; refuses text, and narrow floats unless they do not matter."""
        for column in table.texts:
            raise self.refuse(f"column `{column.name}` is text where numbers are needed", "Encode it first")
        if double:
            self.needs_double(table, estimator)
        return table.matrix(self.graph)


# Transformers that give a sparse matrix for a sparse matrix.
KEEP_SPARSE = {
    "StandardScaler", "MaxAbsScaler", "RobustScaler", "Normalizer", "Binarizer", "SimpleImputer", "MissingIndicator",
    "SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe", "GenericUnivariateSelect",
    "SelectFromModel", "VarianceThreshold", "RFE", "RFECV", "SequentialFeatureSelector", "PolynomialFeatures",
    "FunctionTransformer", "QuantileTransformer",
}  # fmt: skip
# Classes that may be given more columns than they read.
CHOOSERS = {"Pipeline", "ColumnTransformer", "GridSearchCV", "RandomizedSearchCV", "TransformedTargetRegressor"}
# Classes that have nothing to learn, or whose parts say whether they are fitted.
STATELESS = {"FunctionTransformer", "Normalizer", "Binarizer", "Pipeline", "FeatureUnion", "Booster", "FrozenEstimator"}


def _is_fitted(estimator: Any) -> bool:
    for name in ("__sklearn_is_fitted__", "is_fitted"):
        checker = getattr(estimator, name, None)
        if checker is not None:
            return bool(checker())
    return any(name.endswith("_") and not name.startswith("_") for name in vars(estimator))


def _is_known(kind: type) -> bool:
    known = {*_transforms, *_predicts}
    paths = (path.rpartition(".") for path in known if path.endswith("." + kind.__name__))
    return any(getattr(sys.modules.get(module), name, None) is kind for module, _, name in paths)


def _names_out(estimator: Any, before: Table, made: Table) -> Sequence[str]:
    """The names that the original gives its columns, where it does."""
    name_columns = getattr(estimator, "get_feature_names_out", None)
    if name_columns is None:
        return made.names
    for names in (before.names, None):
        try:
            told = name_columns(names)
        except Exception:  # noqa: BLE001 A name is worth no failure; each library has its own errors here.
            continue
        if len(told) == len(made):
            return list(told)
    return made.names


def version(library: str) -> tuple[int, int]:
    """Major and minor version of a library that is imported."""
    major, minor, *_ = sys.modules[library].__version__.split(".")
    return int(major), int(minor)


def class_list(values: Any) -> np.ndarray:
    """The classes of a classifier as an array."""
    return np.asarray(values)


def binary_index(graph: Graph, decision: Node, at_least: bool = False) -> Node:
    """1 where a decision is above 0 (or at least 0), else 0."""
    return graph.map(decision, "at_least" if at_least else "greater", 0.0)


def classified(
    graph: Graph, classes: Any, decision: Node, probabilities: Node | None, at_least: bool = False
) -> Outcome:
    """A classifier whose label is that of the largest decision; of one decision, that of its sign."""
    index = binary_index(graph, decision, at_least) if decision.width == 1 else graph.argmax(decision)
    return Outcome(
        index=index, classes=class_list(classes), probabilities=probabilities, score=decision, scores_classes=True
    )


def regressed(prediction: Node) -> Outcome:
    """A regressor; of several columns, one target each."""
    return Outcome(prediction=prediction)
