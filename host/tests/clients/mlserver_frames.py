"""MLServer's codec of frames, unmodified: `mlserver_frames.py URL MODELS.json`.

It makes a column of shape [n, 1] of each field. It does not share a process with the KServe SDK: both register the same
messages of gRPC.
"""

import httpx
import numpy as np
import pandas as pd
from mlserver.codecs import PandasCodec
from mlserver.types import InferenceResponse

import golden


def is_plain(row, fields):
    """Whether the codec has all of a row: no gaps and no lists."""
    return not any(row.get(field) is None or isinstance(row[field], list) for field in fields)


def main():
    url, models = golden.models()
    for model in models:
        fields = model["rows"][0].keys()
        pairs = zip(model["rows"], model["expected"], strict=True)
        rows = [(row, answer) for row, answer in pairs if is_plain(row, fields)]
        if not rows:
            continue
        frame, expected = pd.DataFrame([row for row, _ in rows]), [answer for _, answer in rows]
        request = PandasCodec.encode_request(frame)
        assert all(list(column.shape) == [len(frame), 1] for column in request.inputs)
        answer = httpx.post(f"http://{url}/v2/models/{model['name']}/infer", content=request.model_dump_json())
        assert answer.status_code == 200, answer.text
        outputs = InferenceResponse.model_validate_json(answer.text).outputs
        found = {output.name: np.array(output.data.root).reshape(output.shape) for output in outputs}
        golden.check({**model, "expected": expected}, found)
        print(f"{model['name']}: the golden answers")


if __name__ == "__main__":
    main()
