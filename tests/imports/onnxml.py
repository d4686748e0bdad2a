"""Makes the ONNX files with operators of `ai.onnx.ml` in `onnxml/`, and what ONNX Runtime answers to some rows.

    pip install skl2onnx==1.20.0 onnxmltools==1.16.0 onnx==1.23.2 onnxruntime==1.32.0 scikit-learn==1.9.1 \
        lightgbm==4.7.0 xgboost==3.2.0 bokeh-sampledata==2026.1
    pip install --no-deps ISLP
    PYTHONPATH=../../python/tests python onnxml.py

With `--compare SCRY` (the program) it trains larger models instead, imports them, and compares all rows of the data.

`NAME.golden.json` are golden examples: rows of the data, thresholds and their neighbors in 32 bits, what is missing.
Those of all trees but behind an exponential are exact. One thread answers: with several, ONNX Runtime adds in an order of
its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import xgboost
from data import bikes, titanic, wine
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as OtherFloats
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

OUT = Path(__file__).parent / "onnxml"
LARGE = "--compare" in sys.argv
# What may differ: nothing in sums of trees; some units in the last place behind exp; the order of sums of products, which
# matters most where their terms are hundreds and the sum is not.
EXACT, ULPS, CLOSE, RIDERS = (0.0, 0.0), (1e-6, 1e-9), (1e-5, 1e-6), (1e-5, 1e-4)
TREES = 100 if LARGE else 8
DEPTH = 8 if LARGE else 3
ROWS = None if LARGE else 1500
NUMBERS = ["hr", "temp", "atemp", "hum", "windspeed"]
KINDS = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(string)": object}


def single(x):
    return x.astype(np.float32)


def table(gaps=True):
    x, y = bikes(ROWS)
    x = single(x[NUMBERS])
    return (x if gaps else x.fillna(0.25)), y


def wines(gaps=0.0):
    x, y = wine(gaps=gaps)
    return single(x.iloc[:, :6]), y


def passengers():
    x, y = titanic()
    return x.astype({"age": np.float32}), y


def array(x):
    return x.to_numpy(np.float32)


def thresholds(model):
    values = [a for node in model.graph.node for a in node.attribute if a.name == "nodes_values"]
    return sorted({np.float32(x) for a in values for x in a.floats})


def edges(x, values, count, gaps, far):
    """Rows of x with some numbers replaced by a threshold, a neighbor of one, zero, an extreme, or nothing."""
    random = np.random.default_rng(1)
    numeric = [name for name in x.columns if x[name].dtype == np.float32]
    special = [0.0, -0.0, 0.5, 1.0, 2.0, -1.0] + [1e-36, 1e30, -1e30] * far + [np.nan] * 4 * gaps
    for value in values:
        special += [value, np.nextafter(value, np.float32(np.inf)), np.nextafter(value, np.float32(-np.inf))]
    special = np.array([value for value in special if not np.isinf(value)], np.float32)
    rows = x.iloc[random.integers(len(x), size=count)].reset_index(drop=True)
    changed = {name: rows[name].to_numpy(copy=True) for name in numeric}
    for row in range(count // 4, count):
        for name in random.choice(numeric, size=min(2, len(numeric)), replace=False) if numeric else []:
            changed[name][row] = random.choice(special)
    return rows.assign(**changed)


def ask(model, rows, within):
    """The answers of ONNX Runtime: those to all rows at once are those to each."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()

    def run(rows):
        if len(inputs) == 1 and inputs[0].shape[1] != 1:
            fed = {inputs[0].name: rows.to_numpy(KINDS[inputs[0].type])}
        else:
            fed = {i.name: rows[i.name].to_numpy(KINDS[i.type]).reshape(-1, 1) for i in inputs}
        found = session.run(None, fed)
        return [pd.DataFrame(part).to_numpy() if isinstance(part, list) else part for part in found]

    together = run(rows)
    for at in range(0, len(rows), 7):
        for part, one in zip(together, run(rows.iloc[at : at + 1]), strict=True):
            assert part.dtype.kind != "f" or np.allclose(part[at], one[0], rtol=within[0], atol=within[1])
    if len(together) == 2:
        return {"label": np.ravel(together[0]).tolist(), "probabilities": together[1].astype(float).tolist()}
    if together[0].dtype.kind != "f":
        return {"label": np.ravel(together[0]).tolist()}
    columns = together[0].reshape(len(rows), -1).astype(float)
    names = ["prediction"] if columns.shape[1] == 1 else [f"prediction_{i}" for i in range(columns.shape[1])]
    return {name: columns[:, i].tolist() for i, name in enumerate(names)}


