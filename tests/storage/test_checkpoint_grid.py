"""Arrays in cells, on grids of layers x samples: whatever grid has written a checkpoint, any other reads it."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.errors import RankFailed, UsageError
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage.checkpoint import load, load_newest, newest, read_weights, save
from hpcadmm.testing.threads import on_ranks
from tests.helpers import harm
from tests.helpers.states import LAYERS, assert_equal, cells, check_grid, emptied, grid_state, save_grid, state, values

GRIDS = st.tuples(st.integers(1, 3), st.integers(1, 3))  # blocks of layers, blocks of samples


@settings(max_examples=40, deadline=None)
@given(GRIDS, GRIDS, st.integers(1, 300), st.sampled_from([1, 8, 64]))
@example((2, 3), (3, 2), 200, 64)
@example((2, 2), (1, 1), 70, 64)
@example((1, 1), (3, 3), 1, 64)  # blocks without samples
@example((7, 1), (1, 5), 130, 64)  # blocks without layers
def test_any_grid_reads_what_any_wrote(writers: tuple[int, int], readers: tuple[int, int], n: int, width: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        on_ranks(writers[0] * writers[1], lambda world: save_grid(folder, 10, world, writers[0], n, width))
        found = on_ranks(
            readers[0] * readers[1], lambda world: check_grid(folder, world, readers[0], pytest.fail, n, width)
        )
        assert set(found) == {10}
        assert_whole(newest(folder)[0], n)


def assert_whole(path: Path, n: int) -> None:
    """The master shows the global arrays, as rows = samples."""
    with h5py.File(path / harm.MASTER) as file:
        for l in range(1, LAYERS + 1):
            p = values(f"p/{l}", (l + 2, n), 10, (np.float64, np.float32)[l % 2])
            assert file[f"p/{l}"][...].tobytes() == np.ascontiguousarray(p.T).tobytes()
            assert file[f"c/{l}"][...].tobytes() == values(f"c/{l}", (n,), 10, np.int64).tobytes()


@pytest.mark.parametrize(("ranks", "blocks"), [(1, 1), (6, 2), (6, 6), (4, 1)])
def test_each_rank_with_cells_writes_one_file(ranks: int, blocks: int, tmp_path: Path) -> None:
    on_ranks(ranks, lambda world: save_grid(tmp_path, 10, world, blocks))
    expected = set()
    for rank in range(ranks):
        tiles = Tiles(200, 64, ranks // blocks, rank % (ranks // blocks))
        has_layers = (rank // tiles.size) * LAYERS // blocks < (rank // tiles.size + 1) * LAYERS // blocks
        if len(tiles) and has_layers:
            expected.add(f"cells-{rank}-{tiles.lo}-{tiles.hi}.h5")
    assert {p.name for p in newest(tmp_path)[0].glob("cells-*")} == expected


def test_a_rank_opens_only_files_that_hold_its_cells(tmp_path: Path) -> None:
    on_ranks(6, lambda world: save_grid(tmp_path, 10, world, 2))
    (path,) = newest(tmp_path)
    tiles = Tiles(200, 64, 2, 0)  # columns 0 to 128, which are on two of the three blocks
    for file in path.glob("cells-*"):
        if file.name not in ("cells-3-0-64.h5", "cells-4-64-128.h5"):
            file.unlink()
    items = emptied(cells(tiles, range(4, 6), 10))
    assert load(path, items, tiles, World.alone())["seed"] == 10
    assert_equal(items, cells(tiles, range(4, 6), 10))


def test_ranks_of_a_real_world(mpirun: Callable, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from tests.helpers.states import check_grid, save_grid
from hpcadmm.comm.world import World
world, folder = World(), Path("checkpoints")
"""
    mpirun(4, code + "save_grid(folder, 10, world, 2)").check()
    done = mpirun(3, code + "assert check_grid(folder, world, 3, print) == 10; print('checked')").check()
    assert done.stdout.count("checked") == done.n
    assert check_grid(tmp_path / "checkpoints", World.alone(), 1, pytest.fail) == 10


def test_a_state_of_every_kind_restarts_on_a_row_of_ranks(tmp_path: Path) -> None:
    def write(world: World) -> None:
        tiles = Tiles(200, 64, world.size, world.rank)
        save(tmp_path, state(tiles, 10), tiles, {"iteration": 10}, world, keep=1)

    def read(world: World) -> None:
        tiles = Tiles(200, 64, world.size, world.rank)
        items = emptied(state(tiles, 10))
        load_newest(tmp_path, items, tiles, world, pytest.fail)
        assert_equal(items, state(tiles, 10))

    on_ranks(3, write)
    on_ranks(2, read)


@pytest.mark.parametrize("do", [harm.missing, harm.truncated, harm.of_another_checkpoint])
def test_damage_that_one_rank_sees_sends_the_grid_to_the_one_before(do: Callable[[str], Any], tmp_path: Path) -> None:
    for seed in (10, 20):
        on_ranks(6, lambda world, seed=seed: save_grid(tmp_path, seed, world, 2))
    before = {p.name: p.read_bytes() for p in newest(tmp_path)[1].iterdir()}
    do("cells-5-128-200.h5")(newest(tmp_path)[0])
    warnings: list[str] = []
    assert set(on_ranks(4, lambda world: check_grid(tmp_path, world, 2, warnings.append))) == {10}
    (warning,) = warnings
    assert warning.startswith("checkpoint iteration-0000000020 is not used: ")
    assert "iteration-0000000020/cells-5-128-200.h5: " in warning
    assert {p.name: p.read_bytes() for p in newest(tmp_path)[1].iterdir()} == before


