"""Checkpoints: a folder of HDF5 files with global arrays, readable on any number of ranks.

iteration-0000000010/
    shard-<lo>-<hi>.h5          one per rank: columns lo to hi of every array in columns, as rows = samples
    cells-<rank>-<lo>-<hi>.h5   one per rank: columns lo to hi of the arrays in cells of its layers, as rows = samples
    sites-<rank>.h5             one per rank: the arrays of its sites, those that each rank has, and those of its layers
                                unless an earlier rank has them
    checkpoint.h5               written last: the replicated arrays, the record (`checkpoint.json`), and virtual
                                datasets that show the arrays in columns and cells whole, for people; not read here
"""

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.model.state import Array, Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage import folders, parts
from hpcadmm.storage.durable import spoken
from hpcadmm.storage.folders import MASTER, newest
from hpcadmm.storage.hdf5 import CheckpointError, naming
from hpcadmm.storage.record import Record
from hpcadmm.storage.weights import read_weights

if TYPE_CHECKING:
    from hpcadmm.comm.world import World

__all__ = ["CheckpointError", "load", "load_newest", "newest", "read_weights", "save"]


def save(
    folder: Path, items: Sequence[Item], tiles: Tiles, meta: dict[str, Any], world: "World", keep: int = 0
) -> Path:
    """Write the checkpoint of `meta["iteration"]`, keep the newest `keep` (0: all), and return its folder. Collective.

    On a grid of ranks, layers x samples, `world` is all ranks and `tiles` those of this rank's block of samples. Such a
    state has no columns, only cells; one rank gives an array on a site. Raises ValueError otherwise.
    meta: anything JSON can hold. Earlier checkpoints stay until this one is committed. An error of the file system (a
    full disk) is a UsageError on all ranks; it leaves the earlier checkpoints and removes what was written.
    """
    final = folders.place(folder, meta["iteration"])
    identity = world.share(uuid.uuid4().hex)
    partial = folders.beside(final, f".{identity[:8]}.partial")  # ranks that outlive a killed job write elsewhere
    with _removed_on_error(partial, world):
        _same_on_all(items, world)
        with world.together("preparing a checkpoint"), spoken(f"make the checkpoint {final}"):
            _check_grid(items, tiles, world)
            if world.first:
                folders.make(folder)
                folders.sweep(folder)
                partial.mkdir()
        with world.together("writing a checkpoint"), spoken(f"write the checkpoint {final}"):
            mine = parts.write_part(partial, items, tiles, world.rank, identity)
        every = world.gather(asdict(mine))
        with world.together("committing a checkpoint"), spoken(f"write the checkpoint {final}"):
            if world.first:
                parts.write_master(partial, parts.joined(identity, meta, items, tiles, every), items)
                folders.commit(partial, final)
    with world.together("removing old checkpoints"), spoken(f"remove checkpoints in {folder}"):
        if world.first and keep:
            folders.prune(folder, meta["iteration"], keep)
    return final


@contextmanager
def _removed_on_error(partial: Path, world: "World") -> Iterator[None]:
    """All ranks fail together, so no rank writes when the first one removes the folder."""
    try:
        yield
    except Exception:
        if world.first:
            shutil.rmtree(partial, ignore_errors=True)
        raise


def _same_on_all(items: Sequence[Item], world: "World") -> None:
    """Raise ValueError on all ranks unless they hold the same replicated arrays and the same arrays in columns."""
    every = world.gather([item.path for item in items if item.lies in ("replicated", "columns")])
    for rank, paths in enumerate(every):
        if paths != every[0]:
            odd = ", ".join(sorted(set(paths) ^ set(every[0]))) or "their order"
            raise ValueError(f"the ranks 0 and {rank} differ in arrays that are replicated or in columns: {odd}")


def _check_grid(items: Sequence[Item], tiles: Tiles, world: "World") -> None:
    """Raise ValueError if several ranks hold the same columns: they would write the same shard."""
    columns = [item.path for item in items if item.lies == "columns"]
    if columns and tiles.size < world.size:
        raise ValueError(
            f"{columns[0]} is in columns: {tiles.size} blocks on {world.size} ranks; "
            "on a grid with several blocks of layers declare the field as cells() or replicated()"
        )


def load(path: Path, items: Sequence[Item], tiles: Tiles, world: "World") -> dict[str, Any]:
    """Fill the arrays of the items from one checkpoint, on any number or grid of ranks; return its meta. Collective.

    Several ranks may ask for the same array. A file that is damaged, hostile or of another job is a UsageError on all
    ranks that names the file and the reason; some arrays may then be filled.
    """
    text = ""
    with world.together("reading a checkpoint"):
        if world.first:
            text = parts.read_record(path)
    record = Record.parse(world.share(text))
    _same_on_all(items, world)
    with world.together("comparing a checkpoint with the job"), naming(path / MASTER):
        record.match(items, tiles.n)
    with world.together("reading a checkpoint"):
        if world.first:
            parts.read_replicated(path, record, items)
    for item in items:
        if item.lies == "replicated":
            _spread(item.array, world)
    with world.together("reading a checkpoint"):
        parts.read_part(path, record, items, tiles)
    return record.meta


def _spread(array: Array, world: "World") -> None:
    """Overwrite an array of any memory order and type with that of the first rank."""
    if array.size == 0:
        return
    rows = array.T if array.T.flags.c_contiguous else np.ascontiguousarray(array)
    world.broadcast(rows.reshape(-1).view(np.uint8))
    if not np.shares_memory(rows, array):
        array[...] = rows


def load_newest(
    folder: Path, items: Sequence[Item], tiles: Tiles, world: "World", warn: Callable[[str], None]
) -> dict[str, Any]:
    """Fill the arrays of the items from the newest valid checkpoint in a folder; return its meta. Collective.

    `warn` gets a line on the first rank for each checkpoint that is refused. Raises UsageError on all ranks if none is
    valid.
    """
    names: list[str] = []
    with world.together("looking for checkpoints"), spoken(f"read {folder}"):
        if world.first:
            folders.sweep(folder)
            names = [path.name for path in newest(folder)]
    names = world.share(names)
    for name in names:
        try:
            return load(folder / name, items, tiles, world)
        except UsageError as error:
            if world.first:
                warn(f"checkpoint {name} is not used: {error}")
            reason = str(error)
    if not names:
        raise UsageError(f"{folder} holds no checkpoint; start again with `hpcadmm train`")
    raise UsageError(f"none of the {len(names)} checkpoints in {folder} is valid; the oldest: {reason}")