def records(rows, model):
    """JSON objects, by the names of the inputs; null is missing."""
    inputs = model.graph.input
    is_matrix = len(inputs) == 1 and inputs[0].type.tensor_type.shape.dim[1].dim_value != 1
    names = [f"f{i}" for i in range(rows.shape[1])] if is_matrix else list(rows.columns)
    of = [column.tolist() for _, column in rows.items()]
    plain = [dict(zip(names, values, strict=True)) for values in zip(*of, strict=True)]
    return [{name: None if value != value else value for name, value in row.items()} for row in plain]


def tidy(model):
    """The same bytes for the same model: exporters keep attributes in sets."""
    for of, key in [(model, "opset_import"), *((node, "attribute") for node in model.graph.node)]:
        kept = sorted(getattr(of, key), key=lambda one: one.domain if key == "opset_import" else one.name)
        of.ClearField(key)
        getattr(of, key).extend(kept)


def write(name, model, x, within, gaps=True, count=96):
    """Saves a model; with `--compare`, imports it and compares all rows and as many edges."""
    tidy(model)
    rows = edges(x, thresholds(model), 4000 if LARGE else count, gaps, within in (EXACT, ULPS))
    if LARGE:
        rows = pd.concat([x, rows], ignore_index=True)
    answer = ask(model, rows, within)
    outputs = [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]
    inputs = records(rows, model)
    parts = range(0, len(inputs), 100)
    part = lambda at: {"inputs": inputs[at : at + 100], "outputs": outputs[at : at + 100]}  # noqa: E731
    examples = [{"name": f"rows {at}", **part(at)} for at in parts]
    golden = json.dumps({"rtol": within[0], "atol": within[1], "examples": examples}, allow_nan=False)
    if not LARGE:
        (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())
        (OUT / f"{name}.golden.json").write_text(golden + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        path, told = Path(folder) / "model.onnx", Path(folder) / "golden.json"
        path.write_bytes(model.SerializeToString())
        told.write_text(golden)
        scry = sys.argv[sys.argv.index("--compare") + 1]
        command = [scry, "import", str(path), "-o", f"{folder}/x.wasm", "--name", "compared", "--golden", str(told)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        verdict = "equal" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
        print(f"{name}: {len(rows)} rows, {path.stat().st_size} bytes, within {within}: {verdict}", flush=True)


# scikit-learn, by skl2onnx


def converted(model, x, **options):
    kinds = {np.dtype(np.float32): FloatTensorType, np.dtype(object): StringTensorType}
    if all(kind == np.float32 for kind in x.dtypes):
        types = [("X", FloatTensorType([None, x.shape[1]]))]
    else:
        types = [(name, kinds.get(kind, StringTensorType)([None, 1])) for name, kind in x.dtypes.items()]
    return convert_sklearn(model, "model", types, target_opset={"": 17, "ai.onnx.ml": 3}, **options)


def pipeline(encoder, final):
    ages = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(make_column_transformer((encoder, ["class", "sex"]), (ages, ["age"])), final)


def scikit_learn():
    x, y = passengers()
    known = {"class": x["class"].astype(object), "sex": x["sex"].astype(object)}
    x = x.assign(**known)
    logistic = pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(x, y)
    unseen = x.copy()
    unseen.loc[::9, "class"] = "4th"
    write("titanic-logistic", converted(logistic, x), unseen, CLOSE)
    forest = RandomForestClassifier(TREES, max_depth=DEPTH, random_state=1)
    write("titanic-forest", converted(pipeline(OrdinalEncoder(), forest).fit(x, y), x), x, EXACT)
    x, y = wines()
    forest = RandomForestClassifier(TREES, max_depth=DEPTH, random_state=1).fit(array(x), y)
    write("wine-forest", converted(forest, x), x, EXACT)
    boosted = GradientBoostingClassifier(n_estimators=TREES, max_depth=2, random_state=1).fit(array(x), y)
    write("wine-boosted", converted(boosted, x, options={"zipmap": False}), x, ULPS, gaps=False)
    linear = make_pipeline(StandardScaler(), PCA(4, random_state=1), LogisticRegression()).fit(array(x), y)
    write("wine-linear", converted(linear, x), x, CLOSE, gaps=False)
    network = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=300, random_state=1)).fit(array(x), y)
    write("wine-network", converted(network, x), x, CLOSE, gaps=False)
    x, y = table(gaps=False)
    boosted = GradientBoostingRegressor(n_estimators=TREES, max_depth=DEPTH, random_state=1).fit(array(x), y)
    write("bikes-boosted", converted(boosted, x), x, EXACT, gaps=False)
    forest = ExtraTreesRegressor(TREES, max_depth=DEPTH, random_state=1).fit(array(x), np.column_stack([y, -y / 3]))
    write("bikes-targets", converted(forest, x), x, EXACT, gaps=False)
    ridge = make_pipeline(RobustScaler(), Normalizer(), Ridge()).fit(array(x), y)
    write("bikes-ridge", converted(ridge, x), x, RIDERS, gaps=False)


