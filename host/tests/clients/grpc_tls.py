"""gRPC and Triton's HTTP over TLS: `grpc_tls.py URL CA OTHER [CERTIFICATE KEY]`, where the model `steady` is live, OTHER is
an authority that has nothing to do with the host, and a certificate is given where the host wants one.
"""

import sys

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.http
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.utils import InferenceServerException


def inputs(module):
    tensors = []
    for name, values, kind in (("behaviour", np.array([""], dtype=object), "BYTES"), ("x", np.array([2.5]), "FP64")):
        tensor = module.InferInput(name, [1], kind)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


def read(path):
    with open(path, "rb") as file:
        return file.read()


def over_grpc(address, ca, certificate, key):
    client = triton.InferenceServerClient(address, ssl=True, root_certificates=ca, private_key=key, certificate_chain=certificate)
    result = client.infer("steady", inputs(triton), compression_algorithm="gzip", client_timeout=30)
    return result.as_numpy("y").tolist()


def over_http(address, ca, certificate, key):
    options = {"ca_certs": ca, **({"certfile": certificate, "keyfile": key} if certificate else {})}
    client = tritonclient.http.InferenceServerClient(address, ssl=True, ssl_options=options, network_timeout=30)
    return client.infer("steady", inputs(tritonclient.http)).as_numpy("y").tolist()


def healthy(address, ca, certificate, key):
    files = [path and read(path) for path in (ca, key, certificate)]
    channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(*files))
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30).status


def unreached(call):
    """No answer, since there is no connection."""
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == "StatusCode.UNAVAILABLE", (error.status(), str(error))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, (error.code(), error.details())
    except OSError:
        pass
    else:
        raise AssertionError("there was an answer")


def main(url, ca, other, certificate=None, key=None):
    address = url.removeprefix("https://")
    assert healthy(address, ca, certificate, key) == health_pb2.HealthCheckResponse.SERVING
    answers = [over_grpc(address, ca, certificate, key), over_http(address, ca, certificate, key)]
    assert answers[0] == answers[1] and len(answers[0]) == 1, answers
    calls = (healthy, over_grpc, over_http)
    for call in calls:
        unreached(lambda: call(address, other, certificate, key))
        if certificate:
            unreached(lambda: call(address, ca, None, None))
    print("reached over TLS", *answers[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
