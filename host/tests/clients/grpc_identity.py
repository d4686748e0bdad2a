"""Identities of calls, by grpcio and opentelemetry's propagator: `grpc_identity.py URL hostile`."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tritonclient.grpc import service_pb2, service_pb2_grpc

CALLER = trace.SpanContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C,
    span_id=0xB7AD6B7169203331,
    is_remote=False,
    trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    trace_state=trace.TraceState([("vendor", "x"), ("tenant@other", "y")]),
)


def message(model, behavior):
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="behaviour", datatype="BYTES", shape=[1]).contents.bytes_contents.append(behavior)
    request.inputs.add(name="x", datatype="FP64", shape=[1]).contents.fp64_contents.append(1.0)
    return request


def sent():
    """What a client that is traced sends."""
    carrier = {}
    context = trace.set_span_in_context(trace.NonRecordingSpan(CALLER))
    TraceContextTextMapPropagator().inject(carrier, context)
    assert set(carrier) == {"traceparent", "tracestate"}, carrier
    return (("x-request-id", "grpc-7"), *carrier.items())


def span_of(metadata):
    """The span that metadata names, as opentelemetry reads it."""
    carrier = dict(metadata)
    return trace.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()


def check(metadata, is_traced):
    metadata = [(key, value) for key, value in metadata]
    ids = [value for key, value in metadata if key == "x-request-id"]
    span = span_of(metadata)
    assert len(ids) == 1 and span.is_valid and span.is_remote, metadata
    if is_traced:
        assert ids == ["grpc-7"] and span.trace_id == CALLER.trace_id and span.span_id != CALLER.span_id, metadata
        assert span.trace_flags.sampled and span.trace_state == CALLER.trace_state, metadata
    else:
        assert ids == [f"{span.trace_id:032x}"] and not span.trace_flags.sampled and not span.trace_state, metadata
    return ids[0]


def ended(call, code, is_traced):
    """Of an error all is in the trailers; of an answer both parts say the same."""
    try:
        _, call = call()
    except grpc.RpcError as error:
        call = error
    assert call.code() == code, (call.code(), call.details())
    last = check(call.trailing_metadata(), is_traced)
    first = list(call.initial_metadata())
    if code == grpc.StatusCode.OK:
        assert check(first, is_traced) == last


def main(url, model):
    channel = grpc.insecure_channel(url.removeprefix("http://"))
    models = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    for metadata in (sent(), ()):
        def call(stub, request):
            ended(lambda: stub.with_call(request, metadata=metadata, timeout=60), code, bool(metadata))

        code = grpc.StatusCode.OK
        call(models.ModelInfer, message(model, b"well"))
        call(models.ServerLive, service_pb2.ServerLiveRequest())
        call(models.ModelMetadata, service_pb2.ModelMetadataRequest(name=model))
        call(health.Check, health_pb2.HealthCheckRequest())
        code = grpc.StatusCode.INTERNAL
        call(models.ModelInfer, message(model, b"trap"))
        code = grpc.StatusCode.NOT_FOUND
        call(models.ModelMetadata, service_pb2.ModelMetadataRequest(name="nobody"))
        call(health.Check, health_pb2.HealthCheckRequest(service="nobody"))
        code = grpc.StatusCode.PERMISSION_DENIED
        call(models.RepositoryModelLoad, service_pb2.RepositoryModelLoadRequest(model_name=model))

        stream = models.ModelStreamInfer(iter([message(model, b"well"), message(model, b"trap")]), metadata=metadata, timeout=60)
        answers = list(stream)
        assert [bool(answer.error_message) for answer in answers] == [False, True], answers
        assert check(stream.initial_metadata(), bool(metadata)) == check(stream.trailing_metadata(), bool(metadata))
    print("every call has its identity")


if __name__ == "__main__":
    main(*sys.argv[1:])