# Boosters, by onnxmltools


def boosters():
    x, y = passengers()
    codes = {name: single(x[name].astype("category").cat.codes) for name in ("class", "sex")}
    x = x.assign(**codes)
    common = {"n_estimators": TREES, "n_jobs": 1, "random_state": 1}
    types = [("X", OtherFloats([None, 3]))]
    model = lightgbm.LGBMClassifier(**common, num_leaves=8, verbose=-1, min_data_per_group=5)
    model.fit(array(x), y, categorical_feature=[0, 2])
    write("lightgbm-categories", convert_lightgbm(model, "model", initial_types=types), x, ULPS, gaps=False)
    model = lightgbm.LGBMClassifier(**common, num_leaves=8, verbose=-1).fit(array(x), y)
    write("lightgbm-binary", convert_lightgbm(model, "model", initial_types=types), x, ULPS)
    x, y = wines(gaps=0.1)
    model = xgboost.XGBClassifier(**common, max_depth=DEPTH).fit(array(x), y.astype("category").cat.codes)
    write("xgboost-multiclass", convert_xgboost(model, "model", initial_types=[("X", OtherFloats([None, 6]))]), x, ULPS)


# Files by hand: what exporters write seldom


def saved(nodes, inputs, outputs, weights=()):
    info = [helper.make_tensor_value_info(name, kind, [None, width]) for name, kind, width in inputs]
    answers = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights]
    graph = helper.make_graph(nodes, "graph", info, answers, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="onnx.helper")


def classic(operator, of, makes, **attributes):
    return helper.make_node(operator, of, makes, domain="ai.onnx.ml", **attributes)


def questions():
    """Random trees with all modes, of which some track what is missing; their mean."""
    random = np.random.default_rng(5)
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"]
    lists = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids",
                                   "falsenodeids", "missing_value_tracks_true")}  # fmt: skip
    leaves = []
    for tree in range(40 if LARGE else 9):
        for node in range(15):
            is_leaf = node >= 7
            mode = "LEAF" if is_leaf else str(random.choice(modes))
            value = 0.0 if is_leaf else float(random.choice(np.float32([0, 0.25, 1, 2, 3, 0.1])))
            kept = [tree, node, int(random.integers(3)) * (not is_leaf), value, mode, 0 if is_leaf else 2 * node + 1,
                    0 if is_leaf else 2 * node + 2, int(random.integers(2)) * (not is_leaf)]  # fmt: skip
            for values, one in zip(lists.values(), kept, strict=True):
                values.append(one)
            if is_leaf:
                leaves.append((tree, node, float(random.normal())))
    attributes = {f"nodes_{name}": values for name, values in lists.items()}
    trees, nodes, weights = zip(*leaves, strict=True)
    attributes |= {"target_treeids": trees, "target_nodeids": nodes, "target_ids": [0] * len(trees)}
    node = classic("TreeEnsembleRegressor", ["X"], ["y"], **attributes, target_weights=weights, n_targets=1,
                   base_values=[0.3], aggregate_function="AVERAGE")  # fmt: skip
    x = np.float32(random.choice([0, 0.25, 1, 2, 3, 0.1, -1, np.nan], (300, 3)))
    model = saved([node], [("X", TensorProto.FLOAT, 3)], [("y", TensorProto.FLOAT)])
    write("questions", model, pd.DataFrame(x, columns=["f0", "f1", "f2"]), EXACT)


