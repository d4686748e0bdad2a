"""A collector of spans by the official messages of OTLP, over gRPC and over HTTP, that is no part of OpenTelemetry's SDK.

`otlp.py [--hang | --refuse | --tls CERTIFICATE KEY]` prints `grpc=PORT http=PORT`, then each request that it takes as a line of
JSON. With `--hang` it answers none, with `--refuse` all with an error that is not to be tried again.
"""

import gzip
import json
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from opentelemetry.proto.trace.v1 import trace_pb2

OPTIONS = sys.argv[1:]
PRINTING = threading.Lock()
NEVER = threading.Event()


def value_of(value):
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


def attributes(pairs):
    known = {pair.key: value_of(pair.value) for pair in pairs}
    assert len(known) == len(pairs), f"an attribute comes twice: {pairs}"
    return known


def span_of(span, scope):
    return {
        "trace_id": span.trace_id.hex(), "span_id": span.span_id.hex(), "parent_id": span.parent_span_id.hex(),
        "trace_state": span.trace_state, "flags": span.flags, "name": span.name, "scope": scope,
        "kind": trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        "status": trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
        "message": span.status.message, "attributes": attributes(span.attributes),
        "began_ns": span.start_time_unix_nano, "ended_ns": span.end_time_unix_nano,
    }


def take(request, transport, headers, encoding):
    """Prints a request."""
    for of_resource in request.resource_spans:
        spans = [
            span_of(span, of_scope.scope.name) for of_scope in of_resource.scope_spans for span in of_scope.spans
        ]
        line = {
            "transport": transport, "headers": headers, "encoding": encoding,
            "resource": attributes(of_resource.resource.attributes), "spans": spans,
        }
        with PRINTING:
            print(json.dumps(line), flush=True)


class OverGrpc(services.TraceServiceServicer):
    def Export(self, request, context):
        if "--hang" in OPTIONS:
            NEVER.wait()
        if "--refuse" in OPTIONS:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "refused as told")
        headers = dict(context.invocation_metadata())
        # gRPC's library takes the header that says it away: its length shows whether a message was compressed.
        take(request, "grpc", headers, None)
        return messages.ExportTraceServiceResponse()


class OverHttp(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if "--hang" in OPTIONS:
            NEVER.wait()
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        encoding = headers.get("content-encoding", "identity")
        if self.path != "/v1/traces" or headers["content-type"] != "application/x-protobuf" or "--refuse" in OPTIONS:
            return self.answer(400, b"")
        body = gzip.decompress(body) if encoding == "gzip" else body
        take(messages.ExportTraceServiceRequest.FromString(body), "http", headers, encoding)
        self.answer(200, messages.ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    over_grpc, over_http = grpc.server(ThreadPoolExecutor(8)), ThreadingHTTPServer(("127.0.0.1", 0), OverHttp)
    services.add_TraceServiceServicer_to_server(OverGrpc(), over_grpc)
    if "--tls" in OPTIONS:
        certificate, key = OPTIONS[OPTIONS.index("--tls") + 1:][:2]
        pair = [open(key, "rb").read(), open(certificate, "rb").read()]
        grpc_port = over_grpc.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        over_http.socket = tls.wrap_socket(over_http.socket, server_side=True)
    else:
        grpc_port = over_grpc.add_insecure_port("127.0.0.1:0")
    over_grpc.start()
    print(f"grpc={grpc_port} http={over_http.server_address[1]}", flush=True)
    over_http.serve_forever()


main()
