"""Models from fit to answer: exported, imported, and called beside scikit-learn and ONNX Runtime.

Its argument is the `scry` program. Prints a Markdown table. Everything runs on one thread; a peer that cannot convert a
model has a dash.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = ROOT / "tests" / "imports" / "networks"
sys.path[:0] = [str(ROOT / "python" / "python"), str(ROOT / "python" / "tests")]
warnings.filterwarnings("ignore")

import data  # noqa: E402
import lightgbm  # noqa: E402
import onnxruntime  # noqa: E402
import scry  # noqa: E402
import skl2onnx  # noqa: E402
import xgboost  # noqa: E402
from catboost import CatBoostRegressor  # noqa: E402
from skl2onnx.common.data_types import FloatTensorType, StringTensorType  # noqa: E402
from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.neural_network import MLPRegressor  # noqa: E402
from sklearn.pipeline import Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402
from sklearn.svm import SVR  # noqa: E402

ROWS = (1, 64)
# What ResNet-18 needs.
LARGE = """
[compile]
memory_max_bytes = 4294967296
code_max_bytes = 268435456
[limits]
memory_max_bytes = 268435456
"""
SECONDS = 1.0
TEXTS = ["mnth", "weathersit"]
NUMBERS = ["hr", "weekday", "temp", "atemp", "hum", "windspeed"]


def prepared(estimator: Any) -> Pipeline:
    """The bikes' columns as numbers, and an estimator."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(make_column_transformer((texts, TEXTS), (numbers, NUMBERS)), estimator)


def models() -> list[tuple[str, Any, pd.DataFrame, pd.Series]]:
    """Unfitted models and their data."""
    passengers, survived = data.titanic()
    bikes, riders = data.bikes()
    bikes = bikes[TEXTS + NUMBERS].astype(dict.fromkeys(NUMBERS, float))
    cells, benign = data.cancer()
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["class", "sex"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
    )
    logistic = make_pipeline(columns, LogisticRegression())
    catboost = CatBoostRegressor(300, verbose=0, thread_count=1, allow_writing_files=False)
    boosted = GradientBoostingRegressor(n_estimators=200, max_depth=6, random_state=0)
    few = bikes.iloc[:2000], riders.iloc[:2000]
    return [
        ("logistic regression, titanic", logistic, passengers, survived),
        ("random forest, 100 trees, bikes", prepared(RandomForestRegressor(random_state=0)), bikes, riders),
        ("gradient boosting, 200 trees, bikes", prepared(boosted), bikes, riders),
        ("hist gradient boosting, bikes", prepared(HistGradientBoostingRegressor(random_state=0)), bikes, riders),
        ("MLP 64-32, bikes", prepared(MLPRegressor(hidden_layer_sizes=(64, 32), random_state=0)), bikes, riders),
        ("SVR, 2,000 bikes", prepared(SVR(C=100)), *few),
        ("LightGBM, 200 trees, cancer", lightgbm.LGBMClassifier(n_estimators=200, verbose=-1), cells, benign),
        ("XGBoost, 200 trees, bikes", prepared(xgboost.XGBRegressor(n_estimators=200, n_jobs=1)), bikes, riders),
        ("CatBoost, 300 trees, bikes", prepared(catboost), bikes, riders),
    ]


def microseconds(call: Callable[[], object]) -> float:
    """The median of a call."""
    call()
    times, until = [], time.perf_counter() + SECONDS
    while len(times) < 5 or (time.perf_counter() < until and len(times) < 10_000):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def original(model: Any, x: pd.DataFrame) -> list[float]:
    """The fitted model's own time."""
    ask = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    return [microseconds(lambda rows=x.iloc[:rows]: ask(rows)) for rows in ROWS]


def onnx(model: Any, x: pd.DataFrame) -> list[float] | None:
    """ONNX Runtime's time, where the model converts."""
    if isinstance(model, lightgbm.LGBMModel):
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType as Floats

        converted = convert_lightgbm(model, initial_types=[("x", Floats([None, x.shape[1]]))], zipmap=False)
        feeds = {"x": x.to_numpy(np.float32)}
    else:
        kinds = [(name, (StringTensorType if name in texts(x) else FloatTensorType)([None, 1])) for name in x.columns]
        options = {"zipmap": False} if hasattr(model, "predict_proba") else None
        try:
            converted = skl2onnx.to_onnx(model, initial_types=kinds, options={id(model): options} if options else None)
        except Exception as error:  # noqa: BLE001 Each converter fails in its own way.
            print(f"  no ONNX: {str(error).splitlines()[0][:120]}", file=sys.stderr)
            return None
        feeds = {name: x[[name]].to_numpy(object if name in texts(x) else np.float32) for name in x.columns}
    asked = session(converted.SerializeToString())
    given = [{name: values[:rows] for name, values in feeds.items()} for rows in ROWS]
    return [microseconds(lambda feed=feed: asked.run(None, feed)) for feed in given]


