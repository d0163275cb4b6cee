"""On a grid of layers x samples all ranks read the file together, and the ranks of a chain get the same columns."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets.disk.share import Section
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.datasets.table import Table
from hpcadmm.model.inputs import dense
from tests.helpers.samples import made
from tests.helpers.threads import on_ranks

LAYERS, RANKS = 2, 4
CASES = [
    ("csv", {}),
    ("csv", {"standardise": True, "weight": "balanced"}),
    ("parquet", {"order": "shuffled"}),
    ("npz", {"standardise": True, "validation": 0.3}),
    ("npz", {"memory": 3000}),
    ("hdf5", {"scale": "unit"}),
    ("hdf5", {"memory": 3000, "order": "shuffled"}),
    ("mnist", {}),
    ("mnist", {"order": "labels", "first": 60}),
    ("libsvm", {"sparse": True, "scale": "max"}),
    ("libsvm", {"order": "shuffled"}),
]


def loaded(dataset: Any, world: World) -> Any:
    return dataset.load(3, world, np.float32, ones=True, keeping=Keeping(streams="memory" in vars(dataset)))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_ranks_of_a_chain_have_the_same_columns(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    dataset = made(name, tmp_path, **options)
    row = on_ranks(RANKS // LAYERS, lambda world: loaded(dataset, world))
    grid = on_ranks(RANKS, lambda world: loaded(dataset, world.arranged(LAYERS, RANKS // LAYERS)))
    for rank, mine in enumerate(grid):
        theirs = row[rank % len(row)]
        for part in ("train", "test"):
            one, other = getattr(mine, part), getattr(theirs, part)
            everything = slice(None), slice(0, one.x.shape[1])
            np.testing.assert_array_equal(dense(one.x[everything]), dense(other.x[everything]))
            np.testing.assert_array_equal(one.labels, other.labels)
            assert one.tiles == other.tiles
            assert np.array_equal(one.weight, other.weight) if one.weight is not None else other.weight is None
        assert mine.transform.record() == theirs.transform.record()
        assert (mine.digest, mine.facts, mine.warnings) == (theirs.digest, theirs.facts, theirs.warnings)


@pytest.mark.parametrize("name", ["npz", "hdf5", "mnist"])
@pytest.mark.parametrize("options", [{}, {"order": "shuffled"}])
def test_each_row_is_read_once(
    name: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made(name, tmp_path, **options)
    kind, seen = type(dataset.parts(0)[0].table), Counter[tuple[Any, int]]()
    reader = kind.reader

    @contextmanager
    def counted(self: Table) -> Iterator[Any]:
        with reader(self) as read:

            def reading(start: int, stop: int) -> Any:
                seen.update((self.files, self.rows, row) for row in range(start, stop))
                return read(start, stop)

            yield reading

    monkeypatch.setattr(kind, "reader", counted)
    on_ranks(RANKS, lambda world: loaded(dataset, world.arranged(LAYERS, RANKS // LAYERS)))
    assert set(seen.values()) == {1}
    assert len(seen) == sum(part.table.rows for part in dataset.parts(0) if part)


def test_each_byte_of_lines_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, read = made("libsvm", tmp_path, order="shuffled"), list[int]()
    size, inner = sum(path.stat().st_size for path in tmp_path.iterdir()), Section.read

    def counted(self: Section, count: int) -> bytes:
        data = inner(self, count)
        read.append(len(data))
        return data

    monkeypatch.setattr(Section, "read", counted)
    on_ranks(RANKS, lambda world: loaded(dataset, world.arranged(LAYERS, RANKS // LAYERS)))
    assert sum(read) == size
