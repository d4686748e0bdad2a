"""Trains a small neural network on scikit-learn's digits: 1,797 images of 8x8.

Needs `pip install scikit-learn==1.9.1 safetensors==0.8.0`.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent


def main() -> None:
    digits = load_digits()
    images = digits.images.astype(np.float32)
    x = images.reshape(len(images), -1) / 16
    test = np.arange(len(images)) % 5 == 4
    model = MLPClassifier((128,), alpha=1e-2, max_iter=200, random_state=7).fit(x[~test], digits.target[~test])
    print(f"accuracy on {test.sum()} held-out images: {model.score(x[test], digits.target[test]):.3f}")
    weights = {
        "hidden.weight": model.coefs_[0], "hidden.bias": model.intercepts_[0],
        "output.weight": model.coefs_[1], "output.bias": model.intercepts_[1],
    }
    save_file({name: np.ascontiguousarray(w, dtype=np.float32) for name, w in weights.items()}, HERE / "weights.safetensors")

    def example(name, part) -> dict:
        probabilities = model.predict_proba(x[part].astype(np.float64))
        return {
            "name": name,
            "inputs": [{"image": image.astype(int).tolist()} for image in images[part]],
            "outputs": [{"digit": int(p.argmax()), "probabilities": p.tolist()} for p in probabilities],
        }

    held_out = np.flatnonzero(test)
    unsure = held_out[np.argsort(model.predict_proba(x[held_out]).max(axis=1))[:4]]
    golden = {
        "rtol": 1e-6, "atol": 1e-6,
        "examples": [
            example("one of each", [held_out[digits.target[held_out] == d][0] for d in range(10)]),
            example("where the network is least sure", unsure),
            example("a batch of 64", held_out[:64]),
        ],
    }
    text = json.dumps(golden, indent=1)
    (HERE / "golden.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
