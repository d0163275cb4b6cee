"""Transforms are computed in float64 and cast afterwards; the default of tables; warnings of badly scaled features."""

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.given.inspect import inspect
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.datasets.scaling import planned
from hpcadmm.datasets.transform import moments
from hpcadmm.job.job import parse
from hpcadmm.model.tiles import Tiles
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made, text


def load(dataset: Any, dtype: Any = np.float64) -> Loaded:
    return dataset.load(0, World.alone(), dtype, ones=True)


def table(folder: Path, x: Any, kind: str = "csv", y: Any = None) -> dict[str, Any]:
    """A file of features and labels of two classes, of a format; its options."""
    y = np.arange(len(x)) % 2 if y is None else y
    path = folder / f"a.{kind}"
    if kind == "csv":
        path.write_bytes(text(np.column_stack([x, y])))
    elif kind == "libsvm":
        rows = [" ".join(f"{k + 1}:{v!r}" for k, v in enumerate(row.tolist()) if v) for row in x]
        path.write_text("".join(f"{label} {row}\n" for label, row in zip(y, rows, strict=True)))
    elif kind == "npz":
        np.savez(path, X=x, y=y)
    else:
        with h5py.File(path, "w") as file:
            file["X"], file["y"] = x, y
    return {"path": str(path)}


def normal(rows: int = 157, features: int = 5) -> Any:
    return np.random.default_rng(0).standard_normal((rows, features))


@pytest.mark.parametrize("kind", ["csv", "npz", "hdf5", "libsvm"])
@pytest.mark.parametrize("offset", [1e8, -3e12])
@pytest.mark.parametrize("scaling", [{"standardise": True}, {"scale": "unit"}])
def test_float32_is_the_float64_result_after_a_cast(kind: str, offset: float, scaling: Any, tmp_path: Path) -> None:
    dataset = DATASETS[kind](**table(tmp_path, normal() + offset, kind), **scaling)
    wide = load(dataset)
    for loads in ([load(dataset, np.float32)], on_ranks(3, lambda w: dataset.load(0, w, np.float32, ones=True))):
        for part in ("train", "test"):
            found = np.concatenate([getattr(one, part).x for one in loads], axis=1)
            assert found.dtype == np.float32
            assert all(getattr(one, part).x.flags.f_contiguous for one in loads)
            np.testing.assert_array_equal(found, getattr(wide, part).x.astype(np.float32))


def test_the_same_bits_on_one_two_and_three_ranks(tmp_path: Path) -> None:
    dataset = DATASETS["csv"](**table(tmp_path, normal(301) * [1, 1e-9, 1e9, 1e150, 1e-200] + [1e8, 0, 0, 0, 0]))
    for dtype in (np.float32, np.float64):
        whole = load(dataset, dtype)
        np.testing.assert_allclose(whole.train.x[:5].std(axis=1), 1, rtol=1e-6)
        for size in (2, 3):
            loads = on_ranks(size, lambda world, dtype=dtype: dataset.load(0, world, dtype, ones=True))
            for part in ("train", "test"):
                one = getattr(whole, part).x
                assert np.concatenate([getattr(load, part).x for load in loads], axis=1).tobytes() == one.tobytes()
            assert {load.digest for load in loads} == {whole.digest}


def test_moments_are_those_of_longdouble() -> None:
    x = np.asfortranarray((normal(999, 3) * [1, 1e-170, 1e160] + [1e9, 0, 0]).T)
    mean, deviation = moments(x, Tiles(999, 64), World.alone())
    exact = x.astype(np.longdouble)
    np.testing.assert_allclose(mean[0], float(exact[0].mean()), rtol=1e-14)
    np.testing.assert_allclose(deviation, exact.std(axis=1).astype(np.float64), rtol=1e-9)


