"""Streamed samples are those in memory, bit for bit: what is loaded, what is trained, and on any number of ranks."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.disk.flat import Flat
from hpcadmm.datasets.lean import blocks
from hpcadmm.datasets.lean.streamed import Streamed
from hpcadmm.datasets.lean.window import amount
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.model.inputs import stretches
from hpcadmm.testing.problems import stepped
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training.measure import measure, weights_sha256
from hpcadmm.training.setup import set_up

ROWS, FEATURES = 1203, 5
SMALL = 7000  # bytes: some 100 samples
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "packed": {"chunks": (100, 3), "compression": "gzip"},
}
JOB = """
name = "streamed"
precision = "float32"
[data]
name = "hdf5"
path = "{path}"
[network]
hidden = [6]
[loss]
name = "cross-entropy"
[solver]
name = "{solver}"
"""
SOLVERS = {
    "adam": ["solver.batch=100", "solver.cut=3", "network.dropout=0.5", "network.dropout_inputs=0.2"],
    "sgd": ["solver.batch=0", "data.weight=balanced"],
    "mpadmm": [
        "solver.batch=300",
        "solver.workers=3",
        "solver.local_steps=2",
        "solver.local_batch=50",
        "solver.local_after=1",
    ],
    "lbfgs": [],
    "gadmm": ["solver.workers=3", "solver.batch=40"],
    "qgadmm": ["solver.workers=3", "solver.batch=40", "data.weight=balanced"],
}


def file(folder: Path, dtype: Any = np.float64, layout: str = "contiguous", targets: bool = False) -> str:
    """Features of different scales, the last of them constant, and three classes or two targets."""
    random = np.random.default_rng(3)
    x = random.standard_normal((ROWS, FEATURES)) * [1, 20, 0.3, 5, 0] + [0, 90, 1, 7, 3]
    y = random.standard_normal((ROWS, 2)) if targets else random.integers(0, 3, ROWS)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("X", data=np.abs(x).astype(dtype), **LAYOUTS[layout])
        file["y"] = y
    return str(folder / "a.h5")


def whole(x: Any) -> Any:
    """All columns, as an array."""
    m = x.shape[1]
    pieces = [np.array(x[:, t], order="F") for t in stretches(x, slice(0, m))]
    return np.concatenate(pieces, axis=1) if pieces else np.empty(x.shape, x.dtype)


def loaded(options: dict[str, Any], world: World, dtype: Any, parts: int = 0) -> Any:
    return DATASETS["hdf5"](**options).load(0, world, dtype, ones=True, parts=parts)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("kind", "dtype", "options"),
    [
        (np.float64, np.float32, {"standardise": True}),
        (np.float64, np.float64, {"shuffle": False, "first": 900}),
        (">f4", np.float32, {"scale": "max", "shards": 6}),
        (np.uint8, np.float32, {"scale": "unit", "validation": 0.3}),
        (np.float16, np.float32, {"standardise": True}),
        (np.int64, np.float64, {"standardise": True, "classes": [2, 0], "split": 1.0}),
    ],
)
def test_streamed_samples_are_those_in_memory(
    layout: str, kind: Any, dtype: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    given = {"path": file(tmp_path, kind, layout), **options}
    memory = loaded(given, World.alone(), dtype, parts=3)
    for ranks in (1, 2):
        found = on_ranks(ranks, lambda w: loaded(given | {"memory": SMALL}, w, dtype, parts=3))
        assert all(isinstance(one.train.x, Streamed) for one in found)
        assert {one.digest for one in found} == {memory.digest}
        assert all(one.transform.record() == memory.transform.record() for one in found)
        assert all(one.warnings == memory.warnings for one in found)
        for part in ("train", "test"):
            parts = [getattr(one, part) for one in found]
            x, y = (
                np.concatenate(each, axis=-1) for each in zip(*((whole(p.x), p.labels) for p in parts), strict=True)
            )
            np.testing.assert_array_equal(x, getattr(memory, part).x)
            np.testing.assert_array_equal(y, getattr(memory, part).labels)
            assert all(p.x.window._flat.size <= SMALL for p in parts)


def test_columns_in_any_order_and_width(tmp_path: Path) -> None:
    given = {"path": file(tmp_path), "standardise": True}
    memory, x = (loaded(given | more, World.alone(), np.float32).train.x for more in ({}, {"memory": SMALL}))
    random = np.random.default_rng(0)
    for lo, hi in [(3, 9), (0, 962), (5, 7), (400, 400), (100, 180), (0, 3)]:
        np.testing.assert_array_equal(x[:, lo:hi], memory[:, lo:hi])
        np.testing.assert_array_equal(x[:5, lo:hi], memory[:5, lo:hi])
        np.testing.assert_array_equal(x.part(slice(lo, hi))[:, 0 : hi - lo], memory[:, lo:hi])
        asked = [random.integers(0, 962, size) for size in (7, 0, 400, 5)]
        for columns in asked:
            out = x.taken(columns, partial(iter, [asked[:2], asked[2:]]))
            np.testing.assert_array_equal(out, memory[:, columns])
    assert (x.min(axis=1, initial=0) == memory.min(axis=1, initial=0)).all()
    assert (x.max(axis=1, initial=0) == memory.max(axis=1, initial=0)).all()


def test_what_is_read_ahead_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"path": file(tmp_path)}
    memory, x = (loaded(given | more, World.alone(), np.float32).train.x for more in ({}, {"memory": SMALL}))
    fills: list[int] = []
    fill = Streamed._fill
    monkeypatch.setattr(Streamed, "_fill", lambda self, coming: (fills.append(1), fill(self, coming))[1])
    batches = list(np.random.default_rng(0).permutation(960).reshape(96, 10))
    for k, columns in enumerate(batches):
        found = x.taken(columns, lambda k=k: ([one] for one in batches[k:]))
        np.testing.assert_array_equal(found, memory[:, columns])
    assert len(fills) == -(-96 // (SMALL // x.window.need(batches[:1], x.column)))


def test_columns_asked_for_in_turn_are_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two arrays of a batch that is summed twice: a batch that does not fit waits for the next buffer."""
    x = loaded({"path": file(tmp_path), "memory": SMALL}, World.alone(), np.float32).train.x
    fills: list[int] = []
    fill = Streamed._fill
    monkeypatch.setattr(Streamed, "_fill", lambda self, coming: (fills.append(1), fill(self, coming))[1])
    batches = [[columns[:11], columns[11:]] for columns in np.random.default_rng(0).permutation(960).reshape(40, 24)]
    for k, batch in enumerate(batches):
        for columns in (*batch, *batch):
            x.taken(columns, partial(iter, batches[k:]))
    assert len(fills) == -(-40 // (SMALL // x.window.need(batches[0], x.column)))


def trained(path: str, solver: str, world: World, *more: str) -> tuple[str, dict[str, Any]]:
    """The digest of the weights after three iterations, and the measures."""
    job = parse(JOB.format(path=path, solver=solver), [*SOLVERS[solver], *more])
    setup = set_up(job, world)
    problem, world, solver_ = setup.problem, setup.world, job.solver
    state = stepped(solver_, problem, world, 3)
    row = measure(solver_, state, problem, world)
    return weights_sha256(solver_.weights(state, world)), row


@pytest.mark.parametrize("solver", SOLVERS)
def test_streamed_training_is_that_in_memory(solver: str, tmp_path: Path) -> None:
    path = file(tmp_path)
    memory = trained(path, solver, World.alone())
    for ranks in (1, 2):
        found = on_ranks(ranks, lambda w: trained(path, solver, w, f"data.memory={SMALL}"))
        assert {digest for digest, _ in found} == {memory[0]}
        assert found[0][1] == memory[1]


def test_a_regression_is_streamed(tmp_path: Path) -> None:
    given = {"path": file(tmp_path, targets=True), "standardise": True, "standardise_targets": True}
    memory, found = (loaded(given | more, World.alone(), np.float64) for more in ({}, {"memory": SMALL}))
    np.testing.assert_array_equal(found.train.labels, memory.train.labels)
    assert found.digest == memory.digest


def test_a_solver_that_needs_all_samples_names_those_that_do_not(tmp_path: Path) -> None:
    job = parse(JOB.format(path=file(tmp_path), solver="dladmm"), ["data.memory=7 kB"])
    with pytest.raises(
        UsageError, match=r"take 2.\d+e-05 GB, and dladmm cannot stream.*mpadmm, consensus, .*sgd, .*lbfgs"
    ):
        set_up(job, World.alone())
    set_up(parse(job.to_toml(), ["data.memory=1 MB"]), World.alone())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_that_is_no_number_ends_all_ranks(dtype: Any, tmp_path: Path) -> None:
    path = file(tmp_path)
    with h5py.File(path, "r+") as held:
        held["X"][1202, 2] = np.nan
    options = {"path": path, "memory": SMALL, "shuffle": False}

    def said(world: World) -> str:
        with pytest.raises(UsageError) as caught:
            loaded(options, world, dtype)
        return str(caught.value)

    assert all("row 1203, column 3 (counted from 1): nan is not a finite" in text for text in on_ranks(2, said))


def test_memory_is_typed_with_units() -> None:
    assert DATASETS["hdf5"](path="a", memory="2 GB").memory == "2 GB"
    for wrong in ("much", "-1 GB", "2 GX", "0", ""):
        with pytest.raises(UsageError, match=r"data.memory = .* must be bytes, as"):
            amount(wrong)


@pytest.mark.parametrize(("rows", "features", "density"), [(300_000, 3, 0.3), (60_000, 50, 0.0005), (7, 200_000, 0.6)])
def test_rows_of_a_file_are_read_by_the_block(rows: int, features: int, density: float, tmp_path: Path) -> None:
    """Near rows in one read for all, far ones alone; whichever block a row is in, it is found."""
    random = np.random.default_rng(0)
    (random.random((rows + 1, features)) * 100).astype(np.float32).tofile(tmp_path / "a")
    held = np.memmap(tmp_path / "a", np.float32, "r", features * 4, (rows, features))
    with (tmp_path / "a").open("rb", buffering=0) as file:
        flat, read = Flat(tmp_path / "a", file, features * 4, (rows, features), held.dtype), []
        whole = Flat.read_into
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Flat, "read_into", lambda self, out, at: (read.append(len(out)), whole(self, out, at))[1])
            wanted = random.permutation(np.flatnonzero(random.random(rows) < density))
            wanted = np.concatenate([wanted, wanted[:3]])
            seen = np.zeros(len(wanted), int)
            for raw, at, put in blocks.visits(flat, wanted):
                np.testing.assert_array_equal(raw[at], held[wanted[put]])
                seen[put] += 1
        assert (seen == 1).all()
        assert sum(read) == (rows if density == 0.3 else len(np.unique(wanted)))
        assert not list(blocks.visits(flat, wanted[:0]))
        os.truncate(tmp_path / "a", features * 4 * (rows - 1))
        with pytest.raises(UsageError, match=rf"a: ends {features * 8} bytes too early; the file has changed"):
            flat.read(0, rows)
