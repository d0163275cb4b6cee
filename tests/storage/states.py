"""States whose every entry is known from its global index, dealt to any number of ranks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage.checkpoint import load_newest, save

SITES = 5


def values(path: str, shape: tuple[int, ...], seed: int, dtype: Any = np.float64) -> Any:
    """Any bits at all (NaN with payload, -0, subnormal), the same for a path and a seed."""
    random = np.random.default_rng([seed, *path.encode()])
    bits = random.integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
    return np.asfortranarray(bits.view(dtype).reshape(shape))


def state(tiles: Tiles, seed: int) -> list[Item]:
    """Items of every kind: matrices of both memory orders, scalars, columns, sites; the columns of these tiles."""
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
    ]
    for k in range(1, SITES):
        if k % tiles.size == tiles.rank:
            items.append(Item(f"q/{k}", "sites", values(f"q/{k}", (k, 9), seed)))
    return items


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
