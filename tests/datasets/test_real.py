"""Real files, where $HPCADMM_DATA has them: well-known counts and means."""

import os
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.loaded import Loaded

DATA = os.environ.get("HPCADMM_DATA", "")


def real(name: str, folder: str, **options: object) -> Loaded:
    if not (Path(DATA) / folder).is_dir() or not DATA:
        pytest.skip(f"$HPCADMM_DATA has no {folder}")
    dataset = DATASETS[name](path=str(Path(DATA) / folder), **options)
    loaded: Loaded = dataset.load(0, World.alone(), np.float32, ones=False)
    return loaded


def test_mnist() -> None:
    loaded = real("mnist", "mnist")
    assert loaded.train.x.shape == (784, 60_000)
    assert np.bincount(loaded.train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(loaded.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert loaded.train.x.mean(dtype=np.float64) == pytest.approx(0.1306605, abs=1e-6)
    small = real("mnist", "mnist", downsample=2)
    assert small.train.x.mean(dtype=np.float64) == pytest.approx(0.1306605, abs=1e-6)


def test_fashion_mnist() -> None:
    loaded = real("fashion-mnist", "fashion-mnist")
    assert set(np.bincount(loaded.train.labels)) == {6000}
    assert loaded.train.x.mean(dtype=np.float64) == pytest.approx(0.286041, abs=1e-5)


def test_cifar_10() -> None:
    loaded = real("cifar-10", "cifar-10")
    assert loaded.features == 3072
    means = loaded.train.x.reshape(3, 1024, -1).mean(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(means, [0.491, 0.482, 0.447], atol=0.01)  # red, green, blue


def test_california() -> None:
    loaded = real("california", "california", scale="max", shuffle=False)
    assert (loaded.train.n, loaded.test.n, loaded.features, loaded.classes) == (16512, 4128, 8, 0)
    assert loaded.train.x.max() == 1.0 or loaded.train.x[0].max() > 1  # longitudes are negative: at least 1
    raw = real("california", "california", shuffle=False)
    assert raw.train.x[:, 0].tolist() == pytest.approx([-122.23, 37.88, 41, 880, 129, 322, 126, 8.3252])
    assert raw.train.labels[0] == 452_600
