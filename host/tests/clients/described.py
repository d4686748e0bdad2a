"""Clients of other servers ask a host what it serves, and for predictions in their own forms.

Usage: described.py PREDICTION ADMIN TOKEN GOLDEN, where GOLDEN is the golden.json of the model bikeshare, of which one
version is published and live.
"""

import asyncio
import json
import sys
from csv import QUOTE_ALL

import httpx
import numpy as np
import pandas as pd
import requests
import tritonclient.http
from kserve import InferenceRESTClient, RESTConfig
from tritonclient.utils import triton_to_np_dtype

prediction, admin, token, golden = sys.argv[1:]
MODEL = "bikeshare"
known = json.load(open(golden))
example = known["examples"][0]
rows, expected = example["inputs"], example["outputs"]


def check_answers(answers):
    """The predictions of a V1 answer are those of the original model."""
    assert len(answers) == len(expected), answers
    for answer, want in zip(answers, expected, strict=True):
        assert answer.keys() == want.keys(), answer
        for name, value in want.items():
            np.testing.assert_allclose(answer[name], value, rtol=known["rtol"], atol=known["atol"])


def tensors():
    """The rows as tritonclient's inputs, as JSON."""
    metadata = triton.get_model_metadata(MODEL)
    made = []
    for tensor in metadata["inputs"]:
        values = np.array([row[tensor["name"]] for row in rows], dtype=triton_to_np_dtype(tensor["datatype"]))
        made.append(tritonclient.http.InferInput(tensor["name"], list(values.shape), tensor["datatype"]))
        made[-1].set_data_from_numpy(values, binary_data=False)
    return made


def mlflow():
    """The forms of MLflow's scoring protocol, and the one of SageMaker and Vertex AI."""
    names = list(rows[0])
    data = [[row[name] for name in names] for row in rows]
    shuffled = names[::-1]
    split = {"columns": shuffled, "index": list(range(len(rows))), "data": [values[::-1] for values in data]}
    for body in [
        {"dataframe_records": rows},
        {"dataframe_split": split},
        {"instances": rows},
        {"instances": data},
        {"inputs": {name: [row[name] for row in rows] for name in names}},
    ]:
        answer = requests.post(f"{prediction}/invocations", json=body)
        assert answer.status_code == 200, answer.text
        check_answers(answer.json()["predictions"])
    csv(names, shuffled)
    assert requests.get(f"{prediction}/ping").status_code == 200
    refused = requests.post(f"{prediction}/invocations", data="a,b", headers={"content-type": "text/plain"})
    assert refused.status_code == 415 and "text/plain" in refused.json()["error"], refused.text


def csv(names, shuffled):
    """CSV as pandas writes it, with and without its index, and what is wrong with some."""
    frame = pd.DataFrame(rows)

    def post(text, media_type="text/csv"):
        return requests.post(f"{prediction}/invocations", data=text.encode(), headers={"content-type": media_type})

    for answer in [
        post(frame.to_csv(index=False)),
        post(frame[shuffled].to_csv(), "text/csv; charset=UTF-8"),
        post(frame.to_csv(index=False, lineterminator="\r\n", quoting=QUOTE_ALL), "text/csv;header=present"),
    ]:
        assert answer.status_code == 200, answer.text
        check_answers(answer.json()["predictions"])
    # A missing number is nothing, by pandas, and `null` in JSON: the same answer.
    frame.loc[0, "felt_temperature"] = np.nan
    same = requests.post(f"{prediction}/invocations", json={"instances": [{**rows[0], "felt_temperature": None}, *rows[1:]]})
    assert post(frame.to_csv(index=False)).json()["predictions"] == same.json()["predictions"]

    wrong = post(",".join(names) + "\n" + "x," * (len(names) - 1) + "0.5\n")
    found = wrong.json()["errors"][0]
    assert wrong.status_code == 422 and found["loc"] == [0, "hour"], wrong.text
    assert (found["field"], found["row"], found["input"]) == ("hour", 0, '"x"'), wrong.text
    short = post("hour,weekday\n1,2\n3\n")
    assert short.status_code == 400 and "line 3: expected 2 fields" in short.json()["error"], short.text
    nameless = post(frame.to_csv(index=False, header=False))
    assert nameless.status_code == 422 and "one of hour, weekday" in nameless.json()["error"], nameless.text
    for media_type in ["text/csv; header=absent", "text/csv; charset=utf-16"]:
        refused = post(frame.to_csv(index=False), media_type)
        assert refused.status_code == 415 and media_type in refused.json()["error"], refused.text


