"""tritonclient and the KServe SDK over HTTP, unmodified: `v2_http.py URL MODELS.json`."""

import asyncio
import urllib.request

import httpx
import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

import golden
from golden import check, text_of

# So many times the rows of an example, so that bodies are worth compressing.
REPEATED = 200


def arrays(metadata, rows):
    """The columns of rows, by what the host says of the model. A missing number is NaN, as in numpy and pandas."""
    columns = {}
    for field in metadata["inputs"]:
        kind = triton_to_np_dtype(field["datatype"])
        values = [row.get(field["name"]) for row in rows]
        columns[field["name"]] = np.array([np.nan if value is None else value for value in values], dtype=kind)
    return columns


def inputs(columns, make=triton.InferInput, **how):
    sent = []
    for name, values in columns.items():
        tensor = make(name, list(values.shape), np_to_triton_dtype(values.dtype))
        tensor.set_data_from_numpy(values, **how)
        sent.append(tensor)
    return sent


def outputs_of(result, metadata):
    return {output["name"]: result.as_numpy(output["name"]) for output in metadata["outputs"]}


def bits(found):
    """Arrays as what can be compared to the bit."""

    def exact(values):
        return values.tolist() if values.dtype == object else values.tobytes()

    return {name: (values.shape, exact(values)) for name, values in found.items()}


def refused(call, *says):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() in ("400", None), error.status()
        assert all(part in str(error) for part in says), str(error)
    else:
        raise AssertionError(f"answered, not refused: {says}")


def with_tritonclient(url, models):
    client = triton.InferenceServerClient(url)
    assert {"binary_tensor_data", "classification"} <= set(client.get_server_metadata()["extensions"])
    for model in models:
        name, metadata = model["name"], client.get_model_metadata(model["name"])
        columns = arrays(metadata, model["rows"])
        names = [output["name"] for output in metadata["outputs"]]
        # The client's default: bytes both ways.
        result = client.infer(name, inputs(columns))
        binary = outputs_of(result, metadata)
        check(model, binary)
        assert all("binary_data_size" in output["parameters"] for output in result.get_response()["outputs"])
        if not any(np.issubdtype(values.dtype, np.floating) and np.isnan(values).any() for values in columns.values()):
            result = client.infer(name, inputs(columns, binary_data=False))
            assert bits(outputs_of(result, metadata)) == bits(binary), name
        wanted = [triton.InferRequestedOutput(output, binary_data=False) for output in names]
        result = client.infer(name, inputs(columns), outputs=wanted, request_id="7")
        assert bits(outputs_of(result, metadata)) == bits(binary), name
        assert result.get_response()["id"] == "7"
        assert all("data" in output for output in result.get_response()["outputs"])
        # A column for each field, as servers with a batch dimension have it.
        lists = {field: values.reshape(-1, 1) if values.ndim == 1 else values for field, values in columns.items()}
        assert bits(outputs_of(client.infer(name, inputs(lists)), metadata)) == bits(binary), name
        long = {field: np.concatenate([values] * REPEATED) for field, values in columns.items()}
        plain = bits(outputs_of(client.infer(name, inputs(long)), metadata))
        for algorithm in ("gzip", "deflate"):
            for how in ({"request_compression_algorithm": algorithm}, {"response_compression_algorithm": algorithm}):
                result = client.infer(name, inputs(long), **how)
                assert bits(outputs_of(result, metadata)) == plain, (name, how)
            result = client.infer(name, inputs(columns), request_compression_algorithm=algorithm)
            assert bits(outputs_of(result, metadata)) == bits(binary), (name, algorithm)
        # Asynchronously, and a version by number.
        pending = [client.async_infer(name, inputs(columns), model_version="1") for _ in range(4)]
        assert all(bits(outputs_of(each.get_result(), metadata)) == bits(binary) for each in pending)
        refusals(client, name, columns, names[0])


def refusals(client, name, columns, output):
    """What would change an answer is refused by name."""
    no_sequence = "each request is answered on its own"
    refused(lambda: client.infer(name, inputs(columns), sequence_id=5, sequence_start=True), "sequence_", no_sequence)
    tensor = triton.InferInput(output, [1], "FP32")
    tensor.set_shared_memory("region", 4)
    refused(lambda: client.infer(name, [tensor]), "shared_memory_region", "no memory is shared")
    wanted = triton.InferRequestedOutput(output)
    wanted.set_shared_memory("region", 4)
    refused(lambda: client.infer(name, inputs(columns), outputs=[wanted]), "shared_memory_region")
    unknown = triton.InferRequestedOutput("none", class_count=1)
    refused(lambda: client.infer(name, inputs(columns), outputs=[unknown]), "output `none`")


