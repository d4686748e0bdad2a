"""Compressed and long messages of tritonclient and grpcio: `grpc_compression.py URL MODEL INPUT BODY_MAX_BYTES`."""

import queue
import socket
import sys
import threading

import grpc
import numpy as np
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

SERVICE = "/inference.GRPCInferenceService"


class Counting:
    """Forwards one connection after the other, and counts bytes both ways."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.to, self.sent, self.received = (host, int(port)), 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(self.to)
            for pair in ((near, far, "sent"), (far, near, "received")):
                threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, come, go, name):
        while block := come.recv(1 << 16):
            setattr(self, name, getattr(self, name) + len(block))
            go.sendall(block)
        go.shutdown(socket.SHUT_WR)

    def during(self, call):
        """What a call returns, and how many bytes it sent and received."""
        before = self.sent, self.received
        result = call()
        return result, self.sent - before[0], self.received - before[1]


def tensors(name, values):
    tensor = triton.InferInput(name, list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)
    return [tensor]


def bits(result):
    return {output.name: result.as_numpy(output.name).tobytes() for output in result.get_response().outputs}


def fails(call, code, *says, reason=None):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode[code], (error.code(), error.details())
        assert all(part in error.details() for part in says), error.details()
        metadata = dict(error.trailing_metadata() or ())
        assert reason is None or metadata.get("scry-reason") == reason, metadata
    else:
        raise AssertionError(f"no error, expected {code} {says}")


def of_triton(address, model, values):
    """Both ways, in calls and in streams; what was not asked for is sent as it is."""
    between = Counting(address)
    client = triton.InferenceServerClient(between.address)
    client.is_server_live()
    plain, sent, received = between.during(lambda: client.infer(model, values))
    for algorithm in ("gzip", "deflate"):
        packed, less_sent, less_received = between.during(lambda: client.infer(model, values, compression_algorithm=algorithm))
        assert bits(packed) == bits(plain), algorithm
        assert less_sent < sent / 4 and less_received < received / 4, (algorithm, sent, less_sent, received, less_received)
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)), compression_algorithm=algorithm)

        def three():
            for name in (model, "nothing", model):
                client.async_stream_infer(name, values)
            return [answers.get(timeout=60) for _ in range(3)]

        found, less_sent, less_received = between.during(three)
        client.stop_stream()
        assert [error is None for _, error in found] == [True, False, True] and "nothing" in str(found[1][1]), found
        assert bits(found[0][0]) == bits(found[2][0]) == bits(plain), algorithm
        assert less_sent < sent and less_received < received, (algorithm, less_sent, less_received)


def of_grpcio(address):
    """A channel that compresses everything: the short calls, too, and those of the services beside."""
    long = "x" * 5000
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        between = Counting(address)
        channel = grpc.insecure_channel(between.address, compression=compression)
        stub, health = service_pb2_grpc.GRPCInferenceServiceStub(channel), health_pb2_grpc.HealthStub(channel)
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
        assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING

        def named():
            fails(lambda: stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=long)), "NOT_FOUND", "`xxxx")
            fails(lambda: health.Check(health_pb2.HealthCheckRequest(service=long)), "NOT_FOUND", "`xxxx")
            asked = reflection_pb2.ServerReflectionRequest(file_by_filename=long)
            reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
            fails(lambda: list(reflection.ServerReflectionInfo(iter([asked]))), "NOT_FOUND", "xxxx")

        _, sent, _ = between.during(named)
        assert sent < 3 * len(long) / 4, sent


def limits(address, model, name, most):
    channel = grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)])
    infer = channel.unary_unary(f"{SERVICE}/ModelInfer", request_serializer=lambda request: request)
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer", request_serializer=lambda request: request)
    head = service_pb2.ModelInferRequest(model_name=model).SerializeToString()
    long = head + service_pb2.ModelInferRequest(raw_input_contents=[bytes(most)]).SerializeToString()
    too_long, refused = f"longer than {most} bytes: it has {len(long)}", {"reason": "body-too-large"}
    fails(lambda: infer(long), "RESOURCE_EXHAUSTED", too_long, **refused)
    fails(lambda: list(stream(iter([long]))), "RESOURCE_EXHAUSTED", too_long, **refused)
    stub, health = service_pb2_grpc.GRPCInferenceServiceStub(channel), health_pb2_grpc.HealthStub(channel)
    asked = service_pb2.ModelMetadataRequest(name="x" * 70000)
    fails(lambda: stub.ModelMetadata(asked), "RESOURCE_EXHAUSTED", "longer than 65536 bytes", **refused)
    asked = health_pb2.HealthCheckRequest(service="x" * 70000)
    fails(lambda: health.Check(asked), "RESOURCE_EXHAUSTED", "longer than 65536 bytes", **refused)
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        packed = {"compression": compression}
        fails(lambda: infer(long, **packed), "RESOURCE_EXHAUSTED", f"longer than {most} bytes when it is inflated", **refused)
        asked = health_pb2.HealthCheckRequest(service="x" * 70000)
        fails(lambda: health.Check(asked, **packed), "RESOURCE_EXHAUSTED", "longer than 65536 bytes when", **refused)
        # At the limit, a message is read.
        fitting = long[: -len(long) + most]
        fails(lambda: infer(fitting, **packed), "INVALID_ARGUMENT", "a field of at most")
        # The model stands behind much else.
        late = service_pb2.ModelInferRequest(id="x" * 5000).SerializeToString() + head
        fails(lambda: infer(late, **packed), "INVALID_ARGUMENT", "`model_name` within the first 4096 bytes")
        fails(lambda: infer(late), "INVALID_ARGUMENT", "inputs")


def main(url, model, name, most):
    address = url.removeprefix("http://")
    values = tensors(name, np.tile(np.arange(64, dtype=np.float32).reshape(1, 8, 8) / 4, (300, 1, 1)))
    of_triton(address, model, values)
    of_grpcio(address)
    limits(address, model, name, int(most))
    print("compressed both ways")


if __name__ == "__main__":
    main(*sys.argv[1:])
