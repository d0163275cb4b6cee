"""A table that was converted: the same samples as from the table, whatever the number of ranks that wrote it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.given.convert import convert
from hpcadmm.datasets.given.unlabelled import load_inputs
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.testing.threads import on_ranks

HOW: dict[str, Any] = {"dtype": None, "compress": False, "notes": {}, "force": True}


def table(path: Path, rows: int = 300) -> Path:
    random = np.random.default_rng(0)
    colour = random.choice(["red", "green", "blue", ""], rows)
    size = random.standard_normal(rows).round(3).astype(str)
    size[::17] = "?"
    label = random.choice(["yes", "no", ""], rows, p=[0.5, 0.4, 0.1])
    lines = [f"{a};{b};{c}" for a, b, c in zip(colour, size, label, strict=True)]
    path.write_text("colour;size;label\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("options", [{}, {"split": 0.7}, {"order": "labels"}])
def test_a_converted_table_gives_the_same_samples(options: dict[str, Any], tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv")
    dataset = DATASETS["csv"](path=str(path), **options)
    for size in (1, 3):
        on_ranks(size, lambda world, out=tmp_path / f"{size}.h5": convert(dataset, out, world, **HOW))
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()
    first, again = (
        one.load(0, World.alone(), np.float32, ones=True)
        for one in (dataset, DATASETS["hdf5"](path=str(tmp_path / "3.h5")))
    )
    if "order" not in options:  # which comes after the split of the table, and before that of the file
        assert first.digest == again.digest
        np.testing.assert_array_equal(first.train.x, again.train.x)
    assert again.names == first.names
    assert isinstance(again.columns, Schema)
    assert again.columns.names == first.columns.names


def test_a_run_on_the_file_takes_raw_rows(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv")
    convert(DATASETS["csv"](path=str(path)), tmp_path / "a.h5", World.alone(), **HOW)
    loads = [
        one.load(0, World.alone(), np.float64, ones=True)
        for one in (DATASETS["csv"](path=str(path)), DATASETS["hdf5"](path=str(tmp_path / "a.h5")))
    ]
    found = [
        load_inputs(path, one.dataset, one.transform, World.alone(), np.float64, ones=True, columns=one.columns)
        for one in loads
    ]
    np.testing.assert_array_equal(found[0].x, found[1].x)
    assert found[0].n == 300


def test_targets_of_a_regression_are_standardised_as_from_the_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("c,x,y\n" + "".join(f"{'ab'[i % 2]},{i % 7},{i * 10.5}\n" for i in range(50)))
    dataset = DATASETS["csv"](path=str(path), task="regression")
    convert(dataset, tmp_path / "a.h5", World.alone(), **HOW)
    digests = {
        one.load(0, World.alone(), np.float64, ones=True).digest
        for one in (dataset, DATASETS["hdf5"](path=str(tmp_path / "a.h5")))
    }
    assert len(digests) == 1