def with_classes(url, model, output):
    """Classes by tritonclient: the largest elements of each row, by numpy."""
    client = triton.InferenceServerClient(url)
    metadata = client.get_model_metadata(model["name"])
    columns = arrays(metadata, model["rows"])
    values = client.infer(model["name"], inputs(columns)).as_numpy(output)
    for binary in (True, False):
        wanted = triton.InferRequestedOutput(output, binary_data=binary, class_count=3)
        classes = client.infer(model["name"], inputs(columns), outputs=[wanted]).as_numpy(output)
        order = np.argsort(-values, axis=1, kind="stable")[:, :3]
        assert classes.shape == order.shape
        for row, best in enumerate(order):
            for place, at in enumerate(best):
                value, index = text_of(classes[row, place]).split(":")
                assert int(index) == at and np.float32(value) == np.float32(values[row, at]), (row, classes[row])


def with_a_raw_body(url, model):
    """A body that is the only input's bytes, as `curl --data-binary` sends it."""
    client = triton.InferenceServerClient(url)
    metadata = client.get_model_metadata(model["name"])
    (values,) = arrays(metadata, model["rows"]).values()
    request = urllib.request.Request(
        f"http://{url}/v2/models/{model['name']}/infer",
        data=values.tobytes(),
        headers={"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "0"},
    )
    with urllib.request.urlopen(request) as answer:
        header = int(answer.headers["Inference-Header-Content-Length"])
        result = triton.InferenceServerClient.parse_response_body(answer.read(), header_length=header)
    check(model, outputs_of(result, metadata))


def with_compressed_answers(url, model):
    """What is long is compressed for a client that takes that, and what is short is not."""
    metadata = triton.InferenceServerClient(url).get_model_metadata(model["name"])
    for repeated, coding in ((1, None), (REPEATED, "gzip"), (REPEATED, "deflate")):
        columns = {
            name: np.concatenate([values[:1]] * repeated) for name, values in arrays(metadata, model["rows"]).items()
        }
        tensors = [
            {
                "name": name,
                "shape": values.shape,
                "datatype": np_to_triton_dtype(values.dtype),
                "data": values.ravel().tolist(),
            }
            for name, values in columns.items()
        ]
        answer = httpx.post(
            f"http://{url}/v2/models/{model['name']}/infer",
            json={"inputs": tensors},
            headers={"accept-encoding": coding or "gzip, deflate"},
        )
        assert answer.status_code == 200 and answer.headers.get("content-encoding") == coding, answer.headers
        assert len(answer.json()["outputs"][0]["data"]) == repeated


def with_other_types(url, model):
    """Numbers of another type, where each is the same number."""
    client = triton.InferenceServerClient(url)
    metadata = client.get_model_metadata(model["name"])
    columns = arrays(metadata, model["rows"])
    expected = bits(outputs_of(client.infer(model["name"], inputs(columns)), metadata))
    taken = 0
    for kind in (np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8):
        other = {}
        for name, values in columns.items():
            finite = values.dtype.kind in "iuf" and np.isfinite(values).all()
            same = finite and np.array_equal(values.astype(kind).astype(values.dtype), values)
            is_whole = values.dtype.kind in "iu" and np.issubdtype(kind, np.floating)
            other[name] = values.astype(kind) if same and not is_whole else values
        taken += sum(other[name].dtype != columns[name].dtype for name in other)
        result = client.infer(model["name"], inputs(other))
        assert bits(outputs_of(result, metadata)) == expected, (model["name"], kind)
    return taken


async def with_tritonclient_aio(url, models):
    async with triton_aio.InferenceServerClient(url) as client:
        for model in models:
            metadata = await client.get_model_metadata(model["name"])
            columns = arrays(metadata, model["rows"])
            for how in ({}, {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"}):
                result = await client.infer(model["name"], inputs(columns), **how)
                check(model, outputs_of(result, metadata))


async def with_kserve(url, models):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    metadata_of = triton.InferenceServerClient(url).get_model_metadata
    for model in models:
        metadata = metadata_of(model["name"])
        columns = arrays(metadata, model["rows"])
        tensors = inputs(
            columns, make=lambda name, shape, datatype: InferInput(name=name, shape=shape, datatype=datatype)
        )
        request = InferRequest(model_name=model["name"], infer_inputs=tensors)
        answer = await client.infer(f"http://{url}", request, model_name=model["name"])
        check(model, {output.name: output.as_numpy() for output in answer.outputs})


def main():
    url, models = golden.models()
    with_tritonclient(url, models)
    asyncio.run(with_tritonclient_aio(url, models))
    asyncio.run(with_kserve(url, models))
    (digits,) = [model for model in models if model["name"] == "digits"]
    with_classes(url, digits, "probabilities")
    with_a_raw_body(url, digits)
    with_compressed_answers(url, digits)
    assert sum(with_other_types(url, model) for model in models) > 10
    print("all clients were answered")


if __name__ == "__main__":
    main()
