"""Names, numbers and types of the inference service, as clients carry them and as a host says by reflection:
`descriptors.py URL`. The messages of the KServe SDK are compared by `descriptors.py URL kserve`, in a process of its own,
since tritonclient's have the same names.
"""

import subprocess
import sys

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "inference.GRPCInferenceService"
NAMED = {FieldDescriptor.TYPE_MESSAGE: "message_type", FieldDescriptor.TYPE_ENUM: "enum_type"}


def field(described):
    kind = NAMED.get(described.type)
    of = getattr(described, kind).full_name if kind else described.type
    oneof = described.containing_oneof.name if described.containing_oneof else None
    return described.name, described.number, of, described.is_repeated, oneof


def messages(described, found):
    """A message with its fields, and each that is within it."""
    found[described.full_name] = {each.number: field(each) for each in described.fields}
    for nested in described.nested_types:
        messages(nested, found)
    return found


def of_file(file):
    found = {}
    for message in file.message_types_by_name.values():
        messages(message, found)
    return found


def methods(service):
    return {
        method.name: (method.input_type.full_name, method.output_type.full_name, method.client_streaming, method.server_streaming)
        for method in service.methods
    }


def enums(file):
    return {enum.full_name: {value.name: value.number for value in enum.values} for enum in file.enum_types_by_name.values()}


def of_host(address):
    database = ProtoReflectionDescriptorDatabase(grpc.insecure_channel(address))
    listed = set(database.get_services())
    expected = {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    assert expected <= listed, listed
    return descriptor_pool.DescriptorPool(database).FindServiceByName(SERVICE)


def compare_triton(service):
    from tritonclient.grpc import model_config_pb2, service_pb2

    ours, our_enums = of_file(service.file), enums(service.file)
    triton = of_file(service_pb2.DESCRIPTOR)
    assert methods(service) == methods(service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"])
    for name, fields in triton.items():
        assert ours[name] == fields, (name, ours.get(name), fields)
    config = of_file(model_config_pb2.DESCRIPTOR)
    for name in ours.keys() - triton.keys():
        # Of a model's configuration the host has a part.
        for number, of in ours[name].items():
            assert config[name][number] == of, (name, of, config[name].get(number))
    for name, values in our_enums.items():
        assert enums(model_config_pb2.DESCRIPTOR)[name] == values, name
    assert len(triton) > 60, len(triton)


def compare_kserve(service):
    """Its description is a part of the host's."""
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as kserve

    ours = of_file(service.file)
    theirs = kserve.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    for name, of in methods(theirs).items():
        assert methods(service)[name] == of, name
    compared = 0
    for name, fields in of_file(kserve.DESCRIPTOR).items():
        # Numbered otherwise than Triton's; loading and unloading are refused here, whatever they say.
        if name.startswith("inference.RepositoryModel"):
            continue
        for number, of in fields.items():
            assert ours[name][number] == of, (name, of, ours[name].get(number))
            compared += 1
    assert compared > 40, compared


def main(url, client=""):
    service = of_host(url.removeprefix("http://"))
    if client == "kserve":
        return compare_kserve(service)
    compare_triton(service)
    subprocess.run([sys.executable, __file__, url, "kserve"], check=True)
    print("descriptors agree")


if __name__ == "__main__":
    main(*sys.argv[1:])