def session(model: bytes | str) -> onnxruntime.InferenceSession:
    """A model in ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def texts(x: pd.DataFrame) -> list[str]:
    """The columns of text."""
    return [name for name in x.columns if not pd.api.types.is_numeric_dtype(x[name])]


def ran(*command: str) -> dict[str, Any]:
    """What a command of Scry answers in JSON."""
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def timed(program: str, component: Path, *more: str, rows: tuple[int, ...] = ROWS) -> dict[str, Any]:
    """What `scry bench` finds."""
    counts = ",".join(map(str, rows))
    return ran(program, "bench", str(component), "--rows", counts, "--time-ms", str(int(SECONDS * 1000)), "--json", *more)


def imported(program: str, file: Path, component: Path, *words: str) -> tuple[int, list[float]]:
    """The component's size, and the seconds of the first import on a machine and of the next."""
    seconds = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for _ in range(2):
            started = time.perf_counter()
            size = ran(program, "import", str(file), "-o", str(component), *words, "--json")["size_bytes"]
            seconds.append(time.perf_counter() - started)
    return size, seconds


def line(name: str, exported: float | None, seconds: list[float], size: int, report: dict[str, Any], peers: list[list[float] | None]) -> str:
    """A row of the table."""
    of = list(report["rows"].values())
    export = "-" if exported is None else f"{exported:.1f}"
    spent = f"{export} | {seconds[0]:.1f} / {seconds[1]:.1f} | {report['compile_ms'] / 1000:.1f}"
    shown = " | ".join(" / ".join(f"{each:,.0f}" for each in peer) if peer else "-" for peer in peers)
    calls = " / ".join(f"{each['p50_us']:,.1f}" for each in of)
    return f"| {name} | {spent} | {size / 1e6:.2f} | {calls} | {shown} | {min(each['put_back'] for each in of):.0%} |"


def measured(program: str, name: str, model: Any, x: pd.DataFrame, y: pd.Series, folder: Path) -> str:
    """A fitted model."""
    model.fit(x, y)
    file, component = folder / "model.scry", folder / "model.wasm"
    started = time.perf_counter()
    scry.write_model(model, x, file, name="model", y=y)
    exported = time.perf_counter() - started
    size, seconds = imported(program, file, component)
    report = timed(program, component)
    return line(name, exported, seconds, size, report, [original(model, x), onnx(model, x)])


def network(program: str, name: str, file: Path, folder: Path, rows: tuple[int, ...] = ROWS) -> str:
    """A neural network in an ONNX file, beside which are rows and what ONNX Runtime answers to them."""
    known = json.loads(file.with_suffix(".json").read_text())
    examples = [
        {
            "name": f"row {row}",
            "inputs": [known["rows"][row]],
            "outputs": [{output: values[row] for output, values in known["expected"].items()}],
        }
        for row in range(3)
    ]
    golden, component, config = folder / "golden.json", folder / "network.wasm", folder / "scry.toml"
    golden.write_text(json.dumps({"rtol": 1e-5, "atol": 1e-5, "examples": examples}))
    config.write_text(LARGE)
    words = ["--name", "network", "--golden", str(golden), "--config", str(config)]
    size, seconds = imported(program, file, component, *words)
    report = timed(program, component, "--config", str(config), rows=rows)

    asked = session(str(file))
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": bool}
    types = {each.name: kinds[each.type] for each in asked.get_inputs()}
    # The file says whether it takes more than one row at once.
    is_alone = asked.get_inputs()[0].shape[0] == 1

    def ask(count: int) -> None:
        for part in [slice(at, at + 1) for at in range(count)] if is_alone else [slice(0, count)]:
            asked.run(None, {key: values[part] for key, values in feeds[count].items()})

    given = {count: [known["rows"][row % len(known["rows"])] for row in range(count)] for count in rows}
    feeds = {
        count: {key: np.array([row[key] for row in some], kind) for key, kind in types.items()}
        for count, some in given.items()
    }
    peer = [microseconds(lambda count=count: ask(count)) for count in rows]
    return line(name, None, seconds, size, report, [None, peer])


def main() -> None:
    """Prints the table."""
    program = sys.argv[1]
    print("| model | export s | import s, first / next | compile s | MB | Scry µs | original µs | ONNX Runtime µs | put back |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, model, x, y in models():
        print(name, file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            print(measured(program, name, model, x, y, Path(folder)), flush=True)
    for name in ["mlp", "cnn", "lstm", "transformer"]:
        print(name, file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            print(network(program, f"network: {name}", NETWORKS / f"{name}.onnx", Path(folder)), flush=True)
    print("resnet", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, NETWORKS.parent / "networks.py", folder], check=True)
        file = Path(folder) / "resnet.onnx"
        print(network(program, "network: ResNet-18, 1 / 4 rows", file, Path(folder), rows=(1, 4)), flush=True)


if __name__ == "__main__":
    main()
