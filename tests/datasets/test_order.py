"""data.order: the same samples in another order, on the train part only, and the same one on all ranks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import ordered, sharded, shuffled
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.datasets.table import Source, Table
from hpcadmm.errors import UsageError
from hpcadmm.model.tiles import Tiles
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made, rows, text

every = pytest.mark.parametrize("name", list(DATASETS))
orders = pytest.mark.parametrize("order", ["shuffled", "labels"])


def alone(dataset: Dataset, seed: int = 3) -> Loaded:
    return dataset.load(seed, World.alone(), np.float64, ones=True)


def csv(folder: Path, table: Any, **options: Any) -> Dataset:
    (folder / "a.csv").write_bytes(text(table))
    found: Dataset = DATASETS["csv"](path=str(folder / "a.csv"), scale="none", **options)
    return found


class Labelled(Table):
    """A table that has labels only."""

    def __init__(self, labels: Any) -> None:
        self.all, self.rows, self.targets = labels, len(labels), 0 if labels.ndim == 1 else labels.shape[1]

    def reader(self) -> Any:
        raise AssertionError("an order needs no features")

    def labels(self) -> Any:
        """In blocks of 7."""
        return (self.all[start : start + 7] for start in range(0, self.rows, 7))


@st.composite
def sources(draw: Any, targets: bool) -> Source:
    """Labels (or two targets) with many equal ones; a range of rows or some of them in any order."""
    n = draw(st.integers(1, 40))
    size = (n, 2) if targets else n
    labels = np.random.default_rng(draw(st.integers(0, 99))).integers(-2, 3, size)
    lo, hi = sorted((draw(st.integers(0, n)), draw(st.integers(0, n))))
    some = draw(st.lists(st.integers(0, n - 1), unique=True))
    taken = range(lo, hi) if draw(st.booleans()) else np.array(some, np.int64)
    return Source(Labelled(labels.astype(float) / 2 if targets else labels), taken)


@given(st.booleans().flatmap(sources))
def test_by_labels_is_what_a_stable_sort_of_the_rows_gives(source: Source) -> None:
    said = source.table.all.tolist()  # type: ignore[attr-defined]
    expected = sorted(source.rows, key=lambda row: said[row])  # of two targets as of words: by the first
    assert list(ordered(source, "labels", 0).rows) == expected


@given(st.booleans().flatmap(sources), st.integers(0, 2**40))
def test_shuffled_is_the_same_rows_by_the_seed_alone(source: Source, seed: int) -> None:
    one = list(ordered(source, "shuffled", seed).rows)
    assert sorted(one) == sorted(source.rows)
    assert one == list(ordered(Source(source.table, np.array(list(source.rows), np.int64)), "shuffled", seed).rows)
    assert ordered(source, "file", seed) is source


@given(st.booleans().flatmap(sources), st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
def test_even_parts_are_whole_shards_of_the_sorted_rows(source: Source, parts: int, each: int, seed: int) -> None:
    n, shards = len(source.rows), parts * each
    if shards > n:
        with pytest.raises(UsageError, match=f"data.shards = {shards}: the train part has {n} samples"):
            sharded(source, shards, seed)
        return
    by, found = (list(one.rows) for one in (ordered(source, "labels", 0), sharded(source, shards, seed)))
    assert sorted(found) == sorted(by)
    place, tiles = {row: k for k, row in enumerate(by)}, Tiles(n, 64, parts=parts)
    for t in range(parts):
        at = sorted(place[row] for row in found[tiles.edge(t) : tiles.edge(t + 1)])
        assert (np.diff(at) > 1).sum() < each  # runs of the sorted rows
    assert found == list(sharded(source, shards, seed).rows)
    assert sharded(source, None, seed) is source


def test_the_permutation_is_the_same_for_ever_and_not_that_of_the_split() -> None:
    table = Labelled(np.zeros(500, int))
    assert list(ordered(Source(table, range(8)), "shuffled", 7).rows) == [1, 3, 2, 7, 4, 5, 0, 6]
    found, other = (np.array(ordered(Source(table, range(500)), "shuffled", seed).rows) for seed in (7, 8))
    for permutation in (np.arange(500), other, shuffled(500, 7)):
        assert (found == permutation).sum() < 8  # one is expected


@every
@orders
def test_any_number_of_ranks_gives_the_same_columns(name: str, order: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, order=order, first=90, standardise=True)
    whole, loads = alone(dataset), on_ranks(3, lambda world: dataset.load(3, world, np.float64, ones=True))
    for part in ("train", "test"):
        for field in ("x", "labels"):
            found = np.concatenate([getattr(getattr(load, part), field) for load in loads], axis=-1)
            assert found.tobytes() == getattr(getattr(whole, part), field).tobytes()
    assert {load.digest for load in loads} == {whole.digest}


@every
@orders
def test_the_same_samples_in_another_order_and_the_test_part_as_it_is(name: str, order: str, tmp_path: Path) -> None:
    file, found = (alone(made(name, tmp_path, scale="none", order=one)) for one in ("file", order))
    by = np.argsort(file.train.labels, kind="stable")
    if order == "labels":
        np.testing.assert_array_equal(found.train.labels, file.train.labels[by])
        np.testing.assert_array_equal(found.train.x, file.train.x[:, by])
    pairs = [sorted(zip(load.train.x.T.tolist(), load.train.labels.tolist(), strict=True)) for load in (file, found)]
    assert pairs[0] == pairs[1]
    assert (found.train.x != file.train.x).any()
    np.testing.assert_array_equal(found.test.x, file.test.x)
    np.testing.assert_array_equal(found.test.labels, file.test.labels)
    assert found.names == file.names


@every
def test_the_digest_follows_the_order_but_not_that_of_the_file(name: str, tmp_path: Path) -> None:
    digests = [alone(made(name, tmp_path, **options)).digest for options in ({}, {"order": "file"})]
    digests += [alone(made(name, tmp_path, order=order)).digest for order in ("shuffled", "labels")]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_checkpoints_made_before_there_was_an_order_know_their_data() -> None:
    """The digest of the packaged digits, as it was then."""
    said = "d8edff074e0198e6de31eeb59c9684ed85fc0e119c5017a96a9bffee01b24778"
    assert alone(DATASETS["digits"]()).former == said


def test_the_first_samples_are_those_of_the_new_order(tmp_path: Path) -> None:
    x, y = rows(60, 3, 1)
    found = alone(csv(tmp_path, np.column_stack([x, y]), split=1.0, shuffle=False, order="labels", first=25))
    by = np.argsort(y, kind="stable")[:25]
    np.testing.assert_array_equal(found.train.x[:-1].T, x[by])
    np.testing.assert_array_equal(found.train.labels, y[by])


def test_shards_are_of_the_samples_that_validation_leaves(tmp_path: Path) -> None:
    x, y = rows(60, 3, 1)
    table, options = np.column_stack([x, y]), {"split": 1.0, "shuffle": False, "first": 50, "validation": 0.2}
    whole, found = (alone(csv(tmp_path, table, **options, **more)) for more in ({}, {"shards": 6}))
    assert sorted(found.train.labels.tolist()) == sorted(whole.train.labels.tolist())
    assert max(len(set(found.train.labels[k : k + 20])) for k in (0, 20)) <= 3
    assert (np.diff(found.train.labels) != 0).sum() <= 8 < (np.diff(whole.train.labels) != 0).sum()
    np.testing.assert_array_equal(found.test.x, whole.test.x)
    assert found.digest != whole.digest


def test_a_subset_of_classes_and_two_classes_come_in_the_order_of_the_files_labels(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(8.0), [5, 9, 7, 5, 9, 7, 5, 9]])
    options: dict[str, Any] = {"split": 1.0, "shuffle": False, "order": "labels"}
    some = alone(csv(tmp_path, table, classes=[9, 5], **options))
    assert some.train.x[0].tolist() == [0, 3, 6, 1, 4, 7]
    assert some.train.labels.tolist() == [1, 1, 1, 0, 0, 0]
    two = alone(csv(tmp_path, table, positive=[7], **options))
    assert two.train.labels.tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_a_regression_is_ordered_by_its_target(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(6.0), [2.5, -1, 2.5, 30, -1.5, 0]])
    found = alone(
        csv(tmp_path, table, split=1.0, shuffle=False, order="labels", task="regression", standardise_targets=False)
    )
    assert found.train.labels.tolist() == [-1.5, -1, 0, 2.5, 2.5, 30]
    assert found.train.x[0].tolist() == [4, 1, 5, 0, 2, 3]


def test_only_the_known_orders_are_taken() -> None:
    adapter = TypeAdapter(DATASETS["digits"])
    assert adapter.validate_json('{"order": "labels"}').order == "labels"
    for wrong in ("sorted", "", None, True):
        with pytest.raises(ValidationError, match="order"):
            adapter.validate_json(json.dumps({"order": wrong}))


@orders
def test_memory_stays_near_the_ranks_own_columns(order: str, tmp_path: Path) -> None:
    import tracemalloc

    random = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", X=random.integers(0, 256, (20_000, 3000), np.uint8), y=random.integers(0, 5, 20_000))
    tracemalloc.start()
    dataset = DATASETS["npz"](path=str(tmp_path / "a.npz"), split=1.0, order=order, scale="none")
    loads = on_ranks(4, lambda world: dataset.load(0, world, np.float32, ones=True))
    peak = tracemalloc.get_traced_memory()[1]  # of all ranks
    tracemalloc.stop()
    assert peak < sum(one.train.x.nbytes for one in loads) + 4 * 60e6
