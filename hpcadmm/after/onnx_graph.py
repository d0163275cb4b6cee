"""A trained network as an ONNX graph: from unscaled features to scores and class, or to regression values."""

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from hpcadmm import __version__
from hpcadmm.after.onnx_columns import ML, ML_OPSET, encoded, imputed, mixed, outside
from hpcadmm.after.trained import Trained
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.transform import Affine
from hpcadmm.errors import UsageError
from hpcadmm.model.state import Array

OPSET, IR = 17, 8  # from 2022: supported by all current runtimes


def write_onnx(path: Path, trained: Trained) -> None:
    """Write the checked graph. Raises UsageError if the package onnx is missing."""
    path.write_bytes(model(trained).SerializeToString())


def library() -> Any:
    """The package onnx."""
    try:
        return import_module("onnx")
    except ImportError as error:
        raise UsageError(f"export to .onnx needs the package onnx: pip install 'hpcadmm[onnx]' ({error})") from None


class Graph:
    """A sequence of nodes: each takes the output of the one before, `last`."""

    def __init__(self, trained: Trained) -> None:
        self.helper = import_module("onnx.helper")
        self.numpy = import_module("onnx.numpy_helper")
        self.dtype = np.dtype(trained.dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs: list[Any] = []
        self.last = "features"

    @property
    def type(self) -> int:
        """The ONNX code of the dtype."""
        kind: int = self.helper.np_dtype_to_tensor_dtype(self.dtype)
        return kind

    def constant(self, name: str, value: Array) -> str:
        """Add a constant tensor in the network's dtype."""
        self.constants.append(self.numpy.from_array(np.ascontiguousarray(value, self.dtype), name))
        return name

    def add(self, operator: str, *more: str, name: str, source: str = "", **attributes: Any) -> None:
        """Add a node with inputs `source` (default: the last output) and `more`, and output `name`."""
        given = [source or self.last, *more]
        self.nodes.append(self.helper.make_node(operator, given, [name], name=name, **attributes))
        self.last = name

    def output(self, name: str, kind: int, *shape: int) -> None:
        """Make a tensor of shape (batch, *shape) an output."""
        self.outputs.append(self.helper.make_tensor_value_info(name, kind, ["batch", *shape]))


def model(trained: Trained) -> Any:
    """The checked ONNX model: features (batch, n_0) to outputs, in the precision of the training.

    With classes: scores (batch, n_L), class (batch,) int64 and, for cross entropy, probabilities; else values
    (batch, n_L) in the data's own units.
    """
    onnx = library()
    graph, helper = Graph(trained), onnx.helper
    inputs = features(graph, trained)
    layers(graph, trained)
    (classes if trained.classes else values)(graph, trained)
    made = helper.make_graph(graph.nodes, "hpcadmm", inputs, graph.outputs, graph.constants)
    maker = {"producer_name": "hpcadmm", "producer_version": __version__}
    whole = helper.make_model(made, opset_imports=opsets(graph), ir_version=IR, **maker)
    helper.set_model_props(whole, properties(trained))
    onnx.checker.check_model(whole, full_check=True)
    return whole


def features(graph: Graph, trained: Trained) -> list[Any]:
    """Add the transform of the inputs and return them: a matrix of features, or the columns of a table."""
    if not mixed(trained.columns):
        imputed(graph, trained.columns)
        affine(graph, trained.transform.inputs, into=True)
        return [graph.helper.make_tensor_value_info("features", graph.type, ["batch", trained.features])]
    own, graph.dtype = graph.dtype, np.dtype(np.float64)
    inputs = encoded(graph, cast(Schema, trained.columns))
    affine(graph, trained.transform.inputs, into=True)
    graph.dtype = own
    graph.add("Cast", name="inputs", to=graph.type)
    return inputs


def opsets(graph: Graph) -> list[Any]:
    """The versions of the operators used."""
    further = [graph.helper.make_opsetid(ML, ML_OPSET)] if any(node.domain == ML for node in graph.nodes) else []
    return [graph.helper.make_opsetid("", OPSET), *further]


def layers(graph: Graph, trained: Trained) -> None:
    """Add z_l = W_l a_{l-1} + b_l and a_l = h(z_l) of all layers."""
    activation = trained.network.activation
    for l, (W, b) in enumerate(trained.layers(), 1):
        names = [graph.constant(f"W{l}", W)] + ([graph.constant(f"b{l}", b)] if b is not None else [])
        last = l == trained.network.depth
        graph.add("Gemm", *names, name="scores" if last and trained.classes else f"z{l}", transB=1)
        if not last:
            graph.add(activation.onnx, name=f"a{l}", **attributes(activation))


def values(graph: Graph, trained: Trained) -> None:
    """Add the output of a regression."""
    outputs = trained.network.n[-1]
    if trained.job.loss.raw:
        graph.add("Exp", name="expected")
    affine(graph, trained.transform.targets or Affine.identity(outputs), into=False)
    graph.add("Identity", name="values")
    graph.output("values", graph.type, outputs)


def affine(graph: Graph, transform: Affine, into: bool) -> None:
    """Add (x - shift) / divisor, or its inverse. Steps without effect are left out."""
    steps = [("Sub", "Add", "shift", transform.shift, 0.0), ("Div", "Mul", "divisor", transform.divisor, 1.0)]
    where = "input" if into else "target"
    for forward, back, what, value, neutral in steps if into else reversed(steps):
        if (value != neutral).any():
            operator = forward if into else back
            graph.add(operator, graph.constant(f"{where}_{what}", value), name=f"{where}_{operator.lower()}")


def attributes(activation: Any) -> dict[str, Any]:
    """The activation's parameters under the names of its ONNX operator, in the operator's order."""
    known = list(library().defs.get_schema(activation.onnx, OPSET).attributes)
    own = asdict(activation)
    if set(own) <= set(known):
        return own
    return dict(zip(known, own.values(), strict=True))


def classes(graph: Graph, trained: Trained) -> None:
    """Add the outputs of a classifier."""
    outputs, integer = trained.network.n[-1], graph.helper.np_dtype_to_tensor_dtype(np.dtype(np.int64))
    graph.output("scores", graph.type, outputs)
    if trained.job.loss.probable:
        if outputs == 1:
            graph.add("Neg", source="scores", name="opposite")
            graph.add("Concat", "scores", name="both", axis=1)
            graph.add("Sigmoid", name="probabilities")
        else:
            graph.add("Softmax", source="scores", name="probabilities", axis=1)
        graph.output("probabilities", graph.type, max(outputs, 2))
    if outputs > 1:
        graph.add("ArgMax", source="scores", name="class", axis=1, keepdims=0)
    else:
        graph.add("Greater", graph.constant("zero", np.zeros(1)), source="scores", name="positive")
        graph.add("Cast", name="number", to=integer)
        graph.constants.append(graph.numpy.from_array(np.array([1], np.int64), "axis"))
        graph.add("Squeeze", "axis", name="class")
    graph.output("class", integer)


def properties(trained: Trained) -> dict[str, str]:
    """Metadata: class names, origin, and how features follow from images."""
    said = {"run": trained.job.head.name, "iteration": str(trained.iteration), "loss": trained.job.loss.name}
    if trained.classes:
        said["classes"] = json.dumps(trained.names)
    if (by := trained.job.data.downsample) > 1:
        said["downsample"] = f"features are means of {by} by {by} pixels"
    return said | outside(trained.columns)
