"""The KServe SDK over gRPC, unmodified, against a host: `kserve_grpc.py URL MODELS.json`.

A program of its own: the messages of tritonclient have the same names, and one process takes them once.
"""

import asyncio
import json
import urllib.request

import golden
import grpc
import numpy as np
from golden import check
from kserve import InferenceGRPCClient, InferInput, InferRequest

DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def inputs_of(address, model, is_binary):
    """Rows as the host's metadata has them. A missing number is NaN, as in numpy and pandas."""
    with urllib.request.urlopen(f"http://{address}/v2/models/{model['name']}") as reply:
        fields = json.load(reply)["inputs"]
    tensors = []
    for field in fields:
        name, datatype = field["name"], field["datatype"]
        values = [row.get(name) for row in model["rows"]]
        values = np.array([np.nan if value is None else value for value in values], dtype=DTYPES[datatype])
        tensor = InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=is_binary)
        tensors.append(tensor)
    return tensors


async def ask(address, model):
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready(model["name"])
        for is_binary in (True, False):
            response = await client.infer(InferRequest(model["name"], inputs_of(address, model, is_binary), request_id="id"))
            assert (response.id, response.model_name) == ("id", model["name"])
            check(model, {output.name: output.as_numpy() for output in response.outputs})
        try:
            await client.is_model_ready("nothing")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError("a model that is not there is ready")


def main():
    address, known = golden.models()
    for model in known:
        asyncio.run(ask(address, model))
    print("all clients were answered")


if __name__ == "__main__":
    main()