async def of_kserve():
    """Readiness, and rows as objects and lists, by the SDK for V1."""
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    assert await client.is_model_ready(prediction, MODEL) is True
    names = [tensor["name"] for tensor in triton.get_model_metadata(MODEL)["inputs"]]
    lists = [[row[name] for name in names] for row in rows]
    for instances in [rows, lists]:
        answer = await client.infer(prediction, {"instances": instances}, model_name=MODEL)
        check_answers(answer["predictions"])
    refused = requests.post(f"{prediction}/v1/models/{MODEL}:predict", json={"instances": [lists[0][:-1]]})
    problem = refused.json()
    assert refused.status_code == 422 and problem["error"] == problem["detail"], problem
    assert "in this order: hour, weekday" in problem["error"], problem
    try:
        await client.infer(prediction, {"instances": [lists[0][:-1]]}, model_name=MODEL)
        raise AssertionError("the SDK took a refusal for an answer")
    except httpx.HTTPStatusError as error:
        assert "in this order: hour, weekday" in str(error), error


def of_triton():
    """Configuration, statistics, and the index; what there is not is refused by name."""
    config = triton.get_model_config(MODEL)
    assert (config["name"], config["backend"]) == (MODEL, "scry") and config["max_batch_size"] > 0, config
    metadata = triton.get_model_metadata(MODEL)
    declared = {entry["name"]: entry for entry in config["input"]}
    for tensor in metadata["inputs"]:
        entry = declared.pop(tensor["name"])
        kind = "STRING" if tensor["datatype"] == "BYTES" else tensor["datatype"]
        assert entry["data_type"] == f"TYPE_{kind}" and entry["dims"] == (tensor["shape"][1:] or [1]), entry
    assert not declared and [out["name"] for out in config["output"]] == [out["name"] for out in metadata["outputs"]]
    weather = next(tensor for tensor in metadata["inputs"] if tensor["name"] == "weather")
    assert "clear" in weather["parameters"]["categories"], weather

    def seen(model=""):
        (entry,) = triton.get_inference_statistics(model)["model_stats"]
        assert (entry["name"], entry["version"]) == (MODEL, "1")
        return entry

    before = seen()
    for _ in range(5):
        output = tritonclient.http.InferRequestedOutput(expected_name, binary_data=False)
        triton.infer(MODEL, tensors(), outputs=[output])
    after = seen(MODEL)
    assert after["inference_count"] - before["inference_count"] == 5 * len(rows), (before, after)
    assert after["execution_count"] - before["execution_count"] == 5
    assert after["last_inference"] > 1_700_000_000_000
    for step in ["success", "queue", "compute_input", "compute_infer", "compute_output"]:
        count = after["inference_stats"][step]["count"] - before["inference_stats"][step]["count"]
        assert count == 5, (step, before, after)
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    assert after["inference_stats"]["fail"] == before["inference_stats"]["fail"]

    (entry,) = triton.get_model_repository_index()
    assert entry == {"name": MODEL, "version": "1", "state": "READY", "reason": ""}, entry
    for refused, says in [
        (lambda: triton.load_model(MODEL), "admin listener"),
        (lambda: triton.unload_model(MODEL), "admin listener"),
        (lambda: triton.get_trace_settings(), "no trace settings"),
        (lambda: triton.get_log_settings(), "no log settings"),
        (lambda: triton.get_system_shared_memory_status(), "no shared memory"),
        (lambda: triton.get_cuda_shared_memory_status(), "no shared memory"),
    ]:
        check_refused(refused, says)


def check_refused(call, says):
    """The call ends with an error that says this."""
    try:
        call()
    except tritonclient.http.InferenceServerException as error:
        assert says in str(error), error
    else:
        raise AssertionError(f"not refused: {says}")


def of_operators():
    """Loading and unloading, on the admin listener with its token."""
    operator = tritonclient.http.InferenceServerClient(admin.removeprefix("http://"))
    bearer = {"Authorization": f"Bearer {token}"}
    check_refused(lambda: operator.load_model(MODEL), "token")
    check_refused(lambda: operator.load_model(MODEL, headers=bearer, config="{}"), "`parameters.config`")
    files = {"file:1/m": b""}
    check_refused(lambda: operator.load_model(MODEL, headers=bearer, config="{}", files=files), "parameters")
    check_refused(lambda: operator.load_model("nobody", headers=bearer), "nobody")
    operator.unload_model(MODEL, headers=bearer)
    operator.unload_model(MODEL, headers=bearer)
    operator.unload_model("nobody", headers=bearer)
    (entry,) = operator.get_model_repository_index(headers=bearer)
    assert (entry["state"], entry["reason"]) == ("UNAVAILABLE", "the model is withdrawn"), entry
    assert not triton.is_model_ready(MODEL)
    operator.load_model(MODEL, headers=bearer)
    assert triton.is_model_ready(MODEL)


triton = tritonclient.http.InferenceServerClient(prediction.removeprefix("http://"))
expected_name = next(iter(expected[0]))
of_triton()
asyncio.run(of_kserve())
mlflow()
of_operators()
print("tritonclient, kserve and requests were answered")