def refused(ranks: int, folder: Path, change: Callable[[World, list[Item]], list[Item]], blocks: int = 2) -> list[Any]:
    """What each rank of a grid is told when it saves a changed state; the checkpoint before is all that is left."""
    on_ranks(ranks, lambda world: save_grid(folder, 10, world, blocks))

    def work(world: World) -> Exception | None:
        tiles, items = grid_state(world, blocks, 20)
        try:
            save(folder, change(world, items), tiles, {"iteration": 20}, world, keep=1)
        except Exception as error:  # noqa: BLE001 (its type is looked at)
            return error
        return None

    told = on_ranks(ranks, work)
    assert [path.name for path in folder.iterdir()] == ["iteration-0000000010"]
    assert set(on_ranks(ranks, lambda world: check_grid(folder, world, blocks, pytest.fail))) == {10}
    return told


def added(rank: int, lies: Any, shape: tuple[int, int], path: str) -> Callable[[World, list[Item]], list[Item]]:
    """One item more on one rank, or on all if it is -1."""

    def change(world: World, items: list[Item]) -> list[Item]:
        return [*items, Item(path, lies, np.zeros(shape))] if rank in (-1, world.rank) else items

    return change


def without(rank: int, path: str) -> Callable[[World, list[Item]], list[Item]]:
    return lambda world, items: [i for i in items if world.rank != rank or i.path != path]


# On a grid of 2 x 2: the columns 0 to 128 and 128 to 200; the layers 1, 2 and 3, 4, 5.
FIRST: dict[str, tuple[Callable[[World, list[Item]], list[Item]], str]] = {
    "overlap": (added(0, "cells", (6, 128), "p/4"), "two ranks hold the columns 0 to 128 of p/4"),
    "overlap at the end": (added(1, "cells", (6, 72), "p/4"), "two ranks hold the columns 128 to 200 of p/4"),
    "gap": (without(0, "p/2"), "no rank holds the columns 0 to 128 of p/2"),
    "gap at the end": (without(3, "p/4"), "no rank holds the columns 128 to 200 of p/4"),
    "other rows": (
        added(0, "cells", (9, 128), "p/4"),
        "the ranks do not agree on how p/4 lies, or on its shape or type",
    ),
    "other kind": (added(0, "sites", (6, 200), "p/4"), "the ranks do not agree on how p/4 lies"),
    "two sites": (added(0, "sites", (1, 9), "q/1"), "two ranks hold the site q/1"),
    "replicated and in cells": (added(-1, "replicated", (4, 200), "p/2"), "the ranks do not agree on how p/2 lies"),
}
EVERY: dict[str, tuple[Callable[[World, list[Item]], list[Item]], str]] = {
    "replicated on some": (
        added(3, "replicated", (2, 2), "W/5"),
        "the ranks 0 and 3 differ in arrays that are replicated or in columns: W/5",
    ),
    "replicated in another order": (lambda w, i: [*i, i[0]] if w.rank else i, "differ in .*: their order"),
}


@pytest.mark.parametrize("case", FIRST)
def test_cells_that_do_not_fit_together_are_refused(case: str, tmp_path: Path) -> None:
    change, says = FIRST[case]
    first, *others = refused(4, tmp_path, change)
    assert isinstance(first, ValueError)
    assert says in str(first)
    assert all(isinstance(error, RankFailed) and says in str(error) for error in others)


@pytest.mark.parametrize("case", EVERY)
def test_what_is_the_same_on_every_rank_is_compared(case: str, tmp_path: Path) -> None:
    change, says = EVERY[case]
    for error in refused(4, tmp_path, change):
        with pytest.raises(ValueError, match=says):
            raise error

    def read(world: World) -> None:
        tiles, items = grid_state(world, 2, 10)
        with pytest.raises(ValueError, match=says):
            load_newest(tmp_path, change(world, items), tiles, world, pytest.fail)

    on_ranks(4, read)


def test_columns_on_a_grid_of_several_blocks_of_layers_are_refused(tmp_path: Path) -> None:
    def change(world: World, items: list[Item]) -> list[Item]:
        return [*items, Item("z/1", "columns", np.zeros((2, (128, 72)[world.rank % 2])))]

    for error in refused(4, tmp_path, change):
        with pytest.raises(ValueError, match="z/1 is in columns: 2 blocks on 4 ranks"):
            raise error


def test_arrays_of_another_number_of_columns_are_not_filled(tmp_path: Path) -> None:
    path = save_grid(tmp_path, 10, World.alone(), 1)
    with pytest.raises(ValueError, match=r"p/1 is \(3, 199\), but this rank has 200 columns"):
        load(path, [Item("p/1", "cells", np.zeros((3, 199), np.float32))], Tiles(200, 64), World.alone())


def test_a_record_without_cells_and_without_their_key_is_read(tmp_path: Path) -> None:
    """As versions before cells have written it."""
    tiles, world = Tiles(200, 64), World.alone()
    old = [item for item in state(tiles, 10) if item.lies != "cells"]
    path = save(tmp_path, old, tiles, {"iteration": 10}, world, keep=1)
    harm.record(lambda r: [entry.pop("files") for entry in r["entries"].values()])(path)
    items = emptied(old)
    load(path, items, tiles, world)
    assert_equal(items, old)
    assert len(read_weights(tmp_path, pytest.fail)[1]) == 2
    assert not [name for name in os.listdir(path) if name.startswith("cells")]


def test_cells_of_a_layer_that_was_not_saved_are_named(tmp_path: Path) -> None:
    save_grid(tmp_path, 10, World.alone(), 1)
    tiles = Tiles(200, 64)
    with pytest.raises(UsageError, match=r"it holds no p/9 \(other arrays\)"):
        load_newest(tmp_path, [Item("p/9", "cells", np.zeros((2, 200)))], tiles, World.alone(), print)
