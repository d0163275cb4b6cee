"""What ranks read and send one another: each row once, to its owner, in the order asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.datasets.table import Source
from hpcadmm.datasets.tabular.exchange import Plan, Route, arriving, edges_of
from hpcadmm.model.tiles import Tiles
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made


def loaded(dataset: Dataset, world: World, dtype: Any = np.float32) -> Loaded:
    return dataset.load(3, world, dtype, ones=True)


def test_a_route_tells_sender_and_receiver_the_same() -> None:
    rows = np.random.default_rng(0).permutation(50)[:37]
    source = Source(DATASETS["synthetic"](samples=50).parts(0)[0].table, rows)
    for size in (1, 2, 5):
        edges = edges_of(Tiles(len(rows), 4, size))
        for span in ((0, 50), (7, 23), (9, 9)):
            routes = [Route.of(source, edges, rank) for rank in range(size)]
            sent, counts = routes[0].sorted(span)
            columns = np.concatenate([route.expected([span])[1] for route in routes])
            np.testing.assert_array_equal(rows[columns], sent)
            assert [route.expected([span])[0][0] for route in routes] == counts.tolist()
            assert sorted(sent) == sorted(set(rows) & set(range(*span)))


@pytest.mark.parametrize("name", ["csv", "parquet", "arrow", "npz", "hdf5", "mnist"])
@pytest.mark.parametrize("options", [{}, {"order": "shuffled"}, {"validation": 0.3}])
def test_ranks_have_what_one_has(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    dataset = made(name, tmp_path, **options)
    whole = loaded(dataset, World.alone())
    parts = on_ranks(3, lambda world: loaded(dataset, world))
    for part in ("train", "test"):
        mine = [getattr(one, part) for one in parts]
        np.testing.assert_array_equal(np.hstack([one.x for one in mine]), getattr(whole, part).x)
        np.testing.assert_array_equal(np.hstack([one.labels for one in mine]), getattr(whole, part).labels)
    assert {one.digest for one in parts} == {whole.digest}


def test_each_row_is_read_by_one_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file with its test part in it: both are read together."""
    np.savez(tmp_path / "a.npz", X=np.arange(300.0).reshape(100, 3), y=np.arange(100) % 2)
    monkeypatch.setattr("hpcadmm.datasets.table.ROUND", 240)

    def read(world: World) -> list[int]:
        source = DATASETS["npz"](path=str(tmp_path / "a.npz")).parts(0)[0]
        seen: list[int] = []
        reader = source.table.reader

        def counted() -> Any:
            class Counted:
                def __enter__(self) -> Any:
                    self.inner = reader()
                    read = self.inner.__enter__()
                    return lambda lo, hi: (seen.extend(range(lo, hi)), read(lo, hi))[1]

                def __exit__(self, *why: Any) -> None:
                    self.inner.__exit__(*why)

            return Counted()

        source.table.reader = counted  # type: ignore[method-assign]
        rows = np.random.default_rng(0).permutation(100)
        parts = [Source(source.table, rows[:80]), Source(source.table, rows[80:])]
        edges = [edges_of(Tiles(len(part.rows), 16, world.size, world.rank)) for part in parts]
        for arrivals in arriving(source.table, Plan.of(parts, edges, world), world):
            for part, arrival in zip(parts, arrivals, strict=True):
                np.testing.assert_array_equal(arrival.features[:, 0], 3 * part.rows[arrival.columns])
        return seen

    assert sorted(row for rows in on_ranks(3, read) for row in rows) == list(range(100))


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pieces_of_features_give_the_same_bits(
    size: int, dtype: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made("csv", tmp_path)
    whole = on_ranks(size, lambda world: loaded(dataset, world, dtype))
    monkeypatch.setattr("hpcadmm.datasets.lean.piecewise.HELD", 1000)
    monkeypatch.setattr("hpcadmm.datasets.lean.piecewise.STRETCH", 50)
    cut = on_ranks(size, lambda world: loaded(dataset, world, dtype))
    for one, other in zip(whole, cut, strict=True):
        for part in ("train", "test"):
            np.testing.assert_array_equal(getattr(one, part).x, getattr(other, part).x)
            np.testing.assert_array_equal(getattr(one, part).labels, getattr(other, part).labels)
        assert one.transform.record() == other.transform.record()
        assert one.digest == other.digest


@pytest.mark.parametrize("target", ["last", ["1", "5"]])
def test_pieces_of_features_keep_the_targets(target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savetxt(tmp_path / "a.csv", np.random.default_rng(0).standard_normal((90, 6)).round(3), "%.3f", delimiter=",")
    dataset = DATASETS["csv"](path=str(tmp_path / "a.csv"), target=target, header=False)
    whole = dataset.load(0, World.alone(), np.float32, ones=True, classes=False)
    monkeypatch.setattr("hpcadmm.datasets.lean.piecewise.HELD", 100)
    monkeypatch.setattr("hpcadmm.datasets.lean.piecewise.STRETCH", 40)
    cut = dataset.load(0, World.alone(), np.float32, ones=True, classes=False)
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(cut, part).x, getattr(whole, part).x)
        np.testing.assert_array_equal(getattr(cut, part).labels, getattr(whole, part).labels)
