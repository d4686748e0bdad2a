"""What all tests share: the evaluator, the check of one model, and the table of what was found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# One thread each: threads that wait for each other cost more than they bring where processors are few.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
HERE = Path(__file__).parent
if find_spec("scry") is None:
    sys.path.insert(0, str(HERE.parent / "python"))
sys.path.insert(0, str(HERE))

import numpy as np  # noqa: E402
from scry._export import export_graph  # noqa: E402
from scry._export.golden import Values, neighbors  # noqa: E402
from scry._export.verify import answered, compare  # noqa: E402
from scry._export.write import Exported, file_bytes, used_inputs  # noqa: E402

EDGE_ROWS = 2000
FOUND: list[tuple[str, int, str, int]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exactness", default="build/exactness.md", help="where the table of differences goes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `SCRY_PYTHON_TESTS=sample`, of each test with parameters the first and about a fifth of the others."""
    if os.environ.get("SCRY_PYTHON_TESTS") != "sample":
        return
    kept: list[pytest.Item] = []
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test not in seen or zlib.crc32(item.nodeid.encode()) % 5 == 0:
            kept.append(item)
        seen.add(test)
    items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not FOUND:
        return
    path = HERE.parent / session.config.getoption("--exactness")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["| model | rows | largest difference | labels that differ |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {rows} | {difference} | {labels} |" for name, rows, difference, labels in sorted(FOUND)]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass
class Evaluator:
    """Runs a model file over rows."""

    program: str
    folder: Path
    calls: int = field(default=0)

    def __call__(self, model: bytes, rows: list[dict[str, Any]], *options: str) -> dict[str, Any]:
        self.calls += 1
        model_path, rows_path = (self.folder / f"{self.calls}.{kind}" for kind in ("scry", "json"))
        model_path.write_bytes(model)
        rows_path.write_text(json.dumps(rows, allow_nan=False))
        command = [self.program, str(model_path), str(rows_path), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[:2000]
        return json.loads(done.stdout)


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluator:
    program = os.environ.get("SCRY_EVALUATE")
    assert program, "set SCRY_EVALUATE to the program `evaluate`"
    return Evaluator(program, tmp_path)


Check = Callable[..., "Exported"]


@pytest.fixture
def check(evaluate: Evaluator, request: pytest.FixtureRequest) -> Check:
    """Exports a model, and compares the file's answers with the model's own.

    Rows are all of X, edges of its columns, and values of X with one replaced by a threshold or a neighbor of one.
    """

    def run(model: Any, x: Any, bound: float, *, name: str | None = None, **told: Any) -> Exported:
        exported = export_graph(model, x, **told)
        body = file_bytes(
            exported, {"card_version": 1, "name": "test", "description": "A test"}, {}, "warn", "synthetic"
        )
        used = used_inputs(exported)
        rows = exported.frame.records(range(exported.frame.rows), used) + edge_rows(exported, used)
        want, kept = answered(exported, rows)
        options = ["--features"] if exported.outputs[0]["kind"] == "features" else []
        found = compare(exported, want, evaluate(body, kept, *options))
        title = name or request.node.name.removeprefix("test_")
        FOUND.append((title, found.rows, f"{found.difference:.1e}" if found.difference else "0", found.labels))
        assert exported.tolerance <= bound, f"it allows {exported.tolerance}"
        assert found.labels == 0
        assert found.difference <= exported.tolerance
        return exported

    return run


def edge_rows(exported: Exported, used: list[str]) -> list[dict[str, Any]]:
    """Rows of X with one value replaced by an edge, or by a threshold of a tree or a neighbor of one."""
    values = Values(exported.graph, exported.frame, used)
    random = np.random.default_rng(1)
    tried = [(each.name, value) for each in values.inputs for value in _values(values, each)]
    if len(tried) > EDGE_ROWS:
        tried = [tried[at] for at in random.permutation(len(tried))[:EDGE_ROWS]]
    places = random.integers(exported.frame.rows, size=len(tried))
    rows = exported.frame.records(places.tolist(), used)
    return [{**row, name: value} for row, (name, value) in zip(rows, tried, strict=True)]


def _values(values: Values, each: Any) -> list[Any]:
    splits = sorted(values.splits.get(each.name, set()))
    numbers = [float(near) for value in splits for near in neighbors(value)]
    if each.dtype == "float32":
        numbers = [float(np.float32(number)) for number in numbers]
    elif each.dtype != "float64":
        numbers = []
    gaps = [None] if each.nullable else []
    return [*values.edges(each), *values.unseen(each), *numbers, *([0.0, -0.0] if numbers else []), *gaps]
