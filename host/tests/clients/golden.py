"""Models whose answers are known, and whether a client got them."""

import json
import sys

import numpy as np


def models():
    """The host's address without its scheme, and the models: `PROGRAM URL MODELS.json`.

    Each has a name, rows, what is expected for them (by its golden examples), and tolerances.
    """
    with open(sys.argv[2]) as file:
        return sys.argv[1].removeprefix("http://"), json.load(file)


def check(model, found):
    """Whether answers are what the golden example has; `found` has an array for each output."""
    for name in model["expected"][0]:
        expected = np.array([row[name] for row in model["expected"]])
        values = np.asarray(found[name])
        assert values.shape == expected.shape, (name, values.shape, expected.shape)
        if expected.dtype.kind in "fiu":
            np.testing.assert_allclose(values.astype(float), expected, rtol=model["rtol"], atol=model["atol"])
        else:
            assert [text_of(value) for value in values.flat] == [text_of(value) for value in expected.flat], name


def check_rows(model, answers):
    """The same of answers by row."""
    check(model, {name: [answer[name] for answer in answers] for name in model["expected"][0]})


def text_of(value):
    return value.decode() if isinstance(value, bytes) else str(value)
