"""Whatever a state holds comes back, bit by bit."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage.checkpoint import load, load_newest, newest, save
from hpcadmm.storage.hdf5 import LARGE_CHUNK, chunk_shape
from tests.helpers.states import assert_equal, emptied

TYPES = ("f4", "f8", "i8", "i4", "u1", ">f8", "f2")
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}(/[0-9]{1,3})?", fullmatch=True)


@st.composite
def arrays(draw: st.DrawFn, n: int, lies: str) -> Any:
    rows = draw(st.lists(st.integers(0, 5), max_size=2))
    shape = (*rows, n) if lies in ("columns", "cells") else tuple(rows)
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    bits = np.random.default_rng(draw(st.integers(0, 99))).integers(
        0, 256, int(np.prod(shape)) * dtype.itemsize, np.uint8
    )
    array = bits.view(dtype).reshape(shape, order=draw(st.sampled_from("CF")))
    if draw(st.booleans()):
        array = np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array
    return array


@st.composite
def states(draw: st.DrawFn) -> tuple[Tiles, list[Item]]:
    n, width = draw(st.integers(1, 300)), draw(st.sampled_from([1, 8, 64, 1024]))
    paths = draw(st.lists(NAMES, max_size=6, unique_by=lambda name: name.split("/")[0]))
    lies = [draw(st.sampled_from(["replicated", "columns", "sites", "cells", "layers"])) for _ in paths]
    return Tiles(n, width), [Item(p, l, draw(arrays(n, l))) for p, l in zip(paths, lies, strict=True)]


@settings(max_examples=60, deadline=None)
@given(states(), st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=3))
def test_round_trip(given_state: tuple[Tiles, list[Item]], meta: dict[str, Any]) -> None:
    tiles, items = given_state
    world = World.alone()
    meta = {**meta, "iteration": 3}
    with TemporaryDirectory() as name:
        path = save(Path(name), items, tiles, meta, world, keep=1)
        assert newest(Path(name)) == [path]
        found = emptied(items)
        assert load(path, found, tiles, world) == meta
        assert_equal(found, items)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=3).map(tuple),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 64, 1024]),
)
def test_chunks_are_bounded_and_whole_tiles(shape: tuple[int, ...], itemsize: int, width: int) -> None:
    chunk = chunk_shape(shape, itemsize, width)
    assert all(1 <= c <= n for c, n in zip(chunk, shape, strict=True))
    assert np.prod(chunk, dtype=float) * itemsize <= LARGE_CHUNK
    assert chunk[0] % width == 0 or width % chunk[0] == 0 or chunk[0] == shape[0]


def test_arrays_of_many_chunks(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    tiles, world = Tiles(3000, 1024), World.alone()
    items = [
        Item("z/1", "columns", np.asfortranarray(random.standard_normal((700, 3000)))),
        Item("W/1", "replicated", np.asfortranarray(random.standard_normal((1100, 1300)))),
        Item("q/1", "sites", np.asfortranarray(random.standard_normal((1100, 1300)))),
    ]
    save(tmp_path, items, tiles, {"iteration": 1}, world, keep=1)
    found = emptied(items)
    load_newest(tmp_path, found, tiles, world, pytest.fail)
    assert_equal(found, items)


def test_the_same_iteration_is_replaced(tmp_path: Path) -> None:
    tiles, world = Tiles(10, 64), World.alone()
    for value in (1.0, 2.0):
        items = [Item("z", "columns", np.full((2, 10), value))]
        save(tmp_path, items, tiles, {"iteration": 5, "value": value}, world, keep=2)
    assert load_newest(tmp_path, items, tiles, world, pytest.fail)["value"] == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["iteration-0000000005"]


def test_a_checkpoint_can_be_moved(tmp_path: Path) -> None:
    tiles, world = Tiles(10, 64), World.alone()
    items = [Item("z", "columns", np.arange(20.0).reshape(2, 10))]
    shutil.move(save(tmp_path / "a", items, tiles, {"iteration": 5}, world, keep=2), tmp_path / "b")
    found = emptied(items)
    load(tmp_path / "b", found, tiles, world)
    assert_equal(found, items)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (Item("../x", "replicated", np.zeros(2)), "cannot save '../x'"),
        (Item("x", "replicated", np.array([None])), "cannot save 'x' of type object"),
        (Item("x", "replicated", np.array(["text"])), "cannot save 'x'"),
        (Item("x", "columns", np.zeros((2, 9))), r"x is \(2, 9\), but this rank has 10 columns"),
        (Item("x", "cells", np.zeros((2, 9))), r"x is \(2, 9\), but this rank has 10 columns"),
        (Item("x", "cells", np.zeros(())), r"x is \(\), but this rank has 10 columns"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_leaves_nothing(item: Item, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        save(tmp_path, [item], Tiles(10, 64), {"iteration": 5}, World.alone(), keep=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot make the checkpoint .*Not a directory"):
        save(tmp_path / "file" / "checkpoints", [], Tiles(10, 64), {"iteration": 5}, World.alone(), keep=1)
