"""Checkpoints whose record does not make a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.after.trained import made
from hpcadmm.errors import UsageError
from hpcadmm.storage.weights import read_weights
from tests.helpers.trainings import trained

Run = Callable[[str], Path]


@pytest.mark.parametrize("key", ["job", "network", "classes", "names", "transform", "iteration"])
@pytest.mark.parametrize("value", [None, "x", 7, [1, 2], {"inputs": 3}, {}])
def test_a_record_that_is_not_one_is_refused(run: Run, key: str, value: Any) -> None:
    meta, weights = read_weights(run("digits"), lambda line: None)
    if key == "iteration" and value == 7:
        return
    with pytest.raises(UsageError, match="checkpoint"):
        made(meta | {key: value}, weights, run("digits"))


def test_parts_that_do_not_belong_together(run: Run) -> None:
    meta, weights = read_weights(run("digits"), lambda line: None)
    short = {"inputs": {"shift": [0.0], "divisor": [1.0]}, "targets": None}
    float32 = meta["job"] | {"precision": "float32"}
    for changed in ({"transform": short}, {"names": ["a"]}, {"classes": 0, "names": []}, {"job": float32}):
        with pytest.raises(UsageError, match="do not fit together"):
            made(meta | changed, weights, run("digits"))
    with pytest.raises(UsageError, match="do not fit together"):
        made(meta, weights[:1], run("digits"))
    assert (
        made(meta, weights, run("digits")).features
        == trained(run("digits")).features
        == len(meta["transform"]["inputs"]["shift"])
    )
    assert np.shape(weights[0]) == (20, 65)