def operators():
    """Operators of `ai.onnx.ml` that encode and prepare, and labels that are made of others."""
    size = [("small", 4), ("medium", 7), ("large", -2)]
    texts = {"keys_strings": [key for key, _ in size], "values_int64s": [value for _, value in size]}
    n = helper.make_node
    nodes = [
        classic("Imputer", ["count"], ["counted"], imputed_value_int64s=[5], replaced_value_int64=-1),
        classic("LabelEncoder", ["counted"], ["weight"], keys_int64s=[1, 2, 5], values_floats=[0.5, 0.25, 2.5],
                default_float=-1.5),
        classic("LabelEncoder", ["size"], ["sized"], **texts, default_int64=9),
        classic("OneHotEncoder", ["counted"], ["hot"], cats_int64s=[1, 2, 3], zeros=1),
        n("Reshape", ["hot", "shape"], ["flat"]),
        n("Cast", ["sized"], ["size_number"], to=TensorProto.FLOAT),
        classic("Binarizer", ["x"], ["above"], threshold=0.5),
        classic("ArrayFeatureExtractor", ["x", "which"], ["chosen"]),
        classic("Scaler", ["chosen"], ["scaled"], offset=[0.5, 0.25], scale=[2.0, 3.0]),
        classic("Normalizer", ["scaled"], ["normal"], norm="MAX"),
        classic("FeatureVectorizer", ["weight", "size_number", "flat", "above", "normal"], ["features"],
                inputdimensions=[1, 1, 3, 3, 2]),
        n("Gemm", ["features", "matrix", "bias"], ["scores"], transB=1),
        n("Div", ["one", "scores"], ["unused"]),
        n("Softmax", ["scores"], ["likely"], axis=1),
        n("ArgMax", ["likely"], ["best"], axis=1, keepdims=0),
        classic("ArrayFeatureExtractor", ["codes", "best"], ["code"]),
        n("Reshape", ["code", "row"], ["coded"]),
        classic("LabelEncoder", ["coded"], ["label"], keys_int64s=[10, 20, 30], values_strings=["no", "maybe", "yes"]),
        classic("ZipMap", ["likely"], ["probabilities"], classlabels_strings=["no", "yes", "maybe"]),
    ]  # fmt: skip
    random = np.random.default_rng(9)
    weights = [("shape", np.array([-1, 3])), ("which", np.array([2, 0])), ("codes", np.array([10, 30, 20])),
               ("row", np.array([-1])), ("one", np.float32([1])),
               ("matrix", np.float32(random.normal(0, 0.5, (3, 10)))), ("bias", np.float32([0.1, 0.2, -0.3]))]  # fmt: skip
    inputs = [("count", TensorProto.INT64, 1), ("size", TensorProto.STRING, 1), ("x", TensorProto.FLOAT, 3)]
    model = saved(nodes, inputs, [("label", TensorProto.STRING)], weights)
    model.graph.output.extend([helper.make_value_info("probabilities", maps())])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    count = random.integers(-1, 7, (60, 1))
    sizes = random.choice(["small", "medium", "large", "huge"], (60, 1)).astype(object)
    x = np.float32(random.choice([0, 0.5, 0.25, 1, -3, 0.75], (60, 3)))
    label, likely = session.run(None, {"count": count, "size": sizes, "x": x})
    rows = [{"count": int(c), "size": s, "x_0": float(a), "x_1": float(b), "x_2": float(d)}
            for c, s, (a, b, d) in zip(count[:, 0], sizes[:, 0], x, strict=True)]  # fmt: skip
    told = [{"label": name, "probabilities": [float(ps[one]) for one in ("no", "yes", "maybe")]}
            for name, ps in zip(label, likely, strict=True)]  # fmt: skip
    golden = {"rtol": CLOSE[0], "atol": CLOSE[1], "examples": [{"name": "rows", "inputs": rows, "outputs": told}]}
    if not LARGE:
        (OUT / "operators.onnx").write_bytes(model.SerializeToString())
        (OUT / "operators.golden.json").write_text(json.dumps(golden, allow_nan=False) + "\n")


def maps():
    values = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    return helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, values))


def refused():
    """A file that is valid and cannot be imported."""
    node = classic("SVMRegressor", ["X"], ["y"], coefficients=[1.0], support_vectors=[1.0, 2.0], rho=[0.5],
                   n_supports=1, kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0])  # fmt: skip
    model = saved([node], [("X", TensorProto.FLOAT, 2)], [("y", TensorProto.FLOAT)])
    (OUT / "refused.onnx").write_bytes(model.SerializeToString())


OUT.mkdir(exist_ok=True)
if not LARGE:
    refused()
scikit_learn()
boosters()
questions()
operators()
