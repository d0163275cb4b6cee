"""export of a network on a table: the ONNX graph takes the raw columns, missing values and categories included."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from hpcadmm.after.export import arrays
from hpcadmm.after.onnx_graph import model
from hpcadmm.after.trained import Trained
from hpcadmm.datasets.loaded import Transform
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.datasets.transform import Affine
from hpcadmm.job.job import parse
from hpcadmm.model.network import Network
from tests.datasets.tabular.test_schema import encoded, learned, mixed
from tests.helpers.tables import Lists, table

JOB = """
name = "t"
precision = "{precision}"
[data]
name = "digits"
[network]
hidden = [5]
[loss]
name = "cross-entropy"
[solver]
name = "adam"
[stop]
iterations = 1
"""


def network(schema: Schema, x: np.ndarray, precision: str) -> Trained:
    """Random weights on the features of a schema, standardised."""
    rng, job = np.random.default_rng(1), parse(JOB.format(precision=precision))
    sizes = Network((schema.features, 5, 2), job.activation, True)
    weights = [rng.standard_normal(sizes.shape(l)).astype(precision, order="F") for l in (1, 2)]
    deviation = x.std(axis=0)
    transform = Transform(Affine(x.mean(axis=0), np.where(deviation == 0, 1.0, deviation)))
    return Trained(job, 1, sizes, [None, *weights], 2, ["<=50K", ">50K"], transform, schema)


def scores(trained: Trained, x: np.ndarray) -> np.ndarray:
    inputs = trained.inputs(len(x))
    inputs[:-1] = trained.transform.inputs.rows(x).T
    return trained.output(inputs).T


def inputs(schema: Schema, columns: Lists) -> dict[str, np.ndarray]:
    """The columns as a caller of onnxruntime passes them."""
    found: dict[str, np.ndarray] = {}
    for column in schema.columns:
        values = columns[column.name]
        if column.becomes == "category":
            array = np.array([[value or ""] for value in values], object)
        elif column.becomes == "date":
            array = np.array(values, "M8[D]").astype(np.int64).astype(float)[:, None]
        else:
            array = np.array([[np.nan if value is None else value] for value in values])
        found[column.name] = array
    return found


def session(whole: Any) -> Any:
    return onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_onnx_takes_the_raw_columns(precision: str) -> None:
    raw, schema = learned(mixed() | {"class": ["u", "v", None] * 20 + ["w"]}, target="y")
    trained = network(schema, encoded(raw, schema), precision)
    later = mixed(40, seed=5) | {"class": ["u", "new", "w", None] * 10}
    later["size"][3] = later["job"][7] = None
    later["job"][8], later["yes"][4] = "new", "perhaps"
    fresh = table(later)
    expected = scores(trained, encoded(fresh, schema.matched(fresh)))
    whole = model(trained)
    runner = session(whole)
    given = inputs(schema, later)
    given["column class"] = given.pop("class")  # an output of the graph has this name
    assert {one.name for one in runner.get_inputs()} == set(given)
    found = runner.run(["scores"], given)[0]
    assert found.dtype == np.dtype(precision)
    close = {"rtol": 1e-4, "atol": 1e-4} if precision == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(found, expected, **close)
    said = {one.key: one.value for one in whole.metadata_props}
    assert said["dates"] == "dates enter as days since 1970-01-01"
    assert Schema.of(json.loads(str(arrays(trained)["schema"]))) == schema


def test_onnx_of_numbers_takes_one_matrix_and_replaces_missing_values() -> None:
    columns = {"a": [1.0, 2.0, 4.0], "b": [0.5, -1.0, 3.0], "y": ["p", "q", "p"]}
    raw, schema = learned(columns)
    trained = network(schema, encoded(raw, schema), "float64")
    x = np.array([[np.nan, 1.0], [7.0, np.nan]])
    expected = scores(trained, np.array([[2.0, 1.0], [7.0, 0.5]]))
    found = session(model(trained)).run(["scores"], {"features": x})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    bare = replace(trained, columns=None)
    np.testing.assert_allclose(session(model(bare)).run(["scores"], {"features": x[:, ::-1] * 0})[0].shape, (2, 2))