def test_bytes_are_never_blown_up_to_float64(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20_000, 300), np.uint8)
    dataset = DATASETS["npz"](**table(tmp_path, x, "npz"), maximum=255.0)
    tracemalloc.start()
    loaded = load(dataset, np.float32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * (loaded.train.x.nbytes + loaded.test.x.nbytes) + 30e6
    np.testing.assert_array_equal(load(DATASETS["npz"](**table(tmp_path, x, "npz"), split=1.0, shuffle=False,
        maximum=255.0), np.float32).train.x[:-1].T, (x / 255.0).astype(np.float32))  # fmt: skip


def test_float64_that_becomes_float32_gives_its_memory_back(tmp_path: Path) -> None:
    dataset = DATASETS["npz"](**table(tmp_path, normal(20_000, 200), "npz"), split=0.99)
    tracemalloc.start()
    loaded = load(dataset, np.float32)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.2 * loaded.train.x.nbytes + 30e6
    assert kept < 1.1 * loaded.train.x.nbytes + 3e6


@pytest.mark.parametrize("kind", ["csv", "npz", "hdf5", "libsvm"])
def test_tables_standardise_by_default(kind: str, tmp_path: Path) -> None:
    options = table(tmp_path, 3 * normal() + 7, kind)
    loaded = load(DATASETS[kind](**options))
    np.testing.assert_allclose(loaded.train.x[:-1].mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(loaded.train.x[:-1].std(axis=1), 1, rtol=1e-12)
    assert (loaded.dataset.standardise, loaded.dataset.scale) == (True, "none")
    again = load(loaded.dataset)  # what a run's job.toml says
    assert (again.train.x.tobytes(), again.digest) == (loaded.train.x.tobytes(), loaded.digest)
    for asked in ({"standardise": False}, {"scale": "none"}):
        raw = load(DATASETS[kind](**options, **asked))
        assert (raw.dataset.standardise, raw.dataset.scale) == (False, "none")
        assert raw.train.x[:-1].mean() > 5
    assert inspect(DATASETS[kind](**options))["scaling"] == "standard"


def test_images_and_sparse_tables_do_not(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 4), np.uint8)
    for kind in ("npz", "hdf5"):
        loaded = load(DATASETS[kind](**table(tmp_path, x, kind)))
        assert (loaded.dataset.standardise, loaded.dataset.scale, loaded.train.x.max()) == (False, "unit", 1.0)
    pixels = load(DATASETS["csv"](**table(tmp_path, x.reshape(50, 24)), image=[1, 6, 4]))
    assert (pixels.dataset.standardise, pixels.dataset.scale) == (False, "none")
    sparse = np.where(np.random.default_rng(1).random((90, 7)) < 0.2, 5.0, 0.0)
    sparse[0] = 5.0
    loaded = load(DATASETS["libsvm"](**table(tmp_path, sparse, "libsvm")))
    assert set(np.unique(loaded.train.x[:-1])) == {0.0, 5.0}
    assert inspect(DATASETS["libsvm"](**table(tmp_path, sparse, "libsvm")))["scaling"] == "none"
    assert load(DATASETS["csv"](**table(tmp_path, sparse))).dataset.standardise is True


def test_a_printed_job_says_which() -> None:
    for options, said in (({}, True), ({"scale": "max"}, False), ({"maximum": 255.0}, False)):
        assert planned(DATASETS["csv"](path="a.csv", **options)).standardise is said
    assert planned(DATASETS["hdf5"](path="a.h5")).standardise == "auto"  # the file may hold images
    job = '[data]\nname = "csv"\npath = "a.csv"\n[loss]\nname = "hinge"\n[solver]\nname = "adam"'
    assert parse(job).resolved()["data"]["standardise"] is True


def test_badly_scaled_features_are_named(tmp_path: Path) -> None:
    options = table(tmp_path, normal() * [1, 2, 1e4, 1, 1] + [0, 0, 0, 90, 0])
    apart, off = load(DATASETS["csv"](**options, scale="none")).warnings
    assert "the deviation of the features differs" in apart
    assert "columns 3 (" in apart
    assert "set data.standardise = true" in apart
    assert "columns 4 (mean 89" in off
    loads = on_ranks(3, lambda world: DATASETS["csv"](**options, scale="none").load(0, world, np.float32, ones=True))
    assert all(one.warnings == loads[0].warnings for one in loads)
    assert len(loads[0].warnings) == 2
    for fine in ({}, {"standardise": True}):
        assert not load(DATASETS["csv"](**options, **fine)).warnings
    many = load(DATASETS["csv"](**table(tmp_path, normal(80, 40) + 1e3), scale="none")).warnings
    assert "and 34 more" in many[0]
    assert not load(DATASETS["csv"](**table(tmp_path, normal() * [1, 2, 50, 1, 0]), scale="none")).warnings


def test_images_are_not_named(tmp_path: Path) -> None:
    assert not load(DATASETS["digits"](scale="none")).warnings
    assert not load(made("mnist", tmp_path)).warnings
    sparse = np.where(np.random.default_rng(1).random((90, 7)) < 0.2, [1, 1, 1, 1, 1, 1, 900.0], 0.0)
    (said,) = load(DATASETS["libsvm"](**table(tmp_path, sparse, "libsvm"))).warnings
    assert "columns 7 (900)" in said
    assert 'set data.scale = "max"' in said
