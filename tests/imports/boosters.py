"""Makes the boosters' files in `boosters/`, and what the original libraries answer to some rows.

    pip install lightgbm==4.7.0 xgboost-cpu==3.2.0 catboost==1.2.10 scikit-learn==1.9.1 bokeh-sampledata==2026.1
    pip install --no-deps ISLP
    PYTHONPATH=../../python/tests python boosters.py

With xgboost==2.1.4 in another environment, it makes the files of that version alone. With `--compare SCRY`
(the program) it trains larger models instead, imports them, and compares all rows of the data.

`NAME.golden.json` are golden examples: edges of the features, thresholds and their neighbors, what is missing.
`NAME.rows.json` holds rows that no golden example may have: texts that are no category.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from data import bikes, cancer, titanic, wine

OUT = Path(__file__).parent / "boosters"
# What may differ: nothing in sums; 4 units in the last place behind exp. XGBoost computes it in 32 bits, and CatBoost
# has an approximation of its own, of which 9 units were seen.
EXACT, ULPS, FAST, SINGLE = 0.0, 4 * 2.0**-52, 1e-14, 2.5e-7
NUMBERS = ["hr", "temp", "atemp", "hum", "windspeed"]
LARGE = "--compare" in sys.argv
TREES = 200 if LARGE else 12
LEAVES = 31 if LARGE else 8
DEPTH = 6 if LARGE else 3


def table(rows=None):
    x, y = bikes(rows)
    return x[NUMBERS].astype(float), y


def passengers():
    x, y = titanic()
    return x.astype({"class": "category", "sex": "category"}), y


def coded():
    """Categories as whole numbers in a frame without categories."""
    x, y = titanic()
    codes = {name: x[name].astype("category").cat.codes.astype(float) for name in ("class", "sex")}
    return x.assign(**codes), y


def edges(x, thresholds, count=96):
    """Rows of x with one value replaced by a threshold, a neighbor of one, zero, an extreme, or nothing."""
    random = np.random.default_rng(1)
    numeric = [name for name in x.columns if x[name].dtype.kind == "f"]
    values = [0.0, -0.0, 1e-36, -1e-36, 1e30, -1e30, 0.5, -0.5, -1.0, 7.0, 40.0, np.nan]
    # Whole numbers once they have 32 bits.
    values += [np.nextafter(1.0, 0.0), np.nextafter(2.0, 0.0)]
    for value in thresholds:
        single = np.float32(value)
        values += [value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf), float(single)]
        values += [float(np.nextafter(single, np.float32(np.inf))), float(np.nextafter(single, np.float32(-np.inf)))]
    values = np.array([value for value in values if not np.isinf(value)])
    rows = x.iloc[random.integers(len(x), size=count)].reset_index(drop=True)
    changed = {name: rows[name].to_numpy(copy=True) for name in numeric}
    for row in range(count // 4, count):
        for name in random.choice(numeric, size=min(2, len(numeric)), replace=False):
            changed[name][row] = random.choice(values)
    return rows.assign(**changed)


def records(rows):
    """JSON objects; null is missing."""
    plain = rows.astype(object).to_dict("records")
    return [{name: None if value != value else value for name, value in row.items()} for row in plain]


def answers(answer):
    """One object a row, of the columns of an answer."""
    columns = {name: np.asarray(column).tolist() for name, column in answer.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def write(name, suffix, save, x, predict, within, thresholds=(), unseen=None):
    """Saves a model; with `--compare`, imports it and compares all rows and as many edges."""
    if LARGE:
        return compare(name, suffix, save, x, predict, within, thresholds)
    save(str(OUT / f"{name}.{suffix}"))
    rows = edges(x, thresholds)
    golden = {"rtol": within, "examples": [{"name": "edges", "inputs": records(rows), "outputs": answers(predict(rows))}]}
    (OUT / f"{name}.golden.json").write_text(json.dumps(golden, allow_nan=False) + "\n")
    if unseen is not None:
        expected = {key: np.asarray(value).tolist() for key, value in predict(unseen).items()}
        (OUT / f"{name}.rows.json").write_text(json.dumps({"rows": records(unseen), "expected": expected}) + "\n")
    return None


def compare(name, suffix, save, x, predict, within, thresholds):
    """Imports a model with all rows as golden examples: the host compares each number."""
    scry = sys.argv[sys.argv.index("--compare") + 1]
    rows = pd.concat([x, edges(x, thresholds, 4000)], ignore_index=True)
    with tempfile.TemporaryDirectory() as folder:
        path, golden = Path(folder) / f"model.{suffix}", Path(folder) / "golden.json"
        save(str(path))
        outputs, inputs = answers(predict(rows)), records(rows)
        parts = range(0, len(inputs), 100)
        examples = [{"name": f"{at}", "inputs": inputs[at : at + 100], "outputs": outputs[at : at + 100]} for at in parts]
        golden.write_text(json.dumps({"rtol": within, "examples": examples}, allow_nan=False))
        command = [scry, "import", str(path), "-o", f"{folder}/x.wasm", "--name", "compared", "--golden", str(golden)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        verdict = "equal" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
        print(f"{name}: {len(rows)} rows, {path.stat().st_size} bytes, within {within:.1e}: {verdict}", flush=True)


# LightGBM


def splits_of_lightgbm(booster):
    lines = [line for line in booster.model_to_string().splitlines() if line.startswith("threshold=")]
    return [float(word) for line in lines for word in line.removeprefix("threshold=").split()]


def probabilities(p):
    p = np.column_stack([1.0 - p, p]) if np.ndim(p) == 1 else p
    return {"label": p.argmax(axis=1), "probabilities": p}


def lightgbm_file(name, x, y, within=EXACT, told=None, unseen=None, rounds=TREES, data=None, **parameters):
    import lightgbm

    common = {"verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True, "num_leaves": LEAVES}
    kept = lightgbm.Dataset(x, y, **(data or {}))
    booster = lightgbm.train({**common, "min_data_in_leaf": 5, **parameters}, kept, rounds)
    told = told or (lambda raw: {"prediction": raw})
    save = lambda path: booster.save_model(path)  # noqa: E731
    predict = lambda rows: told(booster.predict(rows))  # noqa: E731
    write(f"lightgbm-{name}", "txt", save, x, predict, within, splits_of_lightgbm(booster), unseen)


def lightgbm_files():
    x, y = table(None if LARGE else 2000)
    lightgbm_file("regression", x, y)
    lightgbm_file("zero-missing", x.mask(x < 0.2, 0.0), y, zero_as_missing=True)
    lightgbm_file("no-missing", x, y, use_missing=False)
    lightgbm_file("sqrt", x, y, objective="regression", reg_sqrt=True)
    lightgbm_file("poisson", x, y, ULPS, objective="poisson")
    lightgbm_file("dart", x, y, boosting="dart", drop_rate=0.5)
    lightgbm_file("forest", x, y, boosting="rf", bagging_freq=1, bagging_fraction=0.6)
    lightgbm_file("rank", x, (y // 100).clip(upper=5).astype(int), told=lambda raw: {"score": raw},
                  objective="lambdarank", data={"group": [len(x) // 100] * 100 + [len(x) % 100] * (len(x) % 100 > 0)})  # fmt: skip
    x, y = wine(gaps=0.1)
    x, y = x.iloc[:, :6], y.astype("category").cat.codes
    lightgbm_file("multiclass", x, y, ULPS, probabilities, objective="multiclass", num_class=3)
    lightgbm_file("one-vs-all", x, y, ULPS, probabilities, objective="multiclassova", num_class=3, sigmoid=0.7)
    x, y = passengers()
    unseen = x.iloc[:40].astype({"class": str, "sex": str})
    unseen.loc[::3, "class"] = "4th"
    unseen.loc[1::3, "sex"] = None
    unseen = unseen.astype({"class": "category", "sex": "category"})
    lightgbm_file("categories", x, y, ULPS, probabilities, unseen, objective="binary", min_data_per_group=5)
    x, y = coded()
    lightgbm_file("codes", x, y, ULPS, probabilities, objective="binary", data={"categorical_feature": ["class", "sex"]})
    x, y = table(300)
    lightgbm_file("constant", x, y, min_data_in_leaf=5000, rounds=3)


# XGBoost


def splits_of_xgboost(booster):
    trees = json.loads(booster.save_raw("json").decode())["learner"]["gradient_booster"]
    trees = trees.get("gbtree", trees)["model"]["trees"]
    return [value for tree in trees for value in tree["split_conditions"]]


def single_probabilities(p):
    p = np.column_stack([np.float32(1) - p, p]) if np.ndim(p) == 1 else p
    label = (p[:, 1] > 0.5) if p.shape[1] == 2 else p.argmax(axis=1)
    return {"label": label.astype(int), "probabilities": p.astype(float)}


def xgboost_file(name, x, y, within=EXACT, told=None, suffix="json", rounds=TREES, types=None, group=None, **parameters):
    told = told or (lambda raw: {"prediction": raw.astype(float)})
    matrix = lambda x, y=None: xgboost.DMatrix(x, y, enable_categorical=True, feature_types=types)  # noqa: E731
    kept = matrix(x, y)
    if group:
        kept.set_group(group)
    booster = xgboost.train({"nthread": 1, "seed": 1, "max_depth": DEPTH, **parameters}, kept, rounds)
    save = lambda path: booster.save_model(path)  # noqa: E731
    predict = lambda rows: told(booster.predict(matrix(rows)))  # noqa: E731
    write(name, suffix, save, x, predict, within, splits_of_xgboost(booster))


def xgboost_files():
    x, y = table(None if LARGE else 2000)
    xgboost_file("xgboost-regression", x, y)
    xgboost_file("xgboost-regression-ubj", x, y, suffix="ubj")
    xgboost_file("xgboost-poisson", x, y, SINGLE, objective="count:poisson")
    xgboost_file("xgboost-dart", x, y, suffix="ubj", booster="dart", rate_drop=0.5)
    xgboost_file("xgboost-parallel", x, y, num_parallel_tree=3, subsample=0.6, rounds=4)
    xgboost_file("xgboost-quantiles", x, y, told=lambda p: {f"prediction_{i}": p[:, i].astype(float) for i in range(2)},
                 objective="reg:quantileerror", quantile_alpha=[0.2, 0.8])  # fmt: skip
    xgboost_file("xgboost-rank", x, (y // 100).clip(upper=5), told=lambda p: {"score": p.astype(float)},
                 objective="rank:ndcg", group=[len(x) // 100] * 100 + [len(x) % 100] * (len(x) % 100 > 0))  # fmt: skip
    x, y = wine(gaps=0.1)
    x, y = x.iloc[:, :6], y.astype("category").cat.codes
    xgboost_file("xgboost-multiclass", x, y, SINGLE, single_probabilities, objective="multi:softprob", num_class=3)
    x, y = passengers()
    xgboost_file("xgboost-categories", x, y, SINGLE, single_probabilities, "ubj", objective="binary:logistic",
                 max_cat_to_onehot=1)  # fmt: skip
    x, y = coded()
    kinds = ["c" if name in ("class", "sex") else "float" for name in x.columns]
    xgboost_file("xgboost-codes", x, y, SINGLE, single_probabilities, types=kinds, objective="binary:logistic")
    stopped()


def stopped():
    """A scikit-learn estimator's file: rounds up to the best one count."""
    x, y = cancer()
    x = x.iloc[:, :8]
    model = xgboost.XGBClassifier(n_estimators=60, max_depth=2, early_stopping_rounds=3, n_jobs=1, learning_rate=0.9)
    model.fit(x[:400], y[:400], eval_set=[(x[400:], y[400:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    predict = lambda rows: single_probabilities(model.predict_proba(rows)[:, 1])  # noqa: E731
    write("xgboost-stopped", "json", lambda path: model.save_model(path), x, predict, SINGLE,
          splits_of_xgboost(model.get_booster()))  # fmt: skip


def xgboost_2_files():
    x, y = table(None if LARGE else 2000)
    xgboost_file("xgboost2-regression", x, y)
    x, y = wine(gaps=0.1)
    x, y = x.iloc[:, :6], y.astype("category").cat.codes
    xgboost_file("xgboost2-multiclass", x, y, SINGLE, single_probabilities, "ubj", objective="multi:softprob", num_class=3)
    x, y = coded()
    kinds = ["c" if name in ("class", "sex") else "float" for name in x.columns]
    xgboost_file("xgboost2-codes", x, y, SINGLE, single_probabilities, types=kinds, objective="binary:logistic")


# CatBoost


def catboost_file(name, kind, x, y, within=EXACT, told=None, group=None, **parameters):
    import catboost

    common = {"iterations": TREES, "depth": DEPTH, "random_seed": 1, "verbose": 0, "thread_count": 1}
    model = getattr(catboost, f"CatBoost{kind}")(**common, allow_writing_files=False, **parameters)
    model.fit(x, y, **({} if group is None else {"group_id": group}))
    told = told or (lambda model, rows: {"prediction": model.predict(rows)})
    save = lambda path: model.save_model(path, format="json")  # noqa: E731
    thresholds = [border for borders in model.get_borders().values() for border in borders]
    write(f"catboost-{name}", "json", save, x, lambda rows: told(model, rows), within, thresholds)


def of_classes(model, rows):
    return {"label": np.ravel(model.predict(rows)), "probabilities": model.predict_proba(rows)}


def catboost_files():
    x, y = table(None if LARGE else 2000)
    catboost_file("regression", "Regressor", x, y)
    catboost_file("max", "Regressor", x, y, nan_mode="Max")
    catboost_file("depthwise", "Regressor", x, y, FAST, grow_policy="Depthwise", loss_function="Poisson")
    two = lambda model, rows: {f"prediction_{i}": model.predict(rows)[:, i] for i in range(2)}  # noqa: E731
    catboost_file("targets", "Regressor", x, np.column_stack([y, -y]), told=two, loss_function="MultiRMSE")
    catboost_file("rank", "Ranker", x, (y // 100).clip(upper=5), told=lambda model, rows: {"score": model.predict(rows)},
                  group=np.arange(len(x)) // 20, loss_function="QueryRMSE")  # fmt: skip
    x, y = cancer(gaps=0.1)
    catboost_file("binary", "Classifier", x.iloc[:, :8], y, FAST, of_classes)
    x, y = wine(gaps=0.1)
    catboost_file("multiclass", "Classifier", x.iloc[:, :6], y, FAST, of_classes)
    catboost_file("one-vs-all", "Classifier", x.iloc[:, :6], y, FAST, of_classes, loss_function="MultiClassOneVsAll",
                  grow_policy="Lossguide", max_leaves=6)  # fmt: skip


OUT.mkdir(exist_ok=True)
if xgboost.__version__.startswith("2."):
    xgboost_2_files()
else:
    lightgbm_files()
    xgboost_files()
    catboost_files()
