"""States whose every entry is known from its global index, dealt to any number of ranks or to a grid of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles, block
from hpcadmm.storage.checkpoint import load_newest, save

SITES = 5
LAYERS = 5


def values(path: str, shape: tuple[int, ...], seed: int, dtype: Any = np.float64) -> Any:
    """Any bits at all (NaN with payload, -0, subnormal), the same for a path and a seed."""
    random = np.random.default_rng([seed, *path.encode()])
    bits = random.integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
    return np.asfortranarray(bits.view(dtype).reshape(shape))


def state(tiles: Tiles, seed: int) -> list[Item]:
    """Items of every kind, of both memory orders, scalars, and without entries; the columns of these tiles."""
    mine = slice(tiles.lo, tiles.hi)
    items = [
        Item("W/1", "replicated", values("W/1", (7, 4), seed)),
        Item("W/2", "replicated", np.ascontiguousarray(values("W/2", (3, 8), seed))),
        Item("zaT", "replicated", values("zaT", (5, 6), seed)[::2]),
        Item("sweeps", "replicated", np.array(seed)),
        Item("nothing", "replicated", np.zeros((0, 3))),
        Item("a/1", "columns", np.asfortranarray(values("a/1", (8, tiles.n), seed, np.float32)[:, mine])),
        Item("z/1", "columns", np.asfortranarray(values("z/1", (7, tiles.n), seed)[:, mine])),
        Item("z/2", "columns", np.ascontiguousarray(values("z/2", (3, tiles.n), seed)[:, mine])),
        Item("y", "columns", values("y", (tiles.n,), seed, np.int64)[mine].copy()),
        *cells(tiles, range(2, 3), seed),
    ]
    for k in range(1, SITES):
        if k % tiles.size == tiles.rank:
            items.append(Item(f"q/{k}", "sites", values(f"q/{k}", (k, 9), seed)))
    return items


def cells(tiles: Tiles, layers: range, seed: int) -> list[Item]:
    """The columns of these tiles of some layers: of both types and memory orders, and of one axis."""
    mine, items = slice(tiles.lo, tiles.hi), []
    for l in layers:
        p = values(f"p/{l}", (l + 2, tiles.n), seed, (np.float64, np.float32)[l % 2])[:, mine]
        items.append(Item(f"p/{l}", "cells", np.ascontiguousarray(p) if l == 3 else np.asfortranarray(p)))
        items.append(Item(f"c/{l}", "cells", values(f"c/{l}", (tiles.n,), seed, np.int64)[mine].copy()))
    return items


def seat(world: World, blocks: int, n: int, width: int) -> tuple[Tiles, range]:
    """The tiles and the layers of this rank on a grid of `blocks` blocks of layers; one that does not divide is cut."""
    samples = world.size // np.gcd(world.size, blocks)
    i, j = divmod(world.rank, int(samples))
    lo, hi = block(LAYERS, world.size // int(samples), i)
    return Tiles(n, width, int(samples), j), range(1 + lo, 1 + hi)


def grid_state(world: World, blocks: int, seed: int, n: int = 200, width: int = 64) -> tuple[Tiles, list[Item]]:
    """Tiles and state of this rank on a grid: cells and arrays of its layers, a site of every rank's."""
    tiles, layers = seat(world, blocks, n, width)
    items = [Item("W/1", "replicated", values("W/1", (7, 4), seed)), *cells(tiles, layers, seed)]
    items += [Item(f"A/{l}", "layers", values(f"A/{l}", (l, l), seed)) for l in layers]
    for k in range(1, SITES):
        if k % world.size == world.rank:
            items.append(Item(f"q/{k}", "sites", values(f"q/{k}", (k, 9), seed)))
    return tiles, items


def save_grid(folder: Path, seed: int, world: World, blocks: int, n: int = 200, width: int = 64) -> Path:
    """Save the state of a seed on a grid as that iteration."""
    tiles, items = grid_state(world, blocks, seed, n, width)
    return save(folder, items, tiles, {"iteration": seed, "seed": seed}, world, 9)


def check_grid(
    folder: Path, world: World, blocks: int, warn: Callable[[str], None], n: int = 200, width: int = 64
) -> int:
    """Load the newest checkpoint on a grid, check every bit of it, and return its seed."""
    tiles, items = grid_state(world, blocks, 0, n, width)
    items = emptied(items)
    meta = load_newest(folder, items, tiles, world, warn)
    assert_equal(items, grid_state(world, blocks, meta["seed"], n, width)[1])
    return int(meta["seed"])


def emptied(items: list[Item]) -> list[Item]:
    """The same arrays with other content, in the same memory order."""
    return [Item(i.path, i.lies, np.full_like(i.array, 77)) for i in items]


def assert_equal(items: list[Item], others: list[Item]) -> None:
    """The same paths and, bit by bit, the same arrays."""
    assert [i.path for i in items] == [o.path for o in others]
    for item, other in zip(items, others, strict=True):
        assert item.array.tobytes() == other.array.tobytes(), item.path


def save_state(folder: Path, seed: int, world: World, n: int = 200, keep: int = 9) -> Path:
    """Save the state of a seed as that iteration."""
    tiles = Tiles(n, 64, world.size, world.rank)
    return save(folder, state(tiles, seed), tiles, {"iteration": seed, "seed": seed}, world, keep)


def check_newest(folder: Path, world: World, warn: Callable[[str], None], n: int = 200) -> int:
    """Load the newest checkpoint, check every bit of it, and return its seed."""
    tiles = Tiles(n, 64, world.size, world.rank)
    items = emptied(state(tiles, 0))
    meta = load_newest(folder, items, tiles, world, warn)
    assert_equal(items, state(tiles, meta["seed"]))
    return int(meta["seed"])
