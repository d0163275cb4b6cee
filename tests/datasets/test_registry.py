"""What every registered dataset must do, on small files in its format."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made

every = pytest.mark.parametrize("name", list(DATASETS))
REGRESSIONS = ("california",)


def alone(dataset: Dataset, dtype: Any = np.float32, **options: Any) -> Loaded:
    return dataset.load(3, World.alone(), dtype, ones=True, **options)


def joined(loads: list[Loaded], part: str, field: str) -> Any:
    """The columns of all ranks side by side."""
    return np.concatenate([getattr(getattr(load, part), field) for load in loads], axis=-1)


def assert_same(loads: list[Loaded], whole: Loaded) -> None:
    for part in ("train", "test"):
        for field in ("x", "labels"):
            one = getattr(getattr(whole, part), field)
            assert joined(loads, part, field).tobytes() == one.tobytes()
    assert {load.digest for load in loads} == {whole.digest}


@every
@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_ranks_gives_the_same_columns(name: str, size: int, dtype: Any, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, pack=size == 3)
    loads = on_ranks(size, lambda world: dataset.load(3, world, dtype, ones=True))
    assert_same(loads, alone(dataset, dtype))


@every
def test_statistics_do_not_depend_on_the_number_of_ranks(name: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, standardise=True, standardise_targets=name in REGRESSIONS)
    whole = alone(dataset, np.float64)
    assert_same(on_ranks(3, lambda world: dataset.load(3, world, np.float64, ones=True)), whole)
    x = whole.train.x[:-1]
    varied = x.max(axis=1) > x.min(axis=1)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(x[varied].std(axis=1), 1, rtol=1e-12)
    assert not x[~varied].any()


@every
def test_more_ranks_than_samples(name: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, first=3, first_test=2, standardise=True)
    loads = on_ranks(5, lambda world: dataset.load(3, world, np.float32, ones=True))
    assert sum(load.train.x.shape[1] == 0 for load in loads) == 4
    assert_same(loads, alone(dataset))


@every
def test_shapes_types_and_order(name: str, tmp_path: Path) -> None:
    loaded = alone(made(name, tmp_path))
    for part in (loaded.train, loaded.test):
        assert part.x.flags.f_contiguous
        assert part.x.dtype == np.float32
        assert part.x.shape == (loaded.features + 1, part.n)
        assert (part.x[-1] == 1).all()
        assert (part.tiles.lo, part.tiles.hi, part.tiles.n) == (0, part.n, part.n)
        if loaded.classes:
            assert part.labels.dtype == np.int64
            assert part.labels.min() >= 0
            assert part.labels.max() < loaded.classes
        else:
            assert part.labels.dtype == np.float64
        assert part.labels.shape == (part.n,)
    assert loaded.classes == len(loaded.names or ())


@every
def test_without_ones_the_last_row_is_missing(name: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path)
    bare = dataset.load(3, World.alone(), np.float32, ones=False)
    np.testing.assert_array_equal(bare.train.x, alone(dataset).train.x[:-1])


@every
def test_gzipped_equals_plain(name: str, tmp_path: Path) -> None:
    plain, packed = (alone(made(name, tmp_path / str(pack), pack)) for pack in (False, True))
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(plain, part).x, getattr(packed, part).x)
        np.testing.assert_array_equal(getattr(plain, part).labels, getattr(packed, part).labels)


@every
def test_first(name: str, tmp_path: Path) -> None:
    whole = alone(made(name, tmp_path, scale="none"))
    some = alone(made(name, tmp_path, scale="none", first=33, first_test=9))
    np.testing.assert_array_equal(some.train.x, whole.train.x[:, :33])
    np.testing.assert_array_equal(some.test.labels, whole.test.labels[:9])
    with pytest.raises(UsageError, match=r"data.first = 100000: after the other options that part has \d+ samples"):
        alone(made(name, tmp_path, first=100_000))


@every
def test_class_subset(name: str, tmp_path: Path) -> None:
    if name in REGRESSIONS:
        with pytest.raises(UsageError, match=r"data.classes: .* has real targets, not classes"):
            alone(made(name, tmp_path, classes=[0, 1]))
        return
    whole = alone(made(name, tmp_path, scale="none", split_seed=1))
    labels = [0, -1] if name == "libsvm" else [1, 0]
    dataset = made(name, tmp_path, scale="none", split_seed=1, classes=labels)
    some = alone(dataset)
    assert some.classes == 2
    if name not in ("digits", "arrays", "frame"):  # there the split comes after the subset
        codes = [(whole.names or []).index(said) for said in some.names or []]
        kept = np.isin(whole.train.labels, codes)
        np.testing.assert_array_equal(some.train.x, whole.train.x[:, kept])
        np.testing.assert_array_equal(np.array(codes)[some.train.labels], whole.train.labels[kept])
    assert_same(on_ranks(3, lambda world: dataset.load(3, world, np.float32, ones=True)), some)


@every
def test_two_classes(name: str, tmp_path: Path) -> None:
    if name in REGRESSIONS:
        with pytest.raises(UsageError, match=r"data.positive: .* has real targets, not classes"):
            alone(made(name, tmp_path, positive=[1]))
        return
    whole, two = alone(made(name, tmp_path)), alone(made(name, tmp_path, positive=[1]))
    np.testing.assert_array_equal(two.train.x, whole.train.x)
    code = 2 if name == "libsvm" else 1  # the labels there are -1, 0, 1
    np.testing.assert_array_equal(two.train.labels, whole.train.labels == code)
    assert two.classes == 2
    assert (two.names or [""])[0] == "others"


@every
def test_the_digest_follows_the_options_not_the_folder(name: str, tmp_path: Path) -> None:
    here, there = made(name, tmp_path / "a"), made(name, tmp_path / "b")
    assert alone(here).digest == alone(there).digest
    assert alone(made(name, tmp_path / "a", first=20)).digest != alone(here).digest


@every
def test_a_transform_measured_elsewhere_is_applied(name: str, tmp_path: Path) -> None:
    done = alone(made(name, tmp_path, standardise=True), np.float64).transform
    raw = alone(made(name, tmp_path, scale="none"), np.float64)
    used = alone(made(name, tmp_path, scale="none"), np.float64, transform=done)
    np.testing.assert_array_equal(used.test.x[:-1].T, (raw.test.x[:-1].T - done.inputs.shift) / done.inputs.divisor)
    np.testing.assert_allclose(done.inputs.undo(used.test.x[:-1]), raw.test.x[:-1], rtol=1e-12, atol=1e-12)


@every
def test_the_class_is_a_strict_table(name: str) -> None:
    adapter = TypeAdapter(DATASETS[name])
    assert adapter.validate_json('{"first": 5, "classes": [1, 0]}').classes == [1, 0]
    for wrong in ({"first": 0}, {"first": "5"}, {"split": 1.5}, {"scale": "log"}, {"unheard": 1}, {"classes": [0.5]}):
        with pytest.raises(ValidationError):
            adapter.validate_json(json.dumps(wrong))


@every
def test_a_missing_file_names_what_was_sought_and_the_cure(name: str, tmp_path: Path) -> None:
    if name in ("digits", "synthetic", "arrays", "frame"):
        for key in ("path", "train", "test"):
            with pytest.raises(UsageError, match=f"data.{key} = 'a': {name} reads no files"):
                alone(DATASETS[name](**{key: "a"}))
        return
    with pytest.raises(UsageError) as caught:
        alone(DATASETS[name](path=str(tmp_path / "nowhere")))
    said = str(caught.value)
    assert str(tmp_path) in said
    assert name in said
    if DATASETS[name].remotes:
        assert DATASETS[name].expects[0] in said
        assert f"hpcadmm data download {name}" in said
