"""Tokens over gRPC, by tritonclient: `grpc_tokens.py URL ONE RATED`, where ONE may ask the model `steady`, and RATED every
model, four times at once and then once a second.
"""

import queue
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def inputs():
    tensors = []
    for name, values, kind in (("behaviour", np.array([""], dtype=object), "BYTES"), ("x", np.array([2.0]), "FP64")):
        tensor = triton.InferInput(name, [1], kind)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


def refused(code, says, call):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}" and says in error.message(), (error.status(), error.message())
    else:
        raise AssertionError(f"no error, expected {code}")


def main(url, one, rated):
    client = triton.InferenceServerClient(url.removeprefix("http://"))
    one, rated = ({"authorization": f"Bearer {token}"} for token in (one, rated))
    assert client.is_server_live() and client.is_server_ready()
    refused("UNAUTHENTICATED", "token is missing or wrong", lambda: client.infer("steady", inputs()))
    refused("UNAUTHENTICATED", "token is missing or wrong", client.get_server_metadata)

    assert client.infer("steady", inputs(), headers=one).as_numpy("y").tolist() == [4.0]
    assert client.get_model_metadata("steady", headers=one).name == "steady"
    # Whether there is such a model is not said.
    scope = "lacks the scope `predict:other`"
    refused("PERMISSION_DENIED", scope, lambda: client.infer("other", inputs(), headers=one))
    for ask in (client.get_model_metadata, client.get_model_config, client.get_inference_statistics, client.is_model_ready):
        refused("PERMISSION_DENIED", scope, lambda: ask("other", headers=one))
    refused("PERMISSION_DENIED", "lacks the scope `read`", lambda: client.get_inference_statistics(headers=one))
    refused("PERMISSION_DENIED", "lacks the scope `read`", lambda: client.get_model_repository_index(headers=one))

    # Each message counts, and the call itself.
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put(error), headers=rated)
    for _ in range(12):
        client.async_stream_infer("steady", inputs())
    errors = [answers.get(timeout=30) for _ in range(12)]
    client.stop_stream()
    assert errors[0] is None and "has sent too many requests" in str(errors[-1]), errors
    print("tokens hold")


if __name__ == "__main__":
    main(*sys.argv[1:])
