"""Makes the ONNX files beside it, and what ONNX Runtime answers to some rows.

Run where the packages onnx and onnxruntime are: `python networks.py`. With a folder, `python networks.py DIR`, it makes
a network of ResNet-18's size there instead, which is too large to be kept.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, save

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Graph:
    """Nodes and weights, as they are added."""

    def __init__(self, seed):
        self.random, self.nodes, self.weights, self.inputs, self.outputs = np.random.default_rng(seed), [], [], [], []

    def constant(self, value):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape, inputs=None):
        scale = np.sqrt(2 / (inputs or shape[0]))
        return self.constant(self.random.normal(0, scale, shape).astype(np.float32))

    def input(self, name, kind, *shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, value, kind, *shape):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def op(self, kind, *values, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(values), [name], **attributes))
        return name

    def dense(self, x, width, to):
        return self.op("Gemm", x, self.weight(width, to), self.constant(np.linspace(-1, 1, to, dtype=np.float32)))

    def norm(self, x, channels):
        mean, scale = self.random.normal(0, 0.1, channels), self.random.uniform(0.5, 1.5, channels)
        parameters = [scale, mean, mean[::-1], scale[::-1]]
        return self.op("BatchNormalization", x, *(self.constant(p.astype(np.float32)) for p in parameters))

    def conv(self, x, channels, to, size, stride=1):
        weights = self.weight(to, channels, size, size, inputs=channels * size * size)
        # Every exporter says these two.
        shape = {"kernel_shape": [size] * 2, "dilations": [1] * 2}
        return self.op("Conv", x, weights, strides=[stride] * 2, pads=[size // 2] * 4, **shape)

    def model(self, *domains):
        graph = helper.make_graph(self.nodes, "graph", self.inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid(domain, version) for domain, version in [("", 17), *domains]]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tests")

    def write(self, path):
        model = self.model()
        checker.check_model(model, full_check=True)
        save(model, path)


def mlp():
    g = Graph(1)
    x = g.op("Relu", g.dense(g.input("x", FLOAT, "rows", 16), 16, 48))
    x = g.op("Softmax", g.dense(g.op("Relu", g.dense(x, 48, 32)), 32, 4), axis=1)
    g.output("label", g.op("ArgMax", x, axis=1, keepdims=0), INT64, "rows")
    g.output("probabilities", x, FLOAT, "rows", 4)
    return g


def cnn():
    g = Graph(2)
    x = g.op("Relu", g.norm(g.conv(g.input("image", FLOAT, "rows", 1, 14, 14), 1, 6, 3), 6))
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.op("Relu", g.conv(x, 6, 8, 3))
    x = g.dense(g.op("Flatten", g.op("GlobalAveragePool", x)), 8, 5)
    g.output("logits", x, FLOAT, "rows", 5)
    return g


def lstm():
    """As torch writes it where no dimension is said to be dynamic: the batch is 1."""
    g, steps, width, hidden = Graph(3), 12, 6, 16
    x = g.op("Transpose", g.input("series", FLOAT, 1, steps, width), perm=[1, 0, 2])
    parts = g.weight(1, 4 * hidden, width, inputs=width), g.weight(1, 4 * hidden, hidden, inputs=4 * hidden)
    g.nodes.append(helper.make_node("LSTM", [x, *parts], ["all", "last"], hidden_size=hidden))
    last = g.op("Squeeze", "last", g.constant(np.array([0])))
    g.output("prediction", g.op("Squeeze", g.dense(last, hidden, 1), g.constant(np.array([1]))), FLOAT, 1)
    return g


def transformer():
    g, length, width, heads = Graph(4), 12, 16, 2
    tokens, mask = g.input("tokens", INT64, "rows", length), g.input("mask", BOOL, "rows", length)
    hide = g.op("Unsqueeze", g.op("Where", mask, g.constant(np.float32(0)), g.constant(np.float32(-1e9))),
                g.constant(np.array([1, 2])))
    x = g.op("Add", g.op("Gather", g.weight(64, width, inputs=8), tokens), g.weight(length, width, inputs=8))

    def layer_norm(x):
        ones = g.constant(np.linspace(0.8, 1.2, width, dtype=np.float32))
        return g.op("LayerNormalization", x, ones, g.constant(np.zeros(width, np.float32)), axis=-1)

    def linear(x, width, to):
        return g.op("Add", g.op("MatMul", x, g.weight(width, to)), g.constant(np.zeros(to, np.float32)))

    def split(x, order):
        x = g.op("Reshape", x, g.constant(np.array([0, length, heads, width // heads])))
        return g.op("Transpose", x, perm=order)

    for _ in range(2):
        y = layer_norm(x)
        q, k, v = (split(linear(y, width, width), order) for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = g.op("Div", g.op("MatMul", q, k), g.constant(np.float32(np.sqrt(width / heads))))
        y = g.op("MatMul", g.op("Softmax", g.op("Add", scores, hide), axis=-1), v)
        y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.constant(np.array([0, length, width])))
        x = g.op("Add", x, linear(y, width, width))
        y = linear(layer_norm(x), width, 2 * width)
        gate = g.op("Erf", g.op("Div", y, g.constant(np.float32(np.sqrt(2)))))
        y = g.op("Mul", g.op("Mul", y, g.op("Add", gate, g.constant(np.float32(1)))), g.constant(np.float32(0.5)))
        x = g.op("Add", x, linear(y, 2 * width, width))
    x = g.op("ReduceMean", layer_norm(x), axes=[1], keepdims=0)
    g.output("logits", g.dense(x, width, 3), FLOAT, "rows", 3)
    return g


def resnet():
    g, channels = Graph(5), 64
    x = g.op("Relu", g.norm(g.conv(g.input("image", FLOAT, "rows", 3, 64, 64), 3, channels, 7, 2), channels))
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for stage, to in enumerate([64, 128, 256, 512]):
        for block in range(2):
            stride = 2 if stage and not block else 1
            y = g.op("Relu", g.norm(g.conv(x, channels, to, 3, stride), to))
            y = g.norm(g.conv(y, to, to, 3), to)
            if channels != to:
                x = g.norm(g.conv(x, channels, to, 1, stride), to)
            x, channels = g.op("Relu", g.op("Add", x, g.op("Mul", y, g.constant(np.float32(0.3))))), to
    x = g.dense(g.op("Flatten", g.op("GlobalAveragePool", x)), channels, 1000)
    g.output("logits", x, FLOAT, "rows", 1000)
    return g


def rows(graph, count):
    """Random values of each input, by name."""
    random, values = np.random.default_rng(7), {}
    for info in graph.inputs:
        shape = [count] + [dim.dim_value for dim in info.type.tensor_type.shape.dim[1:]]
        kind = info.type.tensor_type.elem_type
        if kind == INT64:
            values[info.name] = random.integers(0, 64, shape)
        elif kind == BOOL:
            values[info.name] = random.random(shape) < 0.8
        else:
            values[info.name] = random.normal(0, 1, shape).round(2).astype(np.float32)
    return values


def answer(path, values, one):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    count = len(next(iter(values.values())))
    parts = [slice(i, i + 1) for i in range(count)] if one else [slice(0, count)]
    answers = [session.run(None, {name: value[part] for name, value in values.items()}) for part in parts]
    return {o.name: np.concatenate(a) for o, a in zip(session.get_outputs(), zip(*answers))}


def make(name, graph, folder, count):
    path = folder / f"{name}.onnx"
    graph.write(path)
    values = rows(graph, count)
    one = graph.inputs[0].type.tensor_type.shape.dim[0].dim_value == 1
    found = answer(path, values, one)
    records = [{key: value[i].tolist() for key, value in values.items()} for i in range(count)]
    expected = {key: value.tolist() for key, value in found.items()}
    path.with_suffix(".json").write_text(json.dumps({"rows": records, "expected": expected}, separators=(",", ":")))
    if name == "mlp":
        examples = [
            {"name": f"row {i}", "inputs": [records[i]], "outputs": [{key: value[i] for key, value in expected.items()}]}
            for i in range(3)
        ]
        golden = {"rtol": 1e-5, "atol": 1e-6, "examples": examples}
        (folder / "mlp-golden.json").write_text(json.dumps(golden))


def refused(folder):
    """Files that are valid and cannot be imported, of a few hundred bytes each."""

    def one(op, *shape, domain="", **attributes):
        g = Graph(6)
        y = g.op(op, g.input("x", FLOAT, *shape), domain=domain, **attributes)
        g.output("y", y, FLOAT, *shape)
        return g

    save(one("Relu", "rows", "length").model(), folder / "open.onnx")
    save(one("Relu", 2, 3).model(), folder / "two.onnx")
    save(one("Invented", "rows", 3, domain="elsewhere").model(("elsewhere", 1)), folder / "unknown.onnx")
    g = Graph(7)
    g.output("y", g.dense(g.input("x", FLOAT, "rows", 3), 3, 2), FLOAT, "rows", 2)
    external = folder / "external.onnx"
    save(g.model(), external, save_as_external_data=True, location="external.data", size_threshold=0)
    (folder / "external.data").unlink()


if len(sys.argv) > 1:
    make("resnet", resnet(), Path(sys.argv[1]), 4)
else:
    refused(Path(__file__).parent / "networks")
    for build, count in [(mlp, 64), (cnn, 32), (lstm, 64), (transformer, 64)]:
        make(build.__name__, build(), Path(__file__).parent / "networks", count)
