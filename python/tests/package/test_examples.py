"""The client, and what the original models of the examples answered."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hosting import serve

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["bikeshare", "digits", "bikeshare-linear", "bikeshare-faulty"])
def test_an_example_answers_over_http_as_its_original(
    name: str, scry_program: str, guests: str, tmp_path: Path
) -> None:
    component = tmp_path / "example.wasm"
    build = [scry_program, "build", EXAMPLES / name, "-o", component, "--target-dir", guests]
    subprocess.run(build, check=True, capture_output=True)
    golden = json.loads((EXAMPLES / name / "golden.json").read_text())
    with serve(scry_program, tmp_path, [component]) as client:
        for example in golden["examples"]:
            answers, expected = client.predict(name, example["inputs"]), example["outputs"]
            assert [answer.keys() for answer in answers] == [wanted.keys() for wanted in expected]
            for output in expected[0]:
                told, wanted = ([row[output] for row in rows] for rows in (answers, expected))
                np.testing.assert_allclose(told, wanted, rtol=golden["rtol"], atol=golden["atol"])
