"""Samples without labels for predictions."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.given.unlabelled import load_inputs
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made, rows, text

X, Y = rows(150, 7, 9)


def files(folder: Path) -> list[Path]:
    """The same rows in several formats, with and without labels."""
    (folder / "bare.csv").write_bytes(text(X))
    (folder / "labelled.csv").write_bytes(text(np.column_stack([X, Y]), "a,b,c,d,e,f,g,y\n"))
    np.savez(folder / "bare.npz", X=X)
    with h5py.File(folder / "bare.h5", "w") as file:
        file["X"] = X
    sparse = (f"0 {' '.join(f'{i + 1}:{v:.17g}' for i, v in enumerate(row))}" for row in X)
    (folder / "a.txt").write_text("\n".join(sparse))
    return [folder / name for name in ("bare.csv", "labelled.csv", "bare.npz", "bare.h5", "a.txt")]


def trained(folder: Path) -> tuple[Dataset, Any]:
    dataset = made("csv", folder / "train", standardise=True)
    return dataset, dataset.load(0, World.alone(), np.float64, ones=True).transform


def test_any_format_gives_the_features_as_in_training(tmp_path: Path) -> None:
    dataset, transform = trained(tmp_path)
    for path in files(tmp_path):
        loads = on_ranks(3, lambda world: load_inputs(path, dataset, transform, world, np.float64, ones=True))  # noqa: B023
        x = np.concatenate([part.x for part in loads], axis=1)
        np.testing.assert_array_equal(x[:-1].T, (X - transform.inputs.shift) / transform.inputs.divisor)
        assert (x[-1] == 1).all()
        assert loads[0].n == 150
        assert all(part.labels.shape == (part.x.shape[1],) for part in loads)


def test_images_are_averaged_as_in_training(tmp_path: Path) -> None:
    dataset = made("mnist", tmp_path, downsample=2)
    loaded = dataset.load(0, World.alone(), np.float32, ones=False)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()  # labels are not needed
    path = tmp_path / "t10k-images-idx3-ubyte"
    found = load_inputs(path, dataset, loaded.transform, World.alone(), np.float32, ones=False)
    np.testing.assert_array_equal(found.x, loaded.test.x)


def test_what_is_refused(tmp_path: Path) -> None:
    dataset, transform = trained(tmp_path)
    (tmp_path / "narrow.csv").write_bytes(text(X[:, :4]))
    for path, said in (
        (tmp_path / "narrow.csv", "4 columns, but the training has 7"),
        (tmp_path / "none.csv", "there is no such file"),
    ):
        with pytest.raises(UsageError, match=said):
            load_inputs(path, dataset, transform, World.alone(), np.float64, ones=True)


def test_the_digits_from_a_plain_table(tmp_path: Path) -> None:
    dataset = DATASETS["digits"]()
    loaded = dataset.load(0, World.alone(), np.float64, ones=False)
    (tmp_path / "a.csv").write_bytes(text(loaded.test.x.T * 16))
    found = load_inputs(tmp_path / "a.csv", dataset, loaded.transform, World.alone(), np.float64, ones=False)
    np.testing.assert_array_equal(found.x, loaded.test.x)


def test_a_batch_of_cifar_is_read_as_the_run_s_own_whatever_its_bytes(tmp_path: Path) -> None:
    for name, head in (("cifar-10", 1), ("cifar-100", 2)):
        dataset = made(name, tmp_path / name)
        transform = dataset.load(0, World.alone(), np.float32, ones=False).transform
        pixels = np.full((2, 3072), 65, np.uint8)
        batch = np.column_stack([np.full((2, head), 66, np.uint8), pixels])
        (tmp_path / "batch").write_bytes(batch.tobytes())
        found = load_inputs(tmp_path / "batch", dataset, transform, World.alone(), np.float32, ones=False)
        np.testing.assert_array_equal(found.x.T, pixels / np.float32(255))
