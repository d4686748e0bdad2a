"""Clients of the inference service over gRPC that others wrote, unmodified, against a host: `v2_grpc.py URL MODELS.json`."""

import asyncio
import json
import queue
import time
import urllib.request

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import golden
from golden import check, text_of
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

# The list of a message's contents, by type.
CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}


def arrays(inputs, rows):
    """The columns of rows, by what the host says of the model. A missing number is NaN, as in numpy and pandas."""
    columns = {}
    for field in inputs:
        values = [row.get(field.name) for row in rows]
        kind = triton_to_np_dtype(field.datatype)
        columns[field.name] = np.array([np.nan if value is None else value for value in values], dtype=kind)
    return columns


def sent(columns, make=triton.InferInput):
    tensors = []
    for name, values in columns.items():
        tensor = make(name, list(values.shape), np_to_triton_dtype(values.dtype))
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


def outputs_of(result, outputs):
    return {output.name: result.as_numpy(output.name) for output in outputs}


def bits(found):
    """Values to the bit."""
    return {name: (values.shape, values.tolist() if values.dtype == object else values.tobytes()) for name, values in found.items()}


def over_json(address, model, columns, outputs):
    """The same request by JSON over HTTP/1.1."""
    tensors = [
        {
            "name": name, "shape": list(values.shape), "datatype": np_to_triton_dtype(values.dtype),
            "data": [None if value != value else text_of(value) if values.dtype == object else value.item() for value in values.flat],
        }
        for name, values in columns.items()
    ]
    body = json.dumps({"inputs": tensors}).encode()
    with urllib.request.urlopen(f"http://{address}/v2/models/{model['name']}/infer", data=body) as reply:
        answered = {output["name"]: output for output in json.load(reply)["outputs"]}
    return {
        output.name: np.array(
            answered[output.name]["data"] if output.datatype != "BYTES" else [text.encode() for text in answered[output.name]["data"]],
            dtype=triton_to_np_dtype(output.datatype),
        ).reshape(answered[output.name]["shape"])
        for output in outputs
    }


def fails(call, code, *says):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", (error.status(), str(error))
        assert all(part in str(error) for part in says), str(error)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode[code], (error.code(), error.details())
        assert all(part in error.details() for part in says), error.details()
    else:
        raise AssertionError(f"no error, expected {code} {says}")


def with_triton(address, model):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model["name"])
    assert client.is_model_ready(model["name"], "1")
    metadata = client.get_server_metadata()
    with urllib.request.urlopen(f"http://{address}/v2") as reply:
        document = json.load(reply)
    assert (metadata.name, metadata.version, list(metadata.extensions)) == (document["name"], document["version"], document["extensions"])
    of = client.get_model_metadata(model["name"])
    with urllib.request.urlopen(f"http://{address}/v2/models/{model['name']}") as reply:
        document = json.load(reply)
    said = [(field.name, field.datatype, list(field.shape)) for field in of.inputs]
    assert said == [(field["name"], field["datatype"], field["shape"]) for field in document["inputs"]]

    described(client, address, model)
    columns = arrays(of.inputs, model["rows"])
    result = client.infer(model["name"], sent(columns), request_id="42")
    found = outputs_of(result, of.outputs)
    check(model, found)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("42", model["name"], "1")
    assert response.parameters["scry-digest"].string_param.startswith("sha256:")
    assert bits(over_json(address, model, columns, of.outputs)) == bits(found)

    # Named outputs, a version, and a deadline of the message itself.
    first = of.outputs[0].name
    one = client.infer(model["name"], sent(columns), model_version="1", outputs=[triton.InferRequestedOutput(first)], timeout=5_000_000)
    assert [output.name for output in one.get_response().outputs] == [first]
    assert bits({first: one.as_numpy(first)}) == bits({first: found[first]})
    typed(address, model, of, columns, found)
    streamed(client, model, of, columns, found)
    refusals(client, model, columns)
    return of, columns, found


def described(client, address, model):
    """Configuration, statistics and index are those of HTTP."""

    def document(path, body=None):
        with urllib.request.urlopen(f"http://{address}/v2/{path}", data=body) as reply:
            return json.load(reply)

    name = model["name"]
    said, config = document(f"models/{name}/config"), client.get_model_config(name, as_json=True)["config"]
    assert (config["name"], config["backend"], config["max_batch_size"]) == (said["name"], said["backend"], said["max_batch_size"])
    for side in ("input", "output"):
        forms = [(field["name"], field["data_type"], [int(size) for size in field["dims"]]) for field in config[side]]
        assert forms == [(field["name"], field["data_type"], field["dims"]) for field in said[side]], forms
    listed = [(model.name, model.version, model.state) for model in client.get_model_repository_index().models]
    assert listed == [(model["name"], model["version"], model["state"]) for model in document("repository/index", b"{}")]
    before = client.get_inference_statistics(name).model_stats[0].inference_stats
    columns = arrays(client.get_model_metadata(name).inputs, model["rows"])
    client.infer(name, sent(columns))
    for _ in range(50):
        after = client.get_inference_statistics(name).model_stats[0].inference_stats
        if after.success.count > before.success.count:
            break
        time.sleep(0.1)
    assert after.success.count == before.success.count + 1 and after.success.ns > before.success.ns, (before, after)
    assert name in [model.name for model in client.get_inference_statistics().model_stats]
    fails(lambda: client.get_model_config("nothing"), "NOT_FOUND", "nothing")


