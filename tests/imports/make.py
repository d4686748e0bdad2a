"""Makes the model files beside it, and what scikit-learn answers to some rows.

Run where scikit-learn, the Python package `scry` and its test data are: `python make.py`.
"""

import json

from data import bikes, titanic
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from scry import write_model


def write(name, model, x, rows, **more):
    write_model(model, x, f"{name}.scry", name=name, owner="tests", **more)
    answer = {"prediction": model.predict(rows).tolist()}
    if hasattr(model, "predict_proba"):
        answer = {"label": model.predict(rows).tolist(), "probabilities": model.predict_proba(rows).tolist()}
    records = json.loads(rows.to_json(orient="records", double_precision=15))
    with open(f"{name}.json", "w") as file:
        json.dump({"rows": records, "expected": answer}, file)


x, y = titanic()
rows = x.sample(100, random_state=1)
encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["class", "sex"]),
    (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), ["age"]),
)
write("titanic", make_pipeline(encode, LogisticRegression()).fit(x, y), x, rows, y=y)

categories = x.astype({"class": "category", "sex": "category"})
boosted = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=20, max_leaf_nodes=8)
write("titanic-boosted", boosted.fit(categories, y), categories, categories.loc[rows.index], y=y)

x, y = bikes(2000)
numbers = x[["hr", "temp", "hum", "windspeed"]]
forest = make_pipeline(SimpleImputer(), RandomForestRegressor(20, max_leaf_nodes=40, random_state=0, n_jobs=1))
write("bikes-forest", forest.fit(numbers, y), numbers, numbers.iloc[::20], y=y)
