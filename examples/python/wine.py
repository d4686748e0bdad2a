"""A model from its fit to the alarm that its inputs have changed: export, serve, predict, shift the data.

Needs scikit-learn, pandas, and the `scry` command on the PATH, where the wheel puts it.
"""

import re
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import scry
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# %% Real data: 13 readings of wines by three growers.
x, y = load_wine(return_X_y=True, as_frame=True)
y = y.map({0: "barolo", 1: "grignolino", 2: "barbera"})
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0, stratify=y)

# %% Fit a model.
pipe = make_pipeline(StandardScaler(), RandomForestClassifier(50, random_state=0))
pipe.fit(x_train, y_train)

# %% Export. It is written only if it answers all of `x_train` as `pipe` does.
temporary = tempfile.TemporaryDirectory(prefix="scry-wine-")
folder = Path(temporary.name)
exported = scry.export(pipe, x_train, folder / "wine.wasm", name="wine", y=y_train)

# %% Ask it here, in the host's sandbox.
component = scry.Component(exported.path)
told = component.predict(x_test)
assert (told["label"] == pipe.predict(x_test)).all()
print(told.head(3))

# %% Serve it. Port 0 is any free one; the first line says which.
(folder / "scry.toml").write_text('prediction.listen = "127.0.0.1:0"\nadmin.listen = "127.0.0.1:0"\n')
with open(folder / "scry.log", "w") as log:
    serve = ["scry", "serve", "--config", "scry.toml", "--data", "data"]
    host = subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
try:
    url, admin = re.findall(r"http://\S+", host.stdout.readline())
    token = (folder / "data" / "admin.token").read_text().strip()
    told_host = ["--admin", admin, "--admin-token", token]
    subprocess.run(["scry", "publish", exported.path, *told_host], check=True)

    # %% Ask the host.
    client = scry.Client(url, admin_url=admin, token=token)
    answers = client.predict("wine", x_test)
    print(f"accuracy over HTTP: {(answers['label'].to_numpy() == y_test.to_numpy()).mean():.2f}")
    assert (answers["label"] == told["label"]).all()
    print([f"{model['model']}: {model['state']}" for model in client.models()])

    # %% A broken sensor: alcohol reads two percentage points too much.
    shifted = x.assign(alcohol=x["alcohol"] + 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scry.CheckWarning)
        for _ in range(20):
            client.predict("wine", shifted)
    time.sleep(1)
    drift = subprocess.run(["scry", "drift", "wine", *told_host], check=True, capture_output=True, text=True).stdout
    print(drift)
    assert "ALARM" in drift and "alcohol" in drift
finally:
    host.terminate()
    host.wait()
    temporary.cleanup()