def typed(address, model, of, columns, found):
    """Elements as numbers of the message."""
    stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(address))
    request = service_pb2.ModelInferRequest(model_name=model["name"])
    for field in of.inputs:
        values = columns[field.name]
        tensor = request.inputs.add(name=field.name, datatype=field.datatype, shape=values.shape)
        getattr(tensor.contents, CONTENTS[field.datatype]).extend(
            text_of(value).encode() if field.datatype == "BYTES" else value.item() for value in values.flat
        )
    response = triton.InferResult(stub.ModelInfer(request))
    assert bits(outputs_of(response, of.outputs)) == bits(found)
    # Without the packing that is usual.
    request.inputs[0].contents.Clear()
    fails(lambda: stub.ModelInfer(request), "INVALID_ARGUMENT", of.inputs[0].name, "elements for shape")
    request.raw_input_contents.append(b"123")
    fails(lambda: stub.ModelInfer(request), "INVALID_ARGUMENT", "raw_input_contents")


def streamed(client, model, of, columns, found):
    """Each message is answered, in order, also between others that are refused."""
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for at in range(20):
        name = "nothing" if at % 5 == 3 else model["name"]
        client.async_stream_infer(name, sent(columns), request_id=str(at))
    for at in range(20):
        result, error = answers.get(timeout=30)
        if at % 5 == 3:
            assert result is None and "model `nothing` is not known" in str(error), error
            continue
        assert error is None, error
        response = result.get_response()
        assert response.id == str(at) and response.parameters["triton_final_response"].bool_param
        assert bits(outputs_of(result, of.outputs)) == bits(found)
    client.stop_stream()


def refusals(client, model, columns):
    name = model["name"]
    fails(lambda: client.infer("nothing", sent(columns)), "NOT_FOUND", "model `nothing` is not known")
    fails(lambda: client.infer(name, sent(columns), model_version="99"), "NOT_FOUND", "99")
    fails(lambda: client.infer(name, sent(columns)[1:] or sent({"odd": np.ones(1)})), "INVALID_ARGUMENT")
    fails(lambda: client.infer(name, sent(columns), outputs=[triton.InferRequestedOutput("odd")]), "INVALID_ARGUMENT", "odd")
    fails(lambda: client.infer(name, sent(columns), sequence_id=7, sequence_start=True), "INVALID_ARGUMENT", "sequence")
    fails(lambda: client.get_model_metadata("nothing"), "NOT_FOUND", "nothing")
    fails(lambda: client.load_model(name), "PERMISSION_DENIED", "admin listener")
    fails(lambda: client.unload_model(name), "PERMISSION_DENIED", "admin listener")
    for call in (
        client.get_system_shared_memory_status, client.get_cuda_shared_memory_status, client.unregister_system_shared_memory,
        client.unregister_cuda_shared_memory, client.get_trace_settings, client.get_log_settings,
        lambda: client.register_system_shared_memory("x", "/x", 8),
        lambda: client.register_cuda_shared_memory("x", b"eA==", 0, 8),
    ):
        fails(call, "UNIMPLEMENTED")


async def with_triton_aio(address, model, of, columns, found):
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_server_ready() and await client.is_model_ready(model["name"])
        results = await asyncio.gather(*(client.infer(model["name"], sent(columns)) for _ in range(300)))
        assert all(bits(outputs_of(result, of.outputs)) == bits(found) for result in results)

        async def requests():
            for at in range(10):
                yield {"model_name": model["name"], "inputs": sent(columns), "request_id": str(at)}

        seen = []
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            seen.append(result.get_response().id)
            assert bits(outputs_of(result, of.outputs)) == bits(found)
        assert seen == [str(at) for at in range(10)]


def health(address):
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(address))
    for service in ("", "inference.GRPCInferenceService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING
    fails(lambda: stub.Check(health_pb2.HealthCheckRequest(service="x")), "NOT_FOUND", "`x`")
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def main():
    address, known = golden.models()
    health(address)
    for model in known:
        of, columns, found = with_triton(address, model)
        asyncio.run(with_triton_aio(address, model, of, columns, found))
    stub = grpc.insecure_channel(address).unary_unary("/inference.GRPCInferenceService/Nothing")
    fails(lambda: stub(b""), "UNIMPLEMENTED", "/inference.GRPCInferenceService/Nothing")
    print("all clients were answered")


if __name__ == "__main__":
    main()
