"""On a grid of layers x samples all ranks read the file together, and the ranks of a chain get the same columns."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipExtFile

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.disk.share import Section
from hpcadmm.datasets.lean.keeping import Keeping
from hpcadmm.datasets.table import Table
from hpcadmm.errors import UsageError
from hpcadmm.model.inputs import dense
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made

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
    ("hdf5", {"shards": 7, "weight": "balanced"}),
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
    kind, seen = type(dataset.parts(0)[0].table), Counter[tuple[Any, ...]]()

    def counted(name: str, inner: Any) -> Any:
        @contextmanager
        def opened(self: Table) -> Iterator[Any]:
            with inner(self) as read:

                def reading(start: int, stop: int) -> Any:
                    seen.update((name, self.files, self.rows, row) for row in range(start, stop))
                    return read(start, stop)

                yield reading

        return opened

    for way in ("reader", "label_reader"):
        monkeypatch.setattr(kind, way, counted(way, getattr(kind, way)))
    on_ranks(RANKS, lambda world: loaded(dataset, world.arranged(LAYERS, RANKS // LAYERS)))
    assert set(seen.values()) == {1}
    found = name != "mnist"  # whose classes are known
    assert len(seen) == sum(part.table.rows for part in dataset.parts(0) if part) * (1 + found)


def test_an_unpacked_array_is_read_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's zipfile would read all that is passed over. Read as a whole it is checked by its checksum."""
    x = np.random.default_rng(0).standard_normal((4000, 9))
    np.savez(tmp_path / "a.npz", X=x, y=np.arange(4000) % 3)
    dataset, read, inner = DATASETS["npz"](path=str(tmp_path / "a.npz")), list[int](), ZipExtFile.read

    def counted(self: ZipExtFile, n: int = -1) -> bytes:
        data = inner(self, n)
        read.append(len(data))
        return data

    monkeypatch.setattr(ZipExtFile, "read", counted)
    several = on_ranks(3, lambda world: loaded(dataset, world))
    assert sum(read) < x.nbytes / 2
    monkeypatch.undo()
    alone = loaded(dataset, World.alone())
    np.testing.assert_array_equal(np.hstack([one.train.x for one in several]), alone.train.x)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[x.nbytes // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(UsageError, match="damaged: Bad CRC-32"):
        loaded(dataset, World.alone())


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
