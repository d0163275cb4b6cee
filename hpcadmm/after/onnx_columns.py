"""The columns of a table as inputs of an ONNX graph: missing values, categories one-hot, all joined to features."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.datasets.tabular.columns.base import Column
from hpcadmm.datasets.tabular.columns.category import Category
from hpcadmm.datasets.tabular.columns.date import Date
from hpcadmm.datasets.tabular.columns.number import Number
from hpcadmm.datasets.tabular.schema import Schema

if TYPE_CHECKING:
    from hpcadmm.after.onnx_graph import Graph

ML, ML_OPSET = "ai.onnx.ml", 2
TAKEN = re.compile(
    r"(features|known|missing|medians|inputs|scores|class|probabilities|positive|number|zero|axis|values)|[Wbza]\d+|(input|target|column)_?\w*"
)
OUTSIDE = "dates enter as days since 1970-01-01"


def mixed(schema: Any) -> bool:
    """Must the columns be encoded, so that each is an input of its own?"""
    return isinstance(schema, Schema) and not all(plain(column) for column in schema.columns)


def plain(column: Column) -> bool:
    """Is the column its only feature, as it is?"""
    return type(column) is Number and not column.indicator


def imputed(graph: "Graph", schema: Any) -> None:
    """Add the medians of the train part for missing values (NaN) of the matrix of features."""
    medians = [getattr(column, "median", None) for column in schema.columns] if isinstance(schema, Schema) else [None]
    if None not in medians:
        graph.add("IsNaN", name="missing")
        graph.constant("medians", np.array(medians))
        graph.add("Where", "medians", "features", name="known")


def encoded(graph: "Graph", schema: Schema) -> list[Any]:
    """Add the encoding of the schema; returns the inputs: (batch, 1) each, double, or text for categories, named as the
    columns. A missing value is NaN or the empty text."""
    integer, text = (graph.helper.np_dtype_to_tensor_dtype(np.dtype(kind)) for kind in (np.int64, np.str_))
    inputs, parts = [], []
    for at, column in enumerate(schema.columns):
        kind = text if isinstance(column, Category) else graph.type
        inputs.append(graph.helper.make_tensor_value_info(called(column), kind, ["batch", 1]))
        add = category if isinstance(column, Category) else number
        parts += add(graph, column, f"column{at}", integer)
    graph.add("Concat", *parts[1:], source=parts[0], name="features", axis=1)
    return inputs


def called(column: Column) -> str:
    """The name of a column's input: its own, unless the graph uses that name."""
    return f"column {column.name}" if TAKEN.fullmatch(column.name) else column.name


def number(graph: "Graph", column: Any, name: str, integer: int) -> list[str]:
    """Add x with missing values replaced, and the indicator of missing ones."""
    if column.median is None:
        return [called(column)]
    graph.add("IsNaN", source=called(column), name=f"{name}_missing")
    graph.constant(f"{name}_median", np.array([[column.median]]))
    graph.add("Where", f"{name}_median", called(column), source=f"{name}_missing", name=f"{name}_value")
    if not column.indicator:
        return [f"{name}_value"]
    graph.add("Cast", source=f"{name}_missing", name=f"{name}_indicator", to=graph.type)
    return [f"{name}_value", f"{name}_indicator"]


def category(graph: "Graph", column: Any, name: str, integer: int) -> list[str]:
    """Add one-hot categories: a text's feature by a dictionary; that of none is past the last one."""
    count = len(column.features)
    others = len(column.values) if column.other else count
    gap = len(column.values) + column.other if column.missing else count
    keys = {"keys_strings": [*column.values, ""], "values_int64s": [*range(len(column.values)), gap]}
    graph.add("LabelEncoder", source=called(column), name=f"{name}_code", domain=ML, default_int64=others, **keys)
    graph.constants.append(graph.numpy.from_array(np.array([count], np.int64), f"{name}_depth"))
    graph.constants.append(
        graph.numpy.from_array(np.array([0, 1], np.float32), f"{name}_values")
    )  # runtimes know these
    graph.add("OneHot", f"{name}_depth", f"{name}_values", name=f"{name}_one_hot", axis=-1)
    graph.constants.append(graph.numpy.from_array(np.array([1], np.int64), f"{name}_axis"))
    graph.add("Squeeze", f"{name}_axis", name=f"{name}_features")
    graph.add("Cast", name=f"{name}_numbers", to=graph.type)
    return [f"{name}_numbers"]


def outside(schema: Any) -> dict[str, str]:
    """What stays outside the graph, for its metadata."""
    if not mixed(schema):
        return {}
    dates = any(isinstance(column, Date) for column in schema.columns)
    return {"columns": "one input each, (batch, 1)"} | ({"dates": OUTSIDE} if dates else {})
