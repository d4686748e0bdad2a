"""Deadlines and cancellation of tritonclient and grpcio: `grpc_calls.py URL hostile`, where the model never answers.

Says what it does line by line, and waits for a line on stdin before it goes on.
"""

import sys
import time

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def inputs(behavior):
    tensors = []
    for name, values, kind in (("behaviour", np.array([behavior], dtype=object), "BYTES"), ("x", np.array([1.0]), "FP64")):
        tensor = triton.InferInput(name, [1], kind)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


def step(says):
    print(says, flush=True)
    sys.stdin.readline()


def fails(code, call):
    began = time.monotonic()
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", (error.status(), str(error))
        return time.monotonic() - began
    raise AssertionError(f"no error, expected {code}")


def main(url, model):
    client = triton.InferenceServerClient(url.removeprefix("http://"))
    answer = client.infer(model, inputs("well"))
    assert answer.as_numpy("y").tolist() == [1.0]

    took = fails("DEADLINE_EXCEEDED", lambda: client.infer(model, inputs("loop"), client_timeout=0.5))
    assert took < 30, took
    step("late")
    # The host's own word, since the client waits for longer.
    fails("DEADLINE_EXCEEDED", lambda: client.infer(model, inputs("loop"), timeout=300_000))
    step("late by itself")

    call = client.async_infer(model, inputs("loop"), lambda result, error: None)
    step("running")
    call.cancel()
    step("cancelled")

    client.start_stream(lambda result, error: None)
    client.async_stream_infer(model, inputs("loop"))
    step("streaming")
    client.stop_stream(cancel_requests=True)
    step("stopped")


if __name__ == "__main__":
    main(*sys.argv[1:])
